"""Calls the function for each group of a message."""

from __future__ import annotations

import os
from functools import partial
from time import monotonic
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import pyarrow as pa

from .._context import calls
from .chunks import Chunks, Pieces
from .frames import Slicer
from .predictions import Predictions
from .program import Function, describe
from .progress import Progress
from .results import Collected, Returns, WrongReturn
from .speech import Speech

# Characters of a message and of a trace: what a person reads, and a table can hold a million times.
_MESSAGE_CHARS_MAX = 1000
_TRACE_CHARS_MAX = 4000

# Seconds after which the groups that are done are answered although others of their message are not: what is lost with a
# process has to be done again.
_ANSWER_AFTER = 1.0

_FAILURES = pa.schema(
    [
        pa.field("group", pa.uint32(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error_type", pa.string()),
        pa.field("message", pa.string(), nullable=False),
        pa.field("trace", pa.string()),
    ]
)


# Whether this process is one that the function has forked: it is not to come back from the function.
_forked: List[bool] = []
os.register_at_fork(after_in_child=lambda: _forked.append(True))


class Message(NamedTuple):
    """Rows of many groups, group by group."""

    sequence: int
    # All of them, or the first chunk.
    rows: pa.RecordBatch
    # Chunks that follow.
    following: int
    # Where each group's rows end.
    ends: List[int]
    keys: List[Tuple[Any, ...]]
    # What the function predicts with, for each group; none where it does not predict.
    models: List[Dict[str, Any]]


class Answer(NamedTuple):
    """What some groups of a message returned, those that follow the ones that were answered before."""

    groups: int
    # Both name groups by their place in the message.
    rows: pa.RecordBatch
    failures: pa.RecordBatch
    # What the function counted in these groups.
    counted: Dict[str, int]
    # How long each took, where somebody asks.
    seconds: List[float]


class Applier:
    """A function with all that a call of it takes."""

    def __init__(
        self,
        function: Function,
        returns: Returns,
        params: Any,
        slicer: Callable[[pa.RecordBatch], Slicer],
        progress: Progress,
        speech: Speech,
        link: Any,
    ) -> None:
        self._function = function
        self._returns = returns
        self._params = params
        self._slicer = slicer
        self._progress = progress
        self._speech = speech
        self._link = link
        self.iterates = function.iterates
        self.is_timing = False
        self._seconds: List[float] = []

    def apply(self, message: Message) -> Iterator[Answer]:
        """What the groups returned, in one answer or, where that takes long, in several."""
        collected, failures = Predictions(self._returns), _Failures(self._function)
        params, add, add_predicted, models = self._params, collected.add, collected.add_predicted, message.models
        words, is_of, is_timing = self._progress.words, self._speech.is_of, self.is_timing
        begun = monotonic()
        chunks = Chunks(message.rows, message.following, self._link, self._slicer) if self.iterates else None
        if chunks is None:
            call, rows_of = self._function.call, self._slicer(message.rows)
        else:
            call, rows_of = self._call_with_pieces, partial(Pieces, chunks)
        self._progress.begin(message.sequence)
        start = answered = 0
        answer_at = begun + _ANSWER_AFTER
        for group, (end, key) in enumerate(zip(message.ends, message.keys)):
            words[1] = group
            is_of(key)
            calls.key = key
            try:
                if models:
                    returned = call(models[group], rows_of(start, end), key, params)
                    add_predicted(group, returned, end - start)
                else:
                    add(group, call(rows_of(start, end), key, params))
            except WrongReturn as error:
                failures.wrong_return(group, error)
            except BaseException as error:
                # SystemExit and KeyboardInterrupt too: a function that ends itself ends its own group.
                failures.raised(group, error)
            if _forked:
                os._exit(1)
            start = end
            if is_timing:
                self._seconds.append(monotonic() - begun)
                begun = monotonic()
            if monotonic() > answer_at:
                self._between_groups(message)
                yield self._answer(group + 1 - answered, collected, failures)
                answered = group + 1
                answer_at = monotonic() + _ANSWER_AFTER
        self._between_groups(message)
        if chunks is not None:
            chunks.skip_rest()
        if answered < len(message.ends):
            yield self._answer(len(message.ends) - answered, collected, failures)

    def _call_with_pieces(self, pieces: Pieces, key: Any, params: Any) -> Any:
        try:
            return self._function.call(pieces, key, params)
        finally:
            pieces.close()

    def _between_groups(self, message: Message) -> None:
        calls.key = None
        self._progress.end()
        self._speech.is_complete(message.sequence)

    def _answer(self, groups: int, collected: Collected, failures: _Failures) -> Answer:
        rows, wrong = collected.take()
        for group, error in wrong.items():
            failures.wrong_return(group, error)
        seconds, self._seconds = self._seconds, []
        return Answer(groups, rows, failures.take(), calls.take(), seconds)


class _Failures:
    """Groups that have no result, and why."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._found: List[Dict[str, Any]] = []

    def wrong_return(self, group: int, error: WrongReturn) -> None:
        self._push(group, "wrong_return", None, str(error), None)

    def raised(self, group: int, error: BaseException) -> None:
        trace = "\n".join(self._function.trace(error))
        self._push(group, "raised", type(error).__name__, describe(error), trace or None)

    def _push(self, group: int, status: str, error_type: Any, message: str, trace: Any) -> None:
        self._found.append(
            {
                "group": group,
                "status": status,
                "error_type": error_type,
                "message": _storable(message)[:_MESSAGE_CHARS_MAX],
                "trace": None if trace is None else _storable(trace)[-_TRACE_CHARS_MAX:],
            }
        )

    def take(self) -> pa.RecordBatch:
        found, self._found = self._found, []
        return pa.RecordBatch.from_pylist(sorted(found, key=lambda failure: failure["group"]), schema=_FAILURES)


def _storable(text: str) -> str:
    """A text without halves of surrogate pairs, which no table can hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
