"""What the function predicts for the rows of groups: a value for each row, in the order of the rows.

For one column of the output that is anything that has a length and values: a list, an array, a Series. For several it is a frame, or
a dict of these.
"""

from __future__ import annotations

import sys
from typing import Any, List

from .results import Collected, Returns, WrongReturn, columns_of_frame, listed


class Predictions(Collected):
    """What was predicted for groups of a message, in their order."""

    def add_predicted(self, group: int, returned: Any, rows: int) -> None:
        """Takes what was returned for one group, which has that many rows; raises [WrongReturn] where that is something else."""
        if returned is None:
            raise WrongReturn("the function returns nothing: is a `return` missing?")
        columns = _columns_of(returned, self.returns, rows)
        for name, values in zip(self.returns.names, columns):
            _check_length(values, name, rows)
        self.add_columns(group, columns)


def _columns_of(returned: Any, returns: Returns, rows: int) -> List[Any]:
    """The declared columns, each as something with values."""
    columns = columns_of_frame(returned, returns)
    if columns is not None:
        _check_order(returned, rows)
        return columns
    if isinstance(returned, dict):
        returns.check_columns(returned)
        return [_values(returned[name], rows) for name in returns.names]
    if len(returns.names) > 1:
        raise WrongReturn(
            f"the function returns a {type(returned).__name__}, where a DataFrame or a dict of {listed(returns.names)} is expected"
        )
    return [_values(returned, rows)]


def _values(values: Any, rows: int) -> Any:
    """The values of one column, as something that Arrow reads."""
    kind = type(values)
    if isinstance(values, (str, bytes, bytearray, dict, set, frozenset)) or not hasattr(values, "__len__"):
        raise WrongReturn(f"the function returns a {kind.__name__}, where a value for each of the group's {rows} rows is expected")
    shape = getattr(values, "shape", None)
    if shape is not None and len(shape) != 1:
        raise WrongReturn(f"the function returns an array of shape {tuple(shape)}, where one value for each row is expected")
    library = kind.__module__.partition(".")[0]
    if library == "pandas":
        _check_order(values, rows)
    if library == "polars":
        return values.to_arrow()
    return values


def _check_length(values: Any, name: str, rows: int) -> None:
    found = len(values)
    if found != rows:
        raise WrongReturn(f"the function returns {found} values of `{name}`, where the group has {rows} rows")


def _check_order(returned: Any, rows: int) -> None:
    """Refuses what pandas knows to be in another order than the group's rows, which count from 0: the values would come to
    rows that they are not of."""
    index = getattr(returned, "index", None)
    # Arrays of pandas have none.
    if index is None or type(returned).__module__.partition(".")[0] != "pandas" or len(index) != rows:
        return
    counting = sys.modules["pandas"].RangeIndex(rows)
    if index.dtype.kind in "iu" and not index.equals(counting) and index.sort_values().equals(counting):
        raise WrongReturn("the function returns rows in another order than the group's: end with `.sort_index()`")
