"""The loop of the process that works: a program, then messages of groups until the worker hangs up."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from collections import namedtuple
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .._context import calls
from . import channel, isolation
from .channel import Channel, Frame
from .program import Refused, load
from .progress import Progress
from .speech import Speech


def main(descriptor: int) -> None:
    """Serves until the other side hangs up."""
    link = Channel(descriptor)
    # What the function forks has nothing to say to the worker.
    os.register_at_fork(after_in_child=link.close)
    first = link.receive()
    if first is None:
        return
    try:
        spec = json.loads(bytes(first.first))
        isolation.check(spec.get("worker"))
        session = _Session(spec, link)
    except Refused as refused:
        link.send(channel.REFUSED, first.sequence, json.dumps(refused.to_json()).encode())
        return
    link.send(channel.LOADED, first.sequence, json.dumps(session.versions()).encode())
    while (frame := link.receive()) is not None:
        if frame.kind == channel.CALLER:
            session.is_called_by(json.loads(bytes(frame.first)))
            continue
        for told, groups, rows, failures in session.answers(frame):
            if told:
                link.send(channel.TOLD, frame.sequence, json.dumps(told).encode())
            link.send(channel.APPLIED, frame.sequence, rows, failures, groups)


class _Session:
    """One program, loaded."""

    def __init__(self, spec: Dict[str, Any], link: Channel) -> None:
        # What kills the process says where it was, if it can.
        faulthandler.enable(file=2, all_threads=False)
        try:
            import pyarrow
        except ModuleNotFoundError:
            raise Refused("environment", "there is no package `pyarrow`, which every environment needs") from None
        self._arrow = pyarrow
        self._link = link
        self._bytes = 0
        from .apply import Applier
        from .frames import slicer_of
        from .results import Returns

        speech = Speech()
        slicer = slicer_of(spec["frame"])
        self._key: Any = namedtuple("Key", spec["keys"], rename=True)  # type: ignore[misc]
        self._key_columns = len(spec["keys"])
        function = load(spec)
        self._predicts = function.predicts
        self._applier = Applier(
            function, Returns(spec["returns"]), spec["params"], slicer, Progress(spec["progress"]), speech, self
        )
        speech.is_complete(0)

    def versions(self) -> Dict[str, Any]:
        """What the function runs on, and how it takes a group."""
        python = sys.version.split()[0]
        return {"python": python, "pyarrow": self._arrow.__version__, "iterates": self._applier.iterates}

    def is_called_by(self, caller: Dict[str, Any]) -> None:
        """The next groups are of another attempt."""
        calls.job_id, calls.attempt = caller["job"], caller["attempt"]
        self._applier.is_timing = caller["timing"]

    def answers(self, frame: Frame) -> Iterator[Tuple[Optional[Dict[str, Any]], int, Any, Any]]:
        """Applies the function to the groups of a message: what is told of them, if anything, how many are done, their rows,
        and which failed."""
        from .apply import Message

        rows, groups = self._batch(frame.first), self._batch(frame.second)
        of_models = 1 + self._key_columns
        keys: List[Iterator[Any]] = [column.to_pylist() for column in groups.columns[1:of_models]]
        message = Message(
            sequence=frame.sequence,
            rows=rows,
            following=frame.groups,
            ends=groups.column(0).to_pylist(),
            keys=list(map(self._key._make, zip(*keys))),
            models=groups.select(list(range(of_models, groups.num_columns))).to_pylist() if self._predicts else [],
        )
        for groups, rows, failures, counted, seconds in self._applier.apply(message):
            told = {"counted": counted, "seconds": seconds} if counted or seconds else None
            yield told, groups, self._stream(rows), self._stream(failures)

    def next_rows(self) -> int:
        """How many rows the next chunk of the message has, which is to be read or skipped."""
        begun = self._link.begin()
        if begun is None:
            # Nobody waits for an answer.
            os._exit(1)
        _, count, self._bytes = begun
        return count

    def rows(self) -> Any:
        """Reads the chunk."""
        buffer = self._link.read(self._bytes)
        if buffer is None:
            os._exit(1)
        return self._batch(buffer)

    def skip(self) -> None:
        """Reads over the chunk."""
        if not self._link.skip(self._bytes):
            os._exit(1)

    def _batch(self, buffer: bytearray) -> Any:
        with self._arrow.ipc.open_stream(self._arrow.py_buffer(buffer)) as stream:
            return stream.read_next_batch()

    def _stream(self, batch: Any) -> Any:
        sink = self._arrow.BufferOutputStream()
        with self._arrow.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        return sink.getvalue()
