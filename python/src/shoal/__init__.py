"""Python functions per group on a Shoal cluster: a client, and what workers call functions with.

What is needed to submit jobs is imported when it is first used: a worker imports this package too, and has none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from ._context import Context as Context
from ._context import Counter as Counter
from ._context import context as context

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .apply import group_apply as group_apply
    from .client import Client as Client
    from .client import Job as Job
    from .client import JobStatus as JobStatus
    from .client import LogLine as LogLine
    from .client import Progress as Progress
    from .client import Table as Table
    from .errors import BinaryNotFound as BinaryNotFound
    from .errors import CannotSend as CannotSend
    from .errors import Failure as Failure
    from .errors import GroupsFailed as GroupsFailed
    from .errors import InvalidArgument as InvalidArgument
    from .errors import JobCancelled as JobCancelled
    from .errors import JobFailed as JobFailed
    from .errors import JobNotFound as JobNotFound
    from .errors import NotAllowed as NotAllowed
    from .errors import NotReachable as NotReachable
    from .errors import PackageMissing as PackageMissing
    from .errors import Refused as Refused
    from .errors import ShoalError as ShoalError
    from .errors import SpecRefused as SpecRefused
    from .errors import TimedOut as TimedOut
    from .errors import VersionMismatch as VersionMismatch
    from .machine import local as local
    from .machine import stop_local as stop_local

_PLACES = {
    "apply": ["group_apply"],
    "client": ["Client", "Job", "JobStatus", "LogLine", "Progress", "Table"],
    "errors": [
        "BinaryNotFound",
        "CannotSend",
        "Failure",
        "GroupsFailed",
        "InvalidArgument",
        "JobCancelled",
        "JobFailed",
        "JobNotFound",
        "NotAllowed",
        "NotReachable",
        "PackageMissing",
        "Refused",
        "ShoalError",
        "SpecRefused",
        "TimedOut",
        "VersionMismatch",
    ],
    "machine": ["local", "stop_local"],
}

_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = [*sorted(_PLACE_OF), "Context", "Counter", "__version__", "context"]


def __getattr__(name: str) -> Any:
    place = _PLACE_OF.get(name)
    if place is None:
        raise AttributeError(f"module `shoal` has no attribute `{name}`")
    try:
        value = getattr(importlib.import_module(f".{place}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{place}":
            raise
        raise AttributeError(
            f"`shoal.{name}` is for those who submit jobs: inside a function that a worker calls it is not there"
        ) from None
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return __all__
