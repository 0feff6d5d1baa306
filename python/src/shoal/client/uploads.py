"""The files that a job names and brings along: found on this machine, and named in the job by what is in them."""

from __future__ import annotations

import hashlib
import io
import os
from typing import Any, BinaryIO, Dict, Iterator, List, Union

from ..errors import InvalidArgument

# Bytes of a file that travels: what is larger is data.
BLOB_BYTES_MAX = 1 << 30

# Files that one job may bring along.
UPLOADS_MAX = 1_024

# Folders in folders: a link that leads back would else be followed for ever.
_DEPTH_MAX = 32

_PIECE_BYTES = 1 << 20

# Where functions are in a job.
_FUNCTIONS = (("spec", "groupedTraining", "model", "python"), ("spec", "groupedScoring", "python"))

# Where the content of a file is: in a file of this machine, or here.
Content = Union[str, bytes]

# Contents by their hashes, as `sha256:` and 64 letters.
Files = Dict[str, Content]


def name_of(sha256: str) -> str:
    """What a head calls a content with that hash."""
    return f"sha256:{sha256}"


def opened(content: Content) -> BinaryIO:
    """The content, to be read."""
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")


def size_of(content: Content) -> int:
    """How many bytes it has."""
    return len(content) if isinstance(content, bytes) else os.stat(content).st_size


def find(job: Dict[str, Any], folder: str) -> Files:
    """Names in a job what is in the files that it brings along, which lie in that folder, and says where they are.

    A job that names that already stays as it is, and so does whatever is no job: the head refuses it.

    Raises:
        InvalidArgument: Where one is not there, or too large; where there are too many.
    """
    files: Files = {}
    for python in _functions_of(job):
        if "uploads" not in python:
            files.update(_named(python, folder))
    return files


def _named(python: Dict[str, Any], folder: str) -> Files:
    """Names in a function what is in the files that it brings along, and says where they are."""
    files: Files = {}
    uploads: Dict[str, Dict[str, Any]] = {}
    for path in _paths_of(python, folder):
        place = os.path.join(folder, path)
        sha256, size = _hash(place)
        uploads[path] = {"path": path, "sha256": sha256, "bytes": size}
        files[name_of(sha256)] = place
    if len(uploads) > UPLOADS_MAX:
        raise InvalidArgument(
            f"{len(uploads)} files are too many for a job to bring along: {UPLOADS_MAX} are possible",
            next="make a wheel of them, and name its folder in `environment.wheels`",
        )
    if uploads:
        python["uploads"] = [uploads[path] for path in sorted(uploads)]
    return files


def _functions_of(job: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """The Python functions of a job, of whatever kind it is."""
    for keys in _FUNCTIONS:
        holder: Any = job
        for key in keys:
            holder = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            yield holder


def _paths_of(python: Dict[str, Any], folder: str) -> Iterator[str]:
    """Each file, as the job names it, with what leads to it in a folder that is named."""
    if isinstance(python.get("file"), str):
        yield clean(python["file"])
    named = python.get("files")
    for path in named if isinstance(named, list) else ():
        if isinstance(path, str):
            yield from _below(clean(path), folder, _DEPTH_MAX)
    environment = python.get("environment")
    if not isinstance(environment, dict):
        return
    if isinstance(environment.get("requirements"), str):
        yield clean(environment["requirements"])
    wheels = environment.get("wheels")
    # An absolute path is one of the workers'.
    if isinstance(wheels, str) and not os.path.isabs(wheels):
        names = _names(clean(wheels), folder)
        if not names:
            raise InvalidArgument(f"the folder of wheels `{wheels}` is empty", next="name the folder with the wheels")
        yield from (path for path in names if os.path.isfile(os.path.join(folder, path)))


def _below(path: str, folder: str, depth: int) -> Iterator[str]:
    if not os.path.isdir(os.path.join(folder, path)):
        yield path
        return
    if depth == 0:
        raise InvalidArgument(f"more than {_DEPTH_MAX} folders lie in each other at `{path}`: a link may lead back")
    for below in _names(path, folder):
        if os.path.basename(below) != "__pycache__":
            yield from _below(below, folder, depth - 1)


def _names(path: str, folder: str) -> List[str]:
    """What is in a folder and not hidden, in its order."""
    try:
        names = sorted(os.listdir(os.path.join(folder, path)))
    except OSError as error:
        raise _unreadable(os.path.join(folder, path), error) from None
    start = f"{path.rstrip('/')}/" if path else ""
    return [f"{start}{name}" for name in names if not name.startswith(".")]


def clean(path: str) -> str:
    """The same path without what says nothing, as the head writes it: `./a/../b.py` is `b.py`."""
    parts: List[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".." or not path.startswith("/"):
            parts.append(part)
    return ("/" if path.startswith("/") else "") + "/".join(parts)


def _hash(place: str) -> "tuple[str, int]":
    digest, size = hashlib.sha256(), 0
    try:
        check_size(os.stat(place).st_size, place)
        with open(place, "rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise _unreadable(place, error) from None
    return digest.hexdigest(), size


def check_size(size: int, what: str) -> None:
    """Refuses what is too large to travel."""
    if size > BLOB_BYTES_MAX:
        raise InvalidArgument(
            f"{what}: {size} bytes are too many for a file that travels: {BLOB_BYTES_MAX} are possible",
            next="put data into a table, and large packages where workers run",
        )


def _unreadable(place: str, error: OSError) -> InvalidArgument:
    return InvalidArgument(
        f"the file `{place}`, which the job names, cannot be read: {error.strerror}",
        next="name files that are there; relative paths start at the job file, of a dict at the working directory",
    )
