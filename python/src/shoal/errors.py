"""Everything that can go wrong, typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple


@dataclass(frozen=True)
class Failure:
    """What a head says went wrong: the same that `shoal` shows in a terminal.

    Attributes:
        reason: A name that programs can rely on, as `ColumnNotFound`.
        actor: Who has to act: `User`, `Data`, `Platform` or `Shoal`.
        message: What is wrong, as a sentence without its full stop.
        next: What to do about it, where something can be said.
        field: The field of the job, as `spec.groupedTraining.input.table`.
        file: The file, folder, table or URL.
        line: Line in that file, from 1.
        column: Column of the table.
        group: Key of the group.
        worker: Worker that it happened on.
        causes: The messages of the errors underneath, outermost first.
    """

    reason: str
    actor: str
    message: str
    next: Optional[str] = None
    field: Optional[str] = None
    file: Optional[str] = None
    line: Optional[int] = None
    column: Optional[str] = None
    group: Optional[str] = None
    worker: Optional[str] = None
    causes: Tuple[str, ...] = ()

    @staticmethod
    def of(document: Mapping[str, Any]) -> "Failure":
        """The failure of an answer; raises KeyError or TypeError where it is none."""
        place: Dict[str, Any] = document.get("location") or {}
        return Failure(
            reason=str(document["reason"]),
            actor=str(document["actor"]),
            message=str(document["message"]),
            next=document.get("next"),
            field=place.get("fieldPath"),
            file=place.get("file"),
            line=place.get("line"),
            column=place.get("column"),
            group=place.get("group"),
            worker=place.get("worker"),
            causes=tuple(document.get("causes") or ()),
        )

    def __str__(self) -> str:
        said = [self.message]
        for name in ("field", "file", "line", "column", "group", "worker"):
            value = getattr(self, name)
            if value is not None:
                said.append(f"  {name}: {value}")
        said.extend(f"  cause: {cause}" for cause in self.causes)
        if self.next:
            said.append(f"  next: {self.next}")
        return "\n".join(said)


class ShoalError(Exception):
    """Whatever this package raises is one.

    Attributes:
        failure: What the head said, where it was the head.
        next: What to do about it, where something can be said.
    """

    def __init__(self, message: str, *, next: Optional[str] = None, failure: Optional[Failure] = None) -> None:
        super().__init__(message if next is None else f"{message}\n  next: {next}")
        self.failure = failure
        self.next = failure.next if failure is not None else next

    @property
    def reason(self) -> Optional[str]:
        """The failure's reason, as `ColumnNotFound`; None where no head has said one."""
        return self.failure.reason if self.failure is not None else None

    @property
    def field(self) -> Optional[str]:
        """The field of the job that is wrong, as `spec.groupedTraining.input.table`, where one is."""
        return self.failure.field if self.failure is not None else None


class InvalidArgument(ShoalError, ValueError):
    """An argument of a function of this package cannot be used."""


class CannotSend(ShoalError):
    """A function, or what it refers to, cannot be pickled, or is too large to travel with a job."""


class PackageMissing(ShoalError, ImportError):
    """A Python package that is needed for what was asked is not installed."""


class BinaryNotFound(ShoalError):
    """There is no `shoal` program to start a cluster on this machine with."""


class VersionMismatch(ShoalError):
    """The `shoal` program, or the head, is too old or too new for this package."""


class NotReachable(ShoalError):
    """No head answers, or what answers is none, or it cannot be trusted."""


class NotAllowed(ShoalError):
    """The head does not know the token, or does not let its bearer do this."""


class Refused(ShoalError):
    """The head refuses what it was asked for; `failure` says why."""


class SpecRefused(Refused):
    """The head refuses a job; `field` is the path of the field that is wrong, where one is."""


class JobNotFound(Refused):
    """No job has that name, or it has been submitted anew since."""


class JobFailed(ShoalError):
    """A job has ended without a result; `failure` says why.

    Attributes:
        job: Its name.
    """

    def __init__(self, job: str, failure: Failure) -> None:
        super().__init__(f"job `{job}` failed: {failure.reason}: {failure}", failure=failure)
        self.job = job


class JobCancelled(JobFailed):
    """Somebody has cancelled the job."""


class TimedOut(ShoalError, TimeoutError):
    """What was waited for has not happened in time; the job goes on."""


class GroupsFailed(UserWarning):
    """Some groups have no result: their rows of the result say why."""


_ALLOWED = {"Unauthorized": NotAllowed, "Forbidden": NotAllowed}
_REACHED = {"HeadUnreachable": NotReachable, "NotLeading": NotReachable, "JobNotFound": JobNotFound}


def of_failure(failure: Failure) -> ShoalError:
    """The error that goes with what a head has answered."""
    kind = {**_ALLOWED, **_REACHED}.get(failure.reason, Refused)
    return kind(f"{failure.reason}: {failure}", failure=failure)
