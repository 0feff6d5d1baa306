"""The worker's half of the conversation with a process, as a test needs it."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Optional, Tuple

import pyarrow as pa

SOURCES = pathlib.Path(__file__).parent.parent / "src"
BOOT = "import sys; sys.path[0] = sys.argv[1]; from shoal.worker.guardian import main; main()"
HEADER = struct.Struct("<BQQQQ")
NO_GROUP = 2**64 - 1


class Process:
    """A guardian and its child, which a test talks to."""

    def __init__(self, code: str = "", environment: Optional[Dict[str, str]] = None, **changes: Any) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.progress_file = pathlib.Path(self._folder.name) / "progress"
        self.progress_file.write_bytes(bytes(16))
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-c", BOOT, str(SOURCES)],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        theirs.close()
        self.socket = ours
        self._sequence = 0
        self.told: List[Dict[str, Any]] = []
        self.keys: List[str] = changes.get("keys", ["firm"])
        program = {
            "code": code,
            "file": "train.py",
            "module": None,
            "function": "fit",
            "frame": "arrow",
            "params": {},
            "keys": self.keys,
            "returns": [{"name": "n", "type": "int64"}],
            "progress": str(self.progress_file),
        }
        self._send(1, json.dumps({**program, **changes}).encode())
        self.kind, first, _ = self._receive()
        self.answer: Dict[str, Any] = json.loads(first) if first else {}

    @property
    def is_loaded(self) -> bool:
        return self.kind == 1

    def is_called_by(self, job: str = "job", attempt: int = 1, timing: bool = False) -> None:
        self._send(3, json.dumps({"job": job, "attempt": attempt, "timing": timing}).encode())

    def send(
        self,
        groups: Dict[Any, Dict[str, Any]],
        schema: Optional[pa.Schema] = None,
        chunks: Optional[List[int]] = None,
        models: Optional[List[Dict[str, Any]]] = None,
    ) -> None:
        """Sends groups by their keys; each has lists by column. Where chunks are given, by where they end, their rows follow
        as a worker sends them to a function that iterates. A function that predicts gets models, one for each group."""
        tables = [pa.table(columns, schema=schema) for columns in groups.values()]
        rows = pa.concat_tables(tables).combine_chunks().to_batches()[0]
        self._groups, self.answers = len(groups), 0
        ends, end = [], 0
        for table in tables:
            end += table.num_rows
            ends.append(end)
        keys = [key if isinstance(key, tuple) else (key,) for key in groups]
        columns = {"ends": pa.array(ends, pa.int64())}
        columns.update({f"key {place}": pa.array(list(part)) for place, part in enumerate(zip(*keys))})
        if models is not None:
            columns.update({name: pa.array([model[name] for model in models]) for name in models[0]})
        first, *following = zip([0, *(chunks or [])], chunks or [rows.num_rows])
        cut = [rows.slice(start, end - start) for start, end in [first, *following]]
        self._send(2, stream(cut[0]), stream(pa.record_batch(columns)), len(following))
        for chunk in cut[1:]:
            self._sequence -= 1
            self._send(4, stream(chunk), groups=chunk.num_rows)

    def results(self) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
        """Rows and failures of the message that was sent last."""
        rows, failures, done = [], [], 0
        while done < self._groups:
            kind, first, second = self._receive()
            if kind == 4:
                self.told.append(json.loads(first))
                continue
            assert kind == 3, (kind, self.end())
            done += self.answered
            self.answers += 1
            rows += batch(first).to_pylist()
            failures += batch(second).to_pylist()
        return rows, failures

    def apply(
        self,
        groups: Dict[Any, Dict[str, Any]],
        schema: Optional[pa.Schema] = None,
        chunks: Any = None,
        models: Any = None,
    ) -> Any:
        self.send(groups, schema, chunks, models)
        return self.results()

    def progress(self) -> Tuple[int, int]:
        return struct.unpack("<QQ", self.progress_file.read_bytes())

    def end(self) -> Tuple[int, str, str]:
        """Hangs up, and says how the process ended and what it said."""
        self.socket.close()
        said, complained = self.process.communicate(timeout=60)
        return self.process.returncode, said.decode(), complained.decode()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: Any) -> None:
        self.socket.close()
        self.process.communicate(timeout=60)
        self._folder.cleanup()

    def _send(self, kind: int, first: bytes, second: bytes = b"", groups: int = 0) -> None:
        self._sequence += 1
        self.socket.sendall(HEADER.pack(kind, self._sequence, groups, len(first), len(second)) + first + second)

    def _receive(self) -> Tuple[int, bytes, bytes]:
        header = self._exactly(HEADER.size)
        if not header:
            return 0, b"", b""
        kind, _, self.answered, first, second = HEADER.unpack(header)
        return kind, self._exactly(first), self._exactly(second)

    def _exactly(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            try:
                more = self.socket.recv(count - len(received))
            except ConnectionResetError:
                # It has ended and left something unread.
                more = b""
            if not more:
                return b""
            received += more
        return received


def stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def batch(buffer: bytes) -> pa.RecordBatch:
    return pa.ipc.open_stream(buffer).read_next_batch()
