"""What a function can ask about the call that it runs in. Standard library only."""

from __future__ import annotations

import re
import threading
from operator import index
from typing import Any, Dict, NamedTuple, Set, Tuple

# Names under which a function may count: each is in every report, and a time series of every worker.
_NAMES_MAX = 32
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

# A sum is kept as a signed number of 64 bits by whoever shows it.
_SUM_MAX = 2**63 - 1


class Calls:
    """What this process runs: written by whoever calls the function, read by the function."""

    def __init__(self) -> None:
        # None where no group runs.
        self.key: Any = None
        self.attempt = 0
        self.job_id = ""
        # Names that were counted under, and sums of groups that are not answered.
        self._names: Set[str] = set()
        self._sums: Dict[str, int] = {}
        self._lock = threading.Lock()

    def count(self, name: str, amount: int) -> None:
        """Adds to a sum."""
        with self._lock:
            total = self._sums.get(name, 0) + amount
            if total > _SUM_MAX:
                raise OverflowError(f"the counter `{name}` holds at most {_SUM_MAX}")
            self._sums[name] = total

    def register(self, name: str) -> None:
        """Makes room for a name, or says why there is none."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a counter: a letter or `_`, then letters, digits and `_`, 64 characters at most"
            )
        with self._lock:
            if name not in self._names and len(self._names) == _NAMES_MAX:
                raise ValueError(f"a function has at most {_NAMES_MAX} counters, and `{name}` would be one more")
            self._names.add(name)

    def take(self) -> Dict[str, int]:
        """The sums since they were taken the last time."""
        with self._lock:
            sums, self._sums = self._sums, {}
        return {name: total for name, total in sums.items() if total > 0}


calls = Calls()


class Counter:
    """A number that only grows, summed over all groups of the job that ended."""

    def __init__(self, name: str) -> None:
        calls.register(name)
        self._name = name

    def add(self, amount: int = 1) -> None:
        """Counts that many more."""
        amount = index(amount)
        if amount < 0:
            raise ValueError(f"the counter `{self._name}` only grows: {amount} cannot be added")
        _running()
        calls.count(self._name, amount)


class Context(NamedTuple):
    """The call of a function for one group."""

    #: The group's key, as the function's argument `key`: a tuple with names.
    key: Tuple[Any, ...]
    #: Which attempt at its task it is, from 1: more where a worker was lost.
    attempt: int
    #: The job, as `shoal job show` names it by `uid`. A job that is run again has another.
    job_id: str

    def counter(self, name: str) -> Counter:
        """A counter by its name; a function may have 32."""
        return Counter(name)


def context() -> Context:
    """The call that runs in this process."""
    return Context(_running(), calls.attempt, calls.job_id)


def _running() -> Any:
    key = calls.key
    if key is None:
        raise RuntimeError(
            "no group runs here: `shoal.context()` is for functions that Shoal calls with the rows of a group, "
            "while they run"
        )
    return key
