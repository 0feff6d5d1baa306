"""The `shoal` program that starts a cluster on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Optional, Tuple, Union

from .. import __version__
from ..errors import BinaryNotFound, VersionMismatch

# Seconds. It only says its version.
_ANSWER_MAX = 60.0

_GET_IT = (
    "build it in a checkout of Shoal with `cargo build --release --package shoal-cli`, and put it on PATH, name it with SHOAL_BIN "
    "or with `binary=`; or pass `client=` to use a cluster that runs"
)


def find_binary(named: Union[str, "os.PathLike[str]", None] = None) -> str:
    """The path of the program: the one that is named, else that of SHOAL_BIN, else the first on PATH.

    Raises:
        BinaryNotFound: Where there is none.
    """
    for place, program in (("binary", named), ("SHOAL_BIN", os.environ.get("SHOAL_BIN") or None)):
        if program is None:
            continue
        found = shutil.which(os.path.expanduser(os.fspath(program)))
        if found is None:
            raise BinaryNotFound(f"`{os.fspath(program)}`, which {place} names, is no program", next=_GET_IT)
        return os.path.abspath(found)
    found = shutil.which("shoal")
    if found is None:
        raise BinaryNotFound("there is no `shoal` on PATH, and SHOAL_BIN names none", next=_GET_IT)
    return os.path.abspath(found)


def check_binary(path: str) -> None:
    """Refuses a program of another version than this package's.

    Raises:
        VersionMismatch: Where it is older or newer, or no `shoal` at all.
    """
    try:
        ran = subprocess.run(
            [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ANSWER_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise BinaryNotFound(f"`{path}` cannot be run: {error}", next=_GET_IT) from None
    words = ran.stdout.split()
    if ran.returncode != 0 or len(words) != 2 or words[0] != "shoal":
        raise VersionMismatch(f"`{path}` does not say which version of shoal it is", next=_GET_IT)
    check_version(words[1], f"`{path}`")


def check_version(version: str, whose: str) -> None:
    """Refuses a version that does not go with this package's: the first two numbers of both have to be the same.

    Raises:
        VersionMismatch: Where they are not.
    """
    theirs, own = _release(version), _release(__version__)
    if theirs is None:
        raise VersionMismatch(f"{whose} says that its version is `{version}`", next=_GET_IT)
    if own is None or theirs == own:
        return
    said = "old" if theirs < own else "new"
    raise VersionMismatch(
        f"{whose} is shoal {version}, too {said} for this package, which is {__version__}",
        next=f"use a shoal {own[0]}.{own[1]}, or `pip install 'shoal=={theirs[0]}.{theirs[1]}.*'`",
    )


def _release(version: str) -> Optional[Tuple[int, int]]:
    found = re.match(r"(\d+)\.(\d+)(?:\D|$)", version)
    return None if found is None else (int(found[1]), int(found[2]))
