"""Finds the user's function, or says what is wrong with it."""

from __future__ import annotations

import collections.abc
import difflib
import importlib
import inspect
import linecache
import os
import sys
import traceback
import types
import typing
from itertools import islice
from typing import Any, Callable, Container, Dict, List, Optional, Sequence

# Arguments that a function gets, and how many of the first it has to take.
_OF_FIT = (("group", "key", "params"), 1)
_OF_PREDICT = (("model", "group", "key", "params"), 2)

_TRACE_LINES_MAX = 12


class Refused(Exception):
    """The function cannot be called, and no group is to blame.

    `kind` is `code` where the user's own code is wrong, `environment` where something is missing around it,
    `isolation` where it could look into its worker.
    """

    def __init__(self, kind: str, message: str, line: Optional[int] = None, trace: Optional[List[str]] = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.line = line
        self.trace = trace or []

    def to_json(self) -> Dict[str, Any]:
        """As the worker reads it."""
        return {"kind": self.kind, "message": self.message, "line": self.line, "trace": self.trace}


class Function:
    """The user's function, and what is its own of a stack."""

    def __init__(self, call: Callable[..., Any], files: Container[object], iterates: bool, predicts: bool) -> None:
        self.call = call
        # Whether it gets a model, and predicts a value for each row.
        self.predicts = predicts
        # Whether it takes a group piece by piece.
        self.iterates = iterates
        self._files = files

    def trace(self, error: BaseException) -> List[str]:
        """The user's own lines of an error's stack, outermost first; of an error within libraries, where it was called."""
        return _own_lines(error, self._files)


class _Files:
    """The user's own files: what was asked for, and what lies in the folder that the job has brought along."""

    def __init__(self, files: Container[object], folder: Optional[str]) -> None:
        self._files = files
        self._folder = None if folder is None else os.path.join(folder, "")

    def __contains__(self, file: object) -> bool:
        return file in self._files or (self._folder is not None and str(file).startswith(self._folder))


def load(spec: Dict[str, Any]) -> Function:
    """Loads what the job names. In `folder` lie the files that it has brought along, with its own among them."""
    module_name, name, folder = spec.get("module"), spec["function"], spec.get("folder")
    if folder is not None:
        # Before all that is installed, as if the file had been run; behind this package.
        sys.path.insert(1, folder)
    if module_name is None:
        file, place = os.path.join(folder or "", spec["file"]), f"`{spec['file']}`"
        module = _from_code(spec["code"], file, _Files((file,), folder))
    else:
        module = _imported(module_name, folder)
        file, place = getattr(module, "__file__", None) or module_name, f"the module `{module_name}`"
    function = getattr(module, name, None)
    if function is None:
        raise Refused("code", f"{place} has no function `{name}`{_instead(module, name)}")
    if not callable(function):
        raise Refused("code", f"`{name}` in {place} is a {type(function).__name__}, not a function")
    predicts = spec.get("purpose") == "predict"
    if predicts and _iterates(function, 1):
        message = f"`{name}` asks for an iterator, and a function that predicts gets all rows of its group at once"
        raise Refused("code", message, line=_line_of(function))
    call = with_all_arguments(function, name, *(_OF_PREDICT if predicts else _OF_FIT))
    files = _Files(_files_of(function, file), folder)
    return Function(call, files, not predicts and _iterates(function, 0), predicts)


def _from_code(code: str, file: str, files: Container[object]) -> types.ModuleType:
    # Its lines are shown in traces although there is no such file here.
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    name = os.path.splitext(os.path.basename(file))[0]
    module = types.ModuleType(name)
    module.__file__ = file
    try:
        compiled = compile(code, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Refused("code", f"{type(error).__name__}: {error.msg}", line=error.lineno) from None
    except ValueError as error:
        raise Refused("code", f"the code is no Python: {error}") from None
    # Under its name, so that what is pickled from it is found again. What is installed under that name stays.
    if name in sys.modules:
        module.__name__ = name = f"{name}_of_the_job"
    sys.modules[name] = module
    try:
        exec(compiled, module.__dict__)  # noqa: S102: this is what the user asks for
    except BaseException as error:
        raise _raised(error, file, files) from None
    return module


def _imported(name: str, folder: Optional[str]) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise Refused("environment", f"there is no module `{error.name}`") from None
        raise _raised(error, name, _Files((name,), folder)) from None
    except SyntaxError as error:
        raise Refused("code", f"{type(error).__name__}: {error.msg} ({error.filename})", line=error.lineno) from None
    except BaseException as error:
        raise _raised(error, name, _Files((name,), folder)) from None


def _raised(error: BaseException, file: str, files: Container[object]) -> Refused:
    """What loading the code raised."""
    if isinstance(error, Refused):
        # Code that a client has made says itself what is wrong.
        return error
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = own[-1].lineno if own else None
    trace = _own_lines(error, files)
    if isinstance(error, ModuleNotFoundError):
        return Refused("environment", f"there is no package `{error.name}`, which the code imports", line, trace)
    if isinstance(error, SyntaxError):
        return Refused("code", f"{type(error).__name__}: {error.msg} ({error.filename})", line, trace)
    return Refused("code", f"the code raises as it is loaded: {describe(error)}", line, trace)


def describe(error: BaseException) -> str:
    """An error's type and message, whatever its own methods do."""
    try:
        text = str(error)
    except Exception:
        text = "its message cannot be shown"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _files_of(function: Callable[..., Any], file: str) -> Container[object]:
    """The files whose lines are the user's own: a function that was pickled was written in another than the code's."""
    code = getattr(function, "__code__", None)
    return (file,) if code is None else (file, code.co_filename)


def _own_lines(error: BaseException, files: Container[object]) -> List[str]:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return [
        f"{os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames[-_TRACE_LINES_MAX:]
    ]


def _instead(module: types.ModuleType, name: str) -> str:
    functions = [
        known
        for known, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    near = difflib.get_close_matches(name, functions, 1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return "; it has " + ", ".join(f"`{known}`" for known in functions) if functions else "; it has none"


def with_three_arguments(function: Callable[..., Any], name: str) -> Callable[[Any, Any, Any], Any]:
    """The function as one that takes a group, a key and parameters, of which it may leave the last ones out."""
    return with_all_arguments(function, name, *_OF_FIT)


def with_all_arguments(function: Callable[..., Any], name: str, names: Sequence[str], least: int) -> Callable[..., Any]:
    """The function as one that takes arguments of these names, of which it may leave the last ones out."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Native functions may not tell: they get all.
        return function
    counts = range(len(names), least - 1, -1)
    taken = next((count for count in counts if _takes(signature, count)), None)
    if taken == len(names):
        return function
    if taken == 1:
        return lambda first, *_: function(first)
    if taken == 2:
        return lambda first, second, *_: function(first, second)
    if taken is not None:
        return lambda *given: function(*given[:taken])
    *others, last = [f"`{name}({', '.join(names[:count])})`" for count in counts]
    raise Refused(
        "code",
        f"`{name}{signature}` cannot be called as {', '.join(others)} or {last}",
        line=_line_of(function),
    )


def _iterates(function: Callable[..., Any], place: int) -> bool:
    """Whether the annotation of that argument is an iterator, of whatever."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    annotation = next((parameter.annotation for parameter in islice(parameters, place, None)), None)
    if isinstance(annotation, str):
        # What it is an iterator of may be imported for those who check types only.
        annotation = _evaluated(annotation.partition("[")[0].strip(), inspect.unwrap(function))
    return (typing.get_origin(annotation) or annotation) is collections.abc.Iterator


def _evaluated(name: str, function: Callable[..., Any]) -> Any:
    try:
        value = eval(name, dict(getattr(function, "__globals__", {})))  # noqa: S307: the user's own annotation
    except Exception:
        return collections.abc.Iterator if name.rpartition(".")[2] == "Iterator" else None
    return typing.get_origin(value) or value


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _line_of(function: Callable[..., Any]) -> Optional[int]:
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if code is not None else None
