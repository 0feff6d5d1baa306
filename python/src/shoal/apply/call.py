"""Calls a function for each group of a table, on this machine or on a cluster."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import sys
import types
import warnings
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

import pyarrow as pa
import pyarrow.compute as compute

from ..client import Client, Job
from ..client.job_file import read_job
from ..client.uploads import Files, find, name_of
from ..errors import GroupsFailed, InvalidArgument, JobFailed, ShoalError
from ..machine.binary import check_version
from ..machine.cluster import local_cluster
from .frames import FRAMES, Frame, arranged, check_columns, frame_of, keys_of, returns_of
from .pickling import PICKLE_FILE, check_function, code_of
from .places import Place, check_storage

# Seconds for which a job of a cluster is listed after its end: for whoever wants to look at its log.
_LISTED_SECONDS = 86_400

# Seconds for which a job that was interrupted is waited for: its rows are removed after its tasks have ended.
_CANCEL_MAX = 10.0

# Failed groups that a warning names.
_GROUPS_NAMED = 3


def group_apply(
    data: Any,
    by: Union[str, Sequence[str]],
    func: Callable[..., Any],
    returns: Mapping[str, str],
    *,
    params: Optional[Mapping[str, Any]] = None,
    frame: Optional[str] = None,
    columns: Optional[Sequence[str]] = None,
    group_timeout: Optional[str] = None,
    process_memory_limit: Optional[str] = None,
    max_failed: Union[int, str, None] = None,
    modules: Sequence[types.ModuleType] = (),
    environment: Union[str, Mapping[str, Any], None] = None,
    client: Optional[Client] = None,
    storage: Union[str, "os.PathLike[str]", None] = None,
    binary: Union[str, "os.PathLike[str]", None] = None,
    slots: Optional[int] = None,
    memory: Optional[str] = None,
    progress: Optional[bool] = None,
) -> Any:
    """Calls a function with the rows of each group of a table, in parallel, and puts together what it returns.

    Without `client` this runs on a cluster of this process on this machine, which the first call starts (see `shoal.local`); it needs
    the `shoal` program. The function may be a lambda, a closure, or be defined in a notebook: it is pickled with cloudpickle, and taken
    out again by the same version of Python only.

    A group that raises, returns something else than `returns` says, or ends its process is a row of the result whose `status` is not
    `ok`; the others go on, and a `GroupsFailed` warning tells of it.

    Args:
        data: A pandas or polars `DataFrame` or a `pyarrow.Table` of n rows; or the path or URL of a table (CSV, JSON lines, Parquet,
            Delta) that workers read where it lies, which may be larger than memory.
        by: The columns whose values make a group; a missing value is a group of its own.
        func: Takes a group, and if it wants to its key (a tuple with names) and `params`: `func(group)`, `func(group, key)` or
            `func(group, key, params)`. Returns a dict or a Series for one row, or a frame for several.
        returns: The columns that it returns, each with its type: "boolean", "int32", "int64", "float32", "float64", "string", "binary",
            "date" or "timestamp" (microseconds in UTC).
        params: What the function gets as its third argument: a dict that can be written as JSON.
        frame: What a group comes as: "pandas", "polars", "arrow" (a RecordBatch) or "numpy" (a dict of arrays). The same as `data` where it
            is left out; "pandas" for a table that is named.
        columns: The columns that the function sees; all of them where it is left out.
        group_timeout: How long one group may take, as "30s".
        process_memory_limit: What the process of the function may take, as "1Gi".
        max_failed: Groups that may fail before the call does: a number, or a share as "5%". Any number where it is left out.
        modules: Modules that are installed here and not where workers run: their text travels with the function. The one that the function
            is defined in travels by itself, unless it is installed.
        environment: Path of the Python that the function runs in, or what `environment` of a job file says. This one for a cluster of this
            process, and the first `python3` of the worker's path with `client`.
        client: A `shoal.Client` of a cluster that runs.
        storage: With `client`: a folder or URL that this process and all workers reach, as "s3://bucket/tmp". Rows are written there, and
            removed after the call.
        binary, slots, memory: As of `shoal.local`.
        progress: Whether a bar shows how far it is: in a terminal or a notebook only where it is left out.

    Returns:
        A frame of the kind that came in (a `pyarrow.Table` for a table that is named), ordered by `by`, with the columns of `by`, those of
        `returns`, and `status`, `message`, `error_type`, `trace` (your lines that led to the error) and `rows_used`.

    Raises:
        InvalidArgument: Where an argument cannot be used; nothing has run then.
        CannotSend: Where the function cannot be pickled, or is too large.
        JobFailed: Where the job failed: the function cannot be called there, or too many groups failed.
        BinaryNotFound, VersionMismatch: Without `client`, where there is no fitting `shoal` program.
        NotReachable, NotAllowed, SpecRefused: With `client`, what it raises.

    Ctrl-C cancels the job.
    """
    keys = keys_of(by)
    if isinstance(columns, str):
        raise InvalidArgument("`columns` is a list of names, not one text", next=f"write [{columns!r}]")
    declared = returns_of(returns, keys)
    table = None if isinstance(data, (str, os.PathLike)) else frame_of(data)
    if table is not None:
        check_columns(table.rows.column_names, keys, "by", data)
        check_columns(table.rows.column_names, columns or (), "columns", data)
    kind = frame or ("pandas" if table is None else table.kind)
    if kind not in FRAMES:
        raise InvalidArgument(f"`frame` is {frame!r}", next="it is one of " + ", ".join(f'"{known}"' for known in FRAMES))
    if client is None and storage is not None:
        raise InvalidArgument("`storage` is where rows lie for a cluster, and `client` names none", next="pass `client=` too")
    if client is not None and (binary is not None or slots is not None or memory is not None):
        raise InvalidArgument("`binary`, `slots` and `memory` are of a cluster on this machine, and `client` names another")
    code = code_of(check_function(func), modules)
    python: Dict[str, Any] = {
        "code": code.text,
        "frame": kind,
        "returns": declared,
        "params": _params_of(params),
        "columns": None if columns is None else list(columns),
        "groupTimeout": group_timeout,
        "processMemoryLimit": process_memory_limit,
        "environment": _environment_of(environment, client),
    }
    name = _name_of(func)
    if client is None:
        cluster = local_cluster(binary, slots, memory)
        client, place = cluster.client, Place(os.path.join(cluster.folder, "tables"), name)
    else:
        check_storage(storage)
        check_version(client.version(), f"the head of {client!r}")
        place = Place(storage or "", name)
    try:
        training = {
            "input": {"table": os.fspath(data) if table is None else place.write(_sent(table, keys, columns))},
            "groupBy": keys,
            "model": {"python": {key: value for key, value in python.items() if value is not None}},
            "output": {"table": place.output},
        }
        spec: Dict[str, Any] = {"ttlSecondsAfterFinished": _LISTED_SECONDS, "groupedTraining": training}
        if max_failed is not None:
            spec["failurePolicy"] = {"maxFailed": max_failed}
        document = {"apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": name}, "spec": spec}
        read = read_job(document)
        files = find(read, os.getcwd())
        if code.pickled is not None:
            files.update(_beside(read["spec"]["groupedTraining"]["model"]["python"], code.pickled))
        job = client._submit(read, files)
        version = _waited(job, progress)
        like = pa.schema([]) if table is None else table.rows.schema
        result = arranged(place.read(version), keys, [column["name"] for column in declared], like)
    finally:
        place.clear()
    _warn_of_failed(result, keys)
    return result if table is None else table.like(result)


def _beside(python: Dict[str, Any], pickled: bytes) -> Files:
    """Names a pickle in a function of a job, beside whatever else that brings along."""
    sha256 = hashlib.sha256(pickled).hexdigest()
    python["files"] = [PICKLE_FILE]
    upload = {"path": PICKLE_FILE, "sha256": sha256, "bytes": len(pickled)}
    python["uploads"] = [*python.get("uploads", ()), upload]
    return {name_of(sha256): pickled}


def _sent(table: Frame, keys: Sequence[str], columns: Optional[Sequence[str]]) -> pa.Table:
    """What a function does not see does not travel."""
    if columns is None:
        return table.rows
    return table.rows.select(list(dict.fromkeys([*keys, *columns])))


def _waited(job: Job, progress: Optional[bool]) -> Optional[int]:
    """Waits for the end of a job, which nobody else knows of; the version of its output."""
    try:
        job.wait(progress=progress)
    except JobFailed:
        raise
    except BaseException:
        _cancelled(job)
        raise
    return job.status().outputs[0].version


def _cancelled(job: Job) -> None:
    try:
        job.cancel()
        job.wait(_CANCEL_MAX, progress=False)
    except ShoalError:
        # It has ended, or nobody can be asked any more.
        pass


def _params_of(params: Optional[Mapping[str, Any]]) -> Optional[Dict[str, Any]]:
    if params is None:
        return None
    if not isinstance(params, Mapping):
        raise InvalidArgument(f"`params` is a dict, not a {type(params).__name__}", next="write params={\"window\": 7}")
    try:
        written: Dict[str, Any] = json.loads(json.dumps(dict(params), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            f"`params` cannot be written as JSON: {error}",
            next="let the function close over values of other types: it is pickled with all that it refers to",
        ) from None
    return written


def _environment_of(environment: Union[str, Mapping[str, Any], None], client: Optional[Client]) -> Optional[Dict[str, Any]]:
    if environment is None:
        return {"interpreter": sys.executable} if client is None else None
    if isinstance(environment, Mapping):
        return dict(environment)
    if not isinstance(environment, str):
        raise InvalidArgument(f"`environment` is the path of a Python, not {environment!r}", next="write environment=\"/opt/venv/bin/python\"")
    return {"interpreter": environment}


def _name_of(func: Callable[..., Any]) -> str:
    """A name for the job that nobody else has, with the function's in it for whoever lists jobs."""
    own = re.sub(r"[^a-z0-9]+", "-", getattr(func, "__name__", type(func).__name__).lower()).strip("-")[:30].strip("-")
    return "-".join(part for part in ("group-apply", own, secrets.token_hex(6)) if part)


def _warn_of_failed(result: pa.Table, keys: Sequence[str]) -> None:
    # Not by a filter of rows: Arrow has none for keys of every type.
    failed = compute.indices_nonzero(compute.not_equal(result.column("status"), "ok")).to_pylist()
    if not failed:
        return
    named: List[str] = []
    for (row,) in (result.slice(place, 1).to_pylist() for place in failed[:_GROUPS_NAMED]):
        key = ", ".join(f"{name}={row[name]!r}" for name in keys)
        error = f"{row['error_type']}: " if row.get("error_type") else ""
        message = str(row["message"])
        named.append(f"{key}: {row['status']}: {message if message.startswith(error) else error + message}")
    more = "" if len(failed) <= _GROUPS_NAMED else f"\n  ... and {len(failed) - _GROUPS_NAMED} more"
    warnings.warn(
        f"{'1 group has' if len(failed) == 1 else f'{len(failed)} groups have'} no result; `status` and `message` say why:\n  " + "\n  ".join(named) + more,
        GroupsFailed,
        stacklevel=3,
    )
