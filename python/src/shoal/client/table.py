"""The table that a job has written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Sequence

from ..errors import InvalidArgument, PackageMissing, Refused

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    import pyarrow.dataset


class Table:
    """A Delta table at the version that a job has made.

    It is read where it lies, from a folder or an object store, and not through the head: this process has to reach it. Of object
    stores the same variables of the environment count as for workers (`AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`,
    `AZURE_STORAGE_ACCOUNT_NAME`, ...).

    Attributes:
        uri: A folder, or a URL as `s3://BUCKET/PREFIX`.
        version: Its version; None for the latest.
    """

    def __init__(
        self, uri: str, version: Optional[int] = None, *, storage_options: Optional[Dict[str, str]] = None
    ) -> None:
        self.uri = uri
        self.version = version
        self._storage_options = storage_options

    def __repr__(self) -> str:
        return f"Table({self.uri!r}, version={self.version})"

    def to_dataset(self) -> "pyarrow.dataset.Dataset":
        """The table as a dataset of pyarrow, which reads no row before it is asked to, and only what it is asked for.

        Raises:
            Refused: Where the table cannot be read from here.
            PackageMissing: Where `deltalake` is not installed.
        """
        try:
            import deltalake
            from deltalake.exceptions import DeltaError
        except ModuleNotFoundError as error:
            raise PackageMissing(
                f"there is no package `{error.name}`, which tables are read with", next="pip install deltalake"
            ) from None
        try:
            table = deltalake.DeltaTable(self.uri, version=self.version, storage_options=self._options())
            return table.to_pyarrow_dataset()
        except (DeltaError, OSError) as error:
            raise Refused(
                f"the table {self.uri} cannot be read from here: {error}",
                next="read it where it can be reached; of an object store, set the variables that workers have",
            ) from None

    def to_batches(self, columns: Optional[Sequence[str]] = None) -> Iterator["pyarrow.RecordBatch"]:
        """The rows batch by batch: no more than a few batches are in memory at a time."""
        return iter(self.to_dataset().to_batches(columns=self._known(columns)))

    def to_arrow(self, columns: Optional[Sequence[str]] = None) -> "pyarrow.Table":
        """All rows as a `pyarrow.Table`; `columns` names those that are read, in their order. They have to fit in memory."""
        return self.to_dataset().to_table(columns=self._known(columns))

    def to_pandas(self, columns: Optional[Sequence[str]] = None, **options: Any) -> "pandas.DataFrame":
        """All rows as a pandas `DataFrame`; `options` go to `pyarrow.Table.to_pandas`."""
        _needs("pandas")
        return self.to_arrow(columns).to_pandas(**options)

    def to_polars(self, columns: Optional[Sequence[str]] = None) -> "polars.DataFrame":
        """All rows as a polars `DataFrame`."""
        return _needs("polars").from_arrow(self.to_arrow(columns))  # type: ignore[no-any-return]

    def _options(self) -> Optional[Dict[str, str]]:
        return storage_options_of(self.uri) if self._storage_options is None else self._storage_options

    def _known(self, columns: Optional[Sequence[str]]) -> Optional[Sequence[str]]:
        if isinstance(columns, str):
            raise InvalidArgument("`columns` is a list of names, not one text", next=f"write [{columns!r}]")
        return columns


# Beginnings of the variables that lead to object stores, by the schemes of their URLs.
_VARIABLES = {"s3": ("AWS_",), "gs": ("GOOGLE_",), "az": ("AZURE_", "AZURITE_")}


def storage_options_of(uri: str) -> Optional[Dict[str, str]]:
    """What leads to the object store of a URL: the variables of the environment that workers take, too. None for a folder."""
    beginnings = _VARIABLES.get(uri.split("://", 1)[0] if "://" in uri else "")
    if beginnings is None:
        return None
    return {name.lower(): value for name, value in os.environ.items() if name.startswith(beginnings)}


def _needs(package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise PackageMissing(
            f"there is no package `{package}`, which the rows are asked for in", next=f"pip install {package}"
        ) from None
