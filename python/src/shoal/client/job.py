"""A job of a head, as somebody holds it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, List, Optional

from ..errors import InvalidArgument, JobCancelled, JobFailed, JobNotFound, NotReachable, Refused, TimedOut
from .bar import Bar
from .status import JobStatus, LogLine
from .table import Table

if TYPE_CHECKING:
    from .client import Client

# Seconds between two looks: the first, the factor by which they grow, and the longest. The end of a job is seen late by a
# tenth of what it took, and a head has a thousand watchers at ease.
_PAUSE_MIN = 0.005
_PAUSE_GROWS = 1.25
_PAUSE_MAX = 0.5

# Seconds for which a head that answered before may be gone: it is restarted within seconds, and goes on with its jobs.
_HEAD_GONE_MAX = 30.0


class Job:
    """One submission of a job.

    Attributes:
        name: Name of the job.
        uid: This submission of it.
    """

    def __init__(self, client: "Client", status: JobStatus) -> None:
        self._client = client
        self.name = status.name
        self.uid = status.uid

    def __repr__(self) -> str:
        return f"Job({self.name!r}, uid={self.uid!r})"

    def status(self) -> JobStatus:
        """Where it stands now.

        Raises:
            JobNotFound: Where the head does not list it any more, or it has been submitted anew since.
            NotReachable: Where no head answers.
        """
        status = self._client.status(self.name)
        if status.uid != self.uid:
            raise JobNotFound(
                f"job `{self.name}` has been submitted anew since: this submission of it is not listed any more",
                next=f"take the new one with client.job({self.name!r})",
            )
        return status

    def wait(self, timeout: Optional[float] = None, *, progress: Optional[bool] = None) -> "Job":
        """Waits until the job has ended, and gives back the job.

        A bar shows how far it is: in a terminal and in a notebook, always with `progress=True`, never with False. A head that is
        gone is waited for half a minute. Ctrl-C (`KeyboardInterrupt`) ends the waiting and not the job, which goes on;
        `job.cancel()` ends it.

        Args:
            timeout: Seconds after which it is not waited any longer; for ever where it is None.

        Raises:
            JobFailed: Where it failed, with the reason, the field and what to do.
            JobCancelled: Where somebody has cancelled it.
            TimedOut: After `timeout` seconds; the job goes on.
        """
        status = self._ended(timeout, Bar(progress))
        if status.failure is not None:
            kind = JobCancelled if status.failure.reason == "Cancelled" else JobFailed
            raise kind(self.name, status.failure)
        return self

    def cancel(self) -> JobStatus:
        """Cancels the job, and gives back where it stands: its tasks may still be called back. Where its commit was already
        made, it succeeds; one that has ended stays as it is."""
        # Another submission of that name is not meant.
        self.status()
        return self._client.heads.ask("POST", ["jobs", self.name, "cancel"], JobStatus.of)

    def logs(self, task: Optional[str] = None) -> List[LogLine]:
        """The job's log as far as it is kept: what the head decided, and what tasks and functions printed and logged.

        Args:
            task: Only what is about a stage, as `reduce`, or about one of its tasks, as `reduce/3`.
        """
        query = None if task is None else {"task": task}
        return self._client.heads.ask(
            "GET", ["jobs", self.name, "logs"], lambda log: [LogLine.of(line) for line in log["lines"]], query
        )

    def table(self, name: Optional[str] = None) -> Table:
        """The table that it has written, at the version that it made.

        Args:
            name: Which of its outputs; it may be left out where there is one, as today with all kinds of jobs.

        Raises:
            JobFailed: Where it has failed.
            Refused: Where it has not ended yet.
        """
        status = self.status()
        if status.failure is not None:
            raise JobFailed(self.name, status.failure)
        if not status.is_final:
            raise Refused(f"job `{self.name}` has no output yet: it is {status.phase}", next="call job.wait() first")
        for output in status.outputs:
            if name is None or output.name == name:
                return Table(output.table, output.version)
        there = ", ".join(f"`{output.name}`" for output in status.outputs) or "none"
        raise InvalidArgument(f"job `{self.name}` has no output `{name}`; it has {there}")

    def _ended(self, timeout: Optional[float], bar: Bar) -> JobStatus:
        since, pause = time.monotonic(), _PAUSE_MIN
        try:
            while True:
                status = self._status_of_a_head_that_restarts()
                bar.update(status)
                if status.is_final:
                    return status
                left = None if timeout is None else timeout - (time.monotonic() - since)
                if left is not None and left <= 0:
                    raise TimedOut(
                        f"job `{self.name}` has not ended within {timeout:g} s: it is {status.phase}",
                        next="wait longer, or end it with job.cancel()",
                    )
                time.sleep(pause if left is None else min(pause, left))
                pause = min(pause * _PAUSE_GROWS, _PAUSE_MAX)
        finally:
            bar.close()

    def _status_of_a_head_that_restarts(self) -> JobStatus:
        since = time.monotonic()
        while True:
            try:
                return self.status()
            except NotReachable:
                if self._client.is_gone() or time.monotonic() - since >= _HEAD_GONE_MAX:
                    raise
                time.sleep(_PAUSE_MAX)
