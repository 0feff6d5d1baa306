"""Makes one Arrow batch of what the function returned for the groups of a message.

A dict or a Series is a row, a frame several. Names and types must be those that the job declares. Values are collected and
converted once for the whole message; where that does not go, each group is converted by itself, so that only those that have
a value of another type fail.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Dict, List, Optional, Tuple

import pyarrow as pa

_TYPES: Dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}

# The column that says which group a row is of. No column of a job has a name with spaces.
GROUP = "group of the message"


class WrongReturn(Exception):
    """The function returned something else than the job declares."""


class Returns:
    """The columns that a function returns, as the job declares them."""

    def __init__(self, declared: List[Dict[str, str]]) -> None:
        self.names = [column["name"] for column in declared]
        self.types = [_TYPES[column["type"]] for column in declared]
        self._known = frozenset(self.names)
        self._get = itemgetter(*self.names)
        group = pa.field(GROUP, pa.uint32(), nullable=False)
        self.schema = pa.schema([group, *(pa.field(name, kind) for name, kind in zip(self.names, self.types))])

    def row(self, mapping: Any) -> Tuple[Any, ...]:
        """The values of one row."""
        try:
            values = self._get(mapping)
        except (KeyError, IndexError):
            raise self._differs(mapping.keys()) from None
        if len(mapping) != len(self.names):
            raise self._differs(mapping.keys())
        return values if len(self.names) > 1 else (values,)

    def check_columns(self, columns: Any) -> None:
        """Refuses a frame with other columns; their order does not count."""
        found = list(columns)
        if len(found) != len(self.names) or self._known != frozenset(found):
            raise self._differs(found)

    def _differs(self, found: Any) -> WrongReturn:
        found = [str(name) for name in found]
        missing = [name for name in self.names if name not in found]
        unknown = [name for name in found if name not in self._known]
        said = []
        if missing:
            said.append(f"does not return {listed(missing)}, which `returns` declares")
        if unknown:
            said.append(f"returns {listed(unknown)}, which `returns` does not declare")
        return WrongReturn("the function " + " and ".join(said or ["returns a column twice"]))


class Collected:
    """What groups of a message returned, in their order."""

    def __init__(self, returns: Returns) -> None:
        self.returns = returns
        self._parts: List[Any] = []
        self._rows: List[Tuple[Any, ...]] = []
        self._groups: List[int] = []

    def add(self, group: int, returned: Any) -> None:
        """Takes what one group returned; raises [WrongReturn] where that can be seen at once."""
        if type(returned) is dict:
            self._rows.append(self.returns.row(returned))
            self._groups.append(group)
            return
        columns = _columns_of(returned, self.returns)
        if columns is None:
            self._rows.append(self.returns.row(returned))
            self._groups.append(group)
            return
        self.add_columns(group, columns)

    def add_columns(self, group: int, columns: List[Any]) -> None:
        """Takes the declared columns of one group's rows."""
        self._close_rows()
        self._parts.append(_Frame(group, columns))

    def take(self) -> Tuple[pa.RecordBatch, Dict[int, WrongReturn]]:
        """The rows so far, and why other groups have none."""
        self._close_rows()
        parts, self._parts = self._parts, []
        wrong: Dict[int, WrongReturn] = {}
        batches: List[pa.RecordBatch] = []
        for part in parts:
            batches.extend(part.batches(self.returns, wrong))
        return _together(batches, self.returns.schema), wrong

    def _close_rows(self) -> None:
        if self._rows:
            self._parts.append(_Rows(self._groups, self._rows))
            self._groups, self._rows = [], []


