"""A function as a text that travels in a job, with a file beside it where it is large."""

from __future__ import annotations

import base64
import inspect
import os
import pickle
import sys
import sysconfig
import types
import zlib
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..client.uploads import BLOB_BYTES_MAX
from ..errors import CannotSend, InvalidArgument, PackageMissing
from ..worker import program

# Characters of `code` that a job may have.
CODE_CHARS_MAX = 262_144

# What a pickle is called that lies beside the code.
PICKLE_FILE = "function.pickle"

# Bytes of a pickle that may have room in the code when they are compressed.
_COMPRESSED_BYTES_MAX = 4 << 20

# Characters of the function's own source that travel for traces: a page of it or ten.
_SOURCE_CHARS_MAX = 20_000


def check_function(func: Any) -> Callable[..., Any]:
    """Refuses what no worker could call."""
    if not callable(func):
        raise InvalidArgument(f"`func` is a {type(func).__name__}, not a function", next="pass the function itself, without calling it")
    if inspect.iscoroutinefunction(func):
        raise InvalidArgument("`func` is a coroutine function, which nobody would await", next="pass one without `async`")
    try:
        program.with_three_arguments(func, getattr(func, "__name__", type(func).__name__))
    except program.Refused as refused:
        raise InvalidArgument(refused.message) from None
    called: Callable[..., Any] = func
    return called


class Code(NamedTuple):
    """A function as a job has it."""

    # The code of the job.
    text: str
    # What lies beside it as `PICKLE_FILE`, where that has no room in the text.
    pickled: Optional[bytes] = None


def code_of(
    func: Callable[..., Any], modules: Sequence[types.ModuleType] = (), pickled_bytes_max: int = BLOB_BYTES_MAX
) -> Code:
    """The code of a job that calls the function: its pickle, and the version of Python that can take it out again.

    Modules that are not installed travel by their text where the function is defined in one, or where `modules` names them.

    Raises:
        CannotSend: Where it cannot be pickled, or is too large.
    """
    strange = [module for module in modules if not isinstance(module, types.ModuleType)]
    if strange:
        raise InvalidArgument(
            f"`modules` holds modules, not a {type(strange[0]).__name__}", next="import it, and pass it without quotes"
        )
    try:
        import cloudpickle
    except ModuleNotFoundError:
        raise PackageMissing("there is no package `cloudpickle`, which functions travel with", next="pip install cloudpickle") from None
    try:
        with _by_value(cloudpickle, [*_own_module(func), *modules]):
            pickled = cloudpickle.dumps(func, protocol=pickle.DEFAULT_PROTOCOL)
    except Exception as error:
        raise CannotSend(
            f"the function cannot be pickled: {type(error).__name__}: {error}{_culprits(cloudpickle, func)}",
            next="open files, connections and locks inside the function; pass plain values with `params`",
        ) from None
    if len(pickled) > pickled_bytes_max:
        raise CannotSend(
            f"the function and what it refers to take {len(pickled)} bytes, and {pickled_bytes_max} can travel"
            f"{_largest(cloudpickle, func)}",
            next="keep data out of it: put tables into columns, and install large code where workers run",
        )
    source = _source_of(func)
    # Data is seldom smaller when it is compressed, and takes seconds.
    if len(pickled) <= _COMPRESSED_BYTES_MAX:
        packed = base64.b64encode(zlib.compress(pickled, 9)).decode("ascii")
        text = _text(source, f'packed="{packed}"')
        if len(text) <= CODE_CHARS_MAX:
            return Code(text)
    return Code(_text(source, f'file=__file__, name="{PICKLE_FILE}"'), pickled)


def _text(source: Optional[Tuple[str, int, str]], where: str) -> str:
    return (
        "# A function that somebody has sent with shoal.group_apply.\n"
        "from shoal.worker.pickled import load\n\n"
        + 'fit = load(\n    python="%d.%d",\n' % sys.version_info[:2]
        + f"    source={source!r},\n    {where},\n)\n"
    )


@contextmanager
def _by_value(cloudpickle: Any, modules: Sequence[types.ModuleType]) -> Iterator[None]:
    known = set(cloudpickle.list_registry_pickle_by_value())
    registered = []
    for module in modules:
        if module.__name__ not in known:
            known.add(module.__name__)
            cloudpickle.register_pickle_by_value(module)
            registered.append(module)
    try:
        yield
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)


def _own_module(func: Any) -> List[types.ModuleType]:
    """The module that the function is defined in, where it lies beside the user's script and is not installed."""
    name = getattr(func, "__module__", None) or "__main__"
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if name == "__main__" or module is None or file is None:
        return []
    places = [sysconfig.get_path(place) for place in ("stdlib", "platstdlib", "purelib", "platlib")]
    installed = any(os.path.realpath(file).startswith(os.path.realpath(place) + os.sep) for place in places if place)
    return [] if installed else [module]


def _source_of(func: Any) -> Optional[Tuple[str, int, str]]:
    code = getattr(func, "__code__", None)
    if code is None:
        return None
    try:
        lines, first = inspect.getsourcelines(code)
    except (OSError, TypeError, IndexError, SyntaxError):
        return None
    text = "".join(lines)
    return (code.co_filename, max(first, 1), text) if len(text) <= _SOURCE_CHARS_MAX else None


def _captured(func: Any) -> Iterator[Tuple[str, Any]]:
    """What a function refers to, by its name there."""
    code = getattr(func, "__code__", None)
    if code is None:
        return
    for name, cell in zip(code.co_freevars, func.__closure__ or ()):
        try:
            yield f"`{name}`, which it closes over", cell.cell_contents
        except ValueError:
            continue
    for name in code.co_names:
        if name in func.__globals__:
            yield f"the global `{name}`", func.__globals__[name]
    for name, value in zip(code.co_varnames, func.__defaults__ or ()):
        yield f"a default of `{name}`", value


def _culprits(cloudpickle: Any, func: Any) -> str:
    """Which of the things that it refers to cannot be pickled."""
    found = []
    for what, value in _captured(func):
        try:
            cloudpickle.dumps(value)
        except Exception:
            found.append(f"{what} (a {type(value).__name__})")
    return "; what cannot be is " + ", ".join(found) if found else ""


def _largest(cloudpickle: Any, func: Any) -> str:
    sizes = []
    for what, value in _captured(func):
        try:
            sizes.append((len(cloudpickle.dumps(value)), f"{what} (a {type(value).__name__})"))
        except Exception:
            continue
    if not sizes:
        return ""
    size, what = max(sizes)
    return f"; the largest is {what} with {size} bytes"


