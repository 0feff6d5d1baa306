"""Where rows lie for a job, and what becomes of them after it."""

from __future__ import annotations

import os
import shutil
from typing import Any, Dict, Optional, Union

import pyarrow as pa
import pyarrow.parquet as parquet

from ..client.table import Table, storage_options_of
from ..errors import InvalidArgument, PackageMissing, Refused

# Rows of a row group: a file is cut into tasks by its row groups. With fewer a task is hardly worth its start, and of more a
# writer holds too much at a time.
_ROWS_MIN = 20_000
_ROWS_MAX = 1_000_000

# Pieces of a file that is large enough, as workers have some tens of cores at the most where frames of one process are sent.
_PIECES = 64

# Bytes of a file of an object store: a table there is cut into tasks by its files.
_FILE_BYTES = 64 << 20


class Place:
    """A folder of a call, or what begins with a URL: it holds the rows that go in, and the table that comes out."""

    def __init__(self, root: Union[str, "os.PathLike[str]"], name: str) -> None:
        text = os.fspath(root)
        self._is_url = "://" in text
        self._root = "/".join([text.rstrip("/"), name]) if self._is_url else os.path.join(os.path.abspath(text), name)
        self.output = f"{self._root}/output"
        self._input: Optional[str] = None

    def write(self, rows: pa.Table) -> str:
        """Writes rows, and says where a job finds them.

        Raises:
            Refused: Where they cannot be written there.
        """
        try:
            self._input = self._write_url(rows) if self._is_url else self._write_folder(rows)
        except (OSError, pa.ArrowException) as error:
            raise Refused(
                f"the rows cannot be written to {self._root}: {error}", next="name with `storage` a place that can be written to from here"
            ) from None
        return self._input

    def _write_folder(self, rows: pa.Table) -> str:
        os.makedirs(self._root, exist_ok=True)
        file = os.path.join(self._root, "input.parquet")
        size = min(max(rows.num_rows // _PIECES, _ROWS_MIN), _ROWS_MAX)
        parquet.write_table(rows, file, row_group_size=size, compression="zstd")
        return file

    def _write_url(self, rows: pa.Table) -> str:
        table = f"{self._root}/input"
        deltalake = _deltalake()
        try:
            deltalake.write_deltalake(table, rows, storage_options=storage_options_of(table), target_file_size=_FILE_BYTES)
        except deltalake.exceptions.DeltaError as error:
            raise OSError(str(error)) from None
        return table

    def read(self, version: Optional[int]) -> pa.Table:
        """The table that came out."""
        return Table(self.output, version).to_arrow()

    def clear(self) -> None:
        """Removes what was written. Of a table in an object store its log stays, some kilobytes."""
        if not self._is_url:
            shutil.rmtree(self._root, ignore_errors=True)
            return
        deltalake = _deltalake()
        for table in filter(None, (self._input, self.output)):
            options: Optional[Dict[str, str]] = storage_options_of(table)
            try:
                opened = deltalake.DeltaTable(table, storage_options=options)
                opened.delete()
                opened.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
            except (deltalake.exceptions.DeltaError, OSError):
                # It is not there, or not ours to delete.
                continue


def check_storage(storage: Any) -> None:
    """Refuses what names no place."""
    if storage is None:
        raise InvalidArgument(
            "with `client=` the rows go to a place that this process and all workers reach, and none is named",
            next='name a shared folder or an object store, as storage="s3://bucket/tmp"; or leave out `client` for this machine alone',
        )
    if not isinstance(storage, (str, os.PathLike)) or not os.fspath(storage):
        raise InvalidArgument(f"`storage` is a folder or a URL, not {storage!r}")


def _deltalake() -> Any:
    try:
        import deltalake
        import deltalake.exceptions
    except ModuleNotFoundError as error:
        raise PackageMissing(
            f"there is no package `{error.name}`, which tables in object stores are written with", next="pip install deltalake"
        ) from None
    return deltalake