def _together(batches: List[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches, schema=schema)
    columns = [pa.concat_arrays([pa.array([], field.type), *column.chunks]) for field, column in zip(schema, table.columns)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


class _Rows:
    """A row for each of some groups."""

    def __init__(self, groups: List[int], rows: List[Tuple[Any, ...]]) -> None:
        self._groups = groups
        self._rows = rows

    def batches(self, returns: Returns, wrong: Dict[int, WrongReturn]) -> List[pa.RecordBatch]:
        try:
            return [_of_rows(self._groups, self._rows, returns)]
        except WrongReturn:
            pass
        groups, rows = [], []
        for group, row in zip(self._groups, self._rows):
            try:
                _of_rows([group], [row], returns)
            except WrongReturn as error:
                wrong[group] = error
            else:
                groups.append(group)
                rows.append(row)
        return [_of_rows(groups, rows, returns)] if groups else []


class _Frame:
    """The rows of one group."""

    def __init__(self, group: int, columns: List[Any]) -> None:
        self._group = group
        self._columns = columns

    def batches(self, returns: Returns, wrong: Dict[int, WrongReturn]) -> List[pa.RecordBatch]:
        try:
            arrays = [_array(*column) for column in zip(self._columns, returns.names, returns.types)]
        except WrongReturn as error:
            wrong[self._group] = error
            return []
        lengths = {len(array) for array in arrays}
        if len(lengths) != 1:
            wrong[self._group] = WrongReturn("the function returns columns of different lengths")
            return []
        groups = pa.array([self._group] * lengths.pop(), pa.uint32())
        return [pa.RecordBatch.from_arrays([groups, *arrays], schema=returns.schema)]


def _of_rows(groups: List[int], rows: List[Tuple[Any, ...]], returns: Returns) -> pa.RecordBatch:
    columns = zip(zip(*rows), returns.names, returns.types)
    arrays = [_array(list(values), name, kind) for values, name, kind in columns]
    return pa.RecordBatch.from_arrays([pa.array(groups, pa.uint32()), *arrays], schema=returns.schema)


def _array(values: Any, name: str, kind: pa.DataType) -> pa.Array:
    try:
        if isinstance(values, (pa.Array, pa.ChunkedArray)):
            array = _cast(values, kind)
        elif pa.types.is_integer(kind):
            # Told to make integers of Python's floats, Arrow would cut them.
            array = _cast(pa.array(values, from_pandas=False), kind)
        else:
            # NaN is a number and stays one: it is null nowhere.
            array = pa.array(values, kind, from_pandas=False)
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise WrongReturn(f"`{name}` is declared as {kind}: {error}") from None


def _cast(array: Any, kind: pa.DataType) -> Any:
    """The same values as another type of their kind: Arrow would also make numbers of texts, and texts of numbers."""
    if _family(array.type) not in (_family(kind), None):
        raise TypeError(f"the values are {array.type}")
    return array.cast(kind)


def _family(kind: pa.DataType) -> Optional[str]:
    types = pa.types
    if types.is_null(kind):
        return None
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind):
        return "numbers"
    if types.is_temporal(kind):
        return "times"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return "bytes"
    return str(kind).replace("large_", "").replace("_view", "")


def _columns_of(returned: Any, returns: Returns) -> Optional[List[Any]]:
    """The declared columns of a frame; None for what is one row."""
    columns = columns_of_frame(returned, returns)
    if columns is not None:
        return columns
    kind = type(returned)
    library = kind.__module__.partition(".")[0]
    if isinstance(returned, dict) or (library == "pandas" and kind.__name__ == "Series"):
        return None
    if returned is None:
        raise WrongReturn("the function returns nothing: is a `return` missing?")
    raise WrongReturn(f"the function returns a {kind.__name__}, where a dict, a Series or a DataFrame is expected")


def columns_of_frame(returned: Any, returns: Returns) -> Optional[List[Any]]:
    """The declared columns of a frame; None for what is no frame."""
    kind = type(returned)
    library = kind.__module__.partition(".")[0]
    if library == "pandas" and kind.__name__ == "DataFrame":
        returns.check_columns(returned.columns)
        return [returned[name] for name in returns.names]
    if library == "polars" and kind.__name__ == "DataFrame":
        returns.check_columns(returned.columns)
        return [returned[name].to_arrow() for name in returns.names]
    if isinstance(returned, (pa.Table, pa.RecordBatch)):
        returns.check_columns(returned.schema.names)
        return [returned.column(name) for name in returns.names]
    return None


def listed(names: List[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
