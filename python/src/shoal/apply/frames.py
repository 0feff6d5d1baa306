"""What comes in and what goes out: pandas, polars or Arrow."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

import pyarrow as pa

from ..errors import InvalidArgument

# What a function may return, by the name of its type; the same as `returns` of a job.
TYPES = ("boolean", "int32", "int64", "float32", "float64", "string", "binary", "date", "timestamp")

# What a group's rows come as.
FRAMES = ("pandas", "polars", "arrow", "numpy")

# What the output of a job has beside keys and what is returned.
OWN_COLUMNS = ("status", "message", "error_type", "trace", "rows_used")


class Frame(NamedTuple):
    """A table in memory: its rows, what a function gets by itself of such a one, and how a result becomes one."""

    rows: pa.Table
    kind: str
    like: Callable[[pa.Table], Any]


def frame_of(data: Any) -> Frame:
    """The table of a frame.

    Raises:
        InvalidArgument: Where it is none, or has columns that no table can have.
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if isinstance(data, pa.RecordBatch):
        return _checked(Frame(pa.Table.from_batches([data]), "arrow", lambda table: table))
    if isinstance(data, pa.Table):
        return _checked(Frame(data, "arrow", lambda table: table))
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _checked(Frame(_of_pandas(data), "pandas", lambda table: table.to_pandas()))
    if polars is not None and isinstance(data, polars.LazyFrame):
        raise InvalidArgument("a polars LazyFrame has no rows yet", next="pass what its `collect()` gives")
    if polars is not None and isinstance(data, polars.DataFrame):
        return _checked(Frame(data.to_arrow(), "polars", polars.from_arrow))
    raise InvalidArgument(
        f"a {type(data).__name__} is no table",
        next="pass a pandas or polars DataFrame, a pyarrow Table, or the path or URL of a table",
    )


def _of_pandas(data: Any) -> pa.Table:
    strange = [name for name in data.columns if not isinstance(name, str)]
    if strange:
        raise InvalidArgument(
            f"the column {strange[0]!r} has no text as its name", next="rename it: df.rename(columns=str), of several levels join them"
        )
    _refuse_twice(list(data.columns))
    try:
        return pa.Table.from_pandas(data, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(
            f"the frame cannot be written as a table: {error}", next="give each column values of one type, or leave it out"
        ) from None


def _checked(frame: Frame) -> Frame:
    names = frame.rows.column_names
    if not names:
        raise InvalidArgument("the table has no columns")
    _refuse_twice(names)
    if frame.rows.num_rows == 0:
        raise InvalidArgument("the table has no rows: there is no group to call the function with")
    return frame


def _refuse_twice(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidArgument(f"two columns are called `{twice[0]}`", next="rename one of them")


def keys_of(by: Any) -> List[str]:
    """The columns that make a group, as a list."""
    if isinstance(by, str):
        return [by]
    try:
        keys = list(by)
    except TypeError:
        keys = []
    if not keys or not all(isinstance(key, str) for key in keys):
        raise InvalidArgument(f"`by` names the columns that make a group, not {by!r}", next='write by=["store"]')
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise InvalidArgument(f"`by` names `{twice[0]}` twice")
    return keys


def check_columns(names: Sequence[str], asked: Sequence[str], argument: str, data: Any = None) -> None:
    """Refuses columns that a table does not have."""
    for name in asked:
        if name in names:
            continue
        index = getattr(getattr(data, "index", None), "names", None) or ()
        if name in index:
            raise InvalidArgument(
                f"`{argument}` names `{name}`, which is a level of the index and no column", next="pass df.reset_index()"
            )
        there = ", ".join(f"`{known}`" for known in list(names)[:20]) + (", ..." if len(names) > 20 else "")
        raise InvalidArgument(f"`{argument}` names `{name}`, and the table has no such column; it has {there}")


def returns_of(returns: Any, by: Sequence[str]) -> List[Dict[str, str]]:
    """What a function returns, as a job declares it."""
    allowed = ", ".join(f'"{name}"' for name in TYPES)
    pairs: List[Tuple[Any, Any]]
    try:
        pairs = list(returns.items())
    except AttributeError:
        pairs = []
    if not pairs:
        raise InvalidArgument(
            f"`returns` says which columns the function returns and of what types, not {returns!r}",
            next='write returns={"slope": "float64"}; types are ' + allowed,
        )
    declared = []
    for name, kind in pairs:
        if not isinstance(name, str) or not name:
            raise InvalidArgument(f"`returns` names a column {name!r}, which is no text")
        if name in by:
            raise InvalidArgument(
                f"`returns` names `{name}`, which is a column of `by`: the result has it anyway", next="leave it out, or rename it"
            )
        if name in OWN_COLUMNS:
            raise InvalidArgument(f"`returns` names `{name}`, which every result has as a column of its own", next="rename it")
        if not isinstance(kind, str) or kind not in TYPES:
            raise InvalidArgument(f"`returns` says that `{name}` is {kind!r}, which is no type here", next=f"types are {allowed}")
        declared.append({"name": name, "type": kind})
    return declared


def arranged(table: pa.Table, by: Sequence[str], returned: Sequence[str], like: pa.Schema) -> pa.Table:
    """A result as somebody looks at it: ordered by its keys, which have the types that they came with; missing keys last."""
    order = [*by, *returned, *(name for name in OWN_COLUMNS if name in table.column_names)]
    table = table.select(order).sort_by([(name, "ascending") for name in by])
    for place, name in enumerate(by):
        kind = like.field(name).type if name in like.names else None
        if kind is not None and table.column(name).type != kind:
            try:
                table = table.set_column(place, name, table.column(name).cast(kind))
            except pa.ArrowException:
                # As Shoal has it, then: the values are the same.
                pass
    return table
