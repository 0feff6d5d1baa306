"""What a head tells of jobs."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional

from ..errors import Failure

_FINAL = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        unit: What is counted: `groups` or `rows`.
        total: How many there are, once that is known.
        done: How many are finished, of which `succeeded` went well and `failed` did not.
        running: Tasks that run at the moment.
        percent: Share of the work that is done, from 0 to 100.
        per_second: How many are finished each second, while some are.
        seconds_left: Seconds until the end, once that can be told.
    """

    unit: str = ""
    total: Optional[int] = None
    done: int = 0
    succeeded: int = 0
    failed: int = 0
    running: int = 0
    percent: int = 0
    per_second: Optional[float] = None
    seconds_left: Optional[float] = None

    @staticmethod
    def of(document: Mapping[str, Any]) -> "Progress":
        """The progress of an answer, whose names are in camel case; what this version does not know is left out."""
        names = {_camel(name): name for name in Progress.__dataclass_fields__}
        return Progress(**{names[name]: value for name, value in document.items() if name in names})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


@dataclass(frozen=True)
class Output:
    """A table that a job has published: its URI, the version that the job made, and the rows that it added."""

    name: str
    table: str
    version: int
    rows: int


@dataclass(frozen=True)
class JobStatus:
    """Where a job stands.

    Attributes:
        name: Name of the job.
        uid: This submission of it.
        kind: Name of its kind, as `groupedTraining`.
        phase: `Pending`, `Running`, `Suspended`, `Committing`, `Succeeded` or `Failed`.
        progress: How far it is.
        outputs: Tables that it has published.
        failure: Why it failed, where it did.
        raw: All that the head says, its report included, as JSON has it.
    """

    name: str
    uid: str
    kind: str
    phase: str
    progress: Progress
    outputs: List[Output]
    failure: Optional[Failure]
    raw: Dict[str, Any] = field(repr=False)

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.phase in _FINAL

    @property
    def seconds(self) -> float:
        """Seconds from its submission to its end, or until now."""
        return float(self.raw.get("report", {}).get("seconds", 0.0))

    @staticmethod
    def of(document: Mapping[str, Any]) -> "JobStatus":
        """The status of an answer; raises KeyError or TypeError where it is none."""
        failure = document.get("failure")
        return JobStatus(
            name=document["name"],
            uid=document["uid"],
            kind=document["kind"],
            phase=document["phase"],
            progress=Progress.of(document.get("progress") or {}),
            outputs=[
                Output(output["name"], output["table"], output["version"], output["rows"]) for output in document["outputs"]
            ],
            failure=None if failure is None else Failure.of(failure),
            raw=dict(document),
        )


@dataclass(frozen=True)
class LogLine:
    """A line of a job's log: what its head decided, and what its tasks and functions said.

    Attributes:
        at: When it was written.
        level: How much it matters, as the head says it: `info`, `warn` or `error`.
        text: What it says.
        worker: Who wrote it; None for the head.
        task: What it is about, as `reduce/3`; None where it is about no task.
    """

    at: datetime.datetime
    level: str
    text: str
    worker: Optional[str] = None
    task: Optional[str] = None

    @staticmethod
    def of(document: Mapping[str, Any]) -> "LogLine":
        """The line of an answer."""
        stage, task = document.get("stage"), document.get("task")
        return LogLine(
            at=datetime.datetime.fromtimestamp(document["atMs"] / 1000, datetime.timezone.utc),
            level=str(document["level"]),
            text=document["text"],
            worker=document.get("worker"),
            task=stage if task is None or stage is None else f"{stage}/{task}",
        )

    def __str__(self) -> str:
        who = " ".join(part for part in (self.worker, self.task) if part)
        return f"{self.at:%H:%M:%S} {self.level} {who + ': ' if who else ''}{self.text}"
