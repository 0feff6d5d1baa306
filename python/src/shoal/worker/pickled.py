"""A function that a client has sent as a pickle, which is taken out only where that can go well."""

from __future__ import annotations

import base64
import importlib
import linecache
import os
import pickle
import sys
import zlib
from typing import Any, Optional, Tuple

from .program import Refused, describe


def load(
    *,
    python: str,
    packed: Optional[str] = None,
    file: str = "",
    name: str = "",
    source: Optional[Tuple[str, int, str]] = None,
) -> Any:
    """The function of a pickle.

    `python` is the version that has made it, as `3.13`: code of another version may crash a process, so that it is never tried.
    `packed` is the pickle, compressed and in base 64; without it, `name` is the file that it lies in beside `file`. `source` is where the function was written: the file, the number of
    its first line, and its lines, so that a trace can show them.
    """
    own = "%d.%d" % sys.version_info[:2]
    if python != own:
        raise Refused(
            "environment",
            f"the function was pickled by Python {python}, and this worker runs {own} ({sys.executable}): both have to be the "
            "same; name an interpreter of that version, or call `group_apply` from one of the worker's",
        )
    try:
        # Pickles of functions name it, and only as they are loaded.
        importlib.import_module("cloudpickle")
    except ModuleNotFoundError:
        raise Refused(
            "environment", "there is no package `cloudpickle`, which a function of `group_apply` needs where it runs"
        ) from None
    try:
        if packed is None:
            with open(os.path.join(os.path.dirname(file), name), "rb") as pickled:
                function = pickle.load(pickled)
        else:
            function = pickle.loads(zlib.decompress(base64.b64decode(packed)))
    except ModuleNotFoundError as error:
        raise Refused(
            "environment",
            f"there is no module `{error.name}`, which the function uses: install it where workers run, or name it in "
            "`modules`, so that it travels with the function",
        ) from None
    except Exception as error:
        raise Refused("environment", f"the function cannot be taken out of its pickle: {describe(error)}") from None
    if source is not None:
        _show(*source)
    return function


def _show(file: str, first: int, text: str) -> None:
    """Has traces show the lines of a file that is not here."""
    lines = ["\n"] * (first - 1) + text.splitlines(keepends=True)
    linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
