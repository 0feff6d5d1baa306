"""A group's rows as the frame that the function asked for.

Each frame is made of a whole message at first, and a group is a slice of that: no value is copied. What a frame looks like
depends on nothing but the group's own rows. numpy and pandas have no missing integers and booleans, so that a column of
these is made group by group where the message misses some: one group's types are not to change because another group, which
happened to come along, misses a value.

numpy's arrays are views of the message and cannot be written to.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import pyarrow as pa

from .program import Refused

# Gives the rows from one place to another.
Slicer = Callable[[int, int], Any]


def slicer_of(frame: str) -> Callable[[pa.RecordBatch], Slicer]:
    """What makes slicers of messages for that kind of frame; imports what it needs."""
    try:
        return {"numpy": _numpy, "pandas": _pandas, "polars": _polars, "arrow": _arrow}[frame]()
    except ModuleNotFoundError as error:
        message = f"there is no package `{error.name}`, which `frame: {frame}` needs"
        raise Refused("environment", message) from None


def _arrow() -> Callable[[pa.RecordBatch], Slicer]:
    def of_message(rows: pa.RecordBatch) -> Slicer:
        cut = rows.slice
        return lambda start, end: cut(start, end - start)

    return of_message


def _polars() -> Callable[[pa.RecordBatch], Slicer]:
    import polars

    def of_message(rows: pa.RecordBatch) -> Slicer:
        cut = polars.from_arrow(pa.Table.from_batches([rows]), rechunk=False).slice
        return lambda start, end: cut(start, end - start)

    return of_message


def _numpy() -> Callable[[pa.RecordBatch], Slicer]:
    import numpy  # noqa: F401: Arrow makes its arrays

    def of_message(rows: pa.RecordBatch) -> Slicer:
        names: List[str] = rows.schema.names
        if any(_depends_on_nulls(column) for column in rows.columns):
            return lambda start, end: _numpy_of(rows.slice(start, end - start))
        arrays = list(_numpy_of(rows).values())
        if len(names) == 1:
            (name,), (array,) = names, arrays
            return lambda start, end: {name: array[start:end]}
        return lambda start, end: {name: array[start:end] for name, array in zip(names, arrays)}

    return of_message


def _numpy_of(rows: pa.RecordBatch) -> Dict[str, Any]:
    columns = zip(rows.schema.names, rows.columns)
    return {name: column.to_numpy(zero_copy_only=False) for name, column in columns}


def _pandas() -> Callable[[pa.RecordBatch], Slicer]:
    import pandas

    def of_message(rows: pa.RecordBatch) -> Slicer:
        if any(_depends_on_nulls(column) for column in rows.columns):
            return lambda start, end: rows.slice(start, end - start).to_pandas()
        whole = rows.to_pandas()
        cut, index = whole.iloc, pandas.RangeIndex

        def of_group(start: int, end: int) -> Any:
            frame = cut[start:end]
            # Each group counts its rows from 0.
            frame.index = index(end - start)
            return frame

        return of_group

    return of_message


def _depends_on_nulls(column: pa.Array) -> bool:
    """Whether a column's type in numpy depends on which of its values are missing."""
    if column.null_count == 0:
        return False
    kind = column.type
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_date(kind))
