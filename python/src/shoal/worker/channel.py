"""Frames on a socket.

    kind: u8 | sequence: u64 | groups: u64 | bytes of the first part: u64 | bytes of the second part: u64 | both parts

All numbers are little-endian. `groups` is how many groups of a message have been answered by that frame; of a message it is how
many frames of rows follow, and of these how many rows they have. Parts are JSON or streams of Arrow IPC; each is read into a
buffer of its own, so that arrays in it are aligned and nothing is copied again. Only the standard library is needed, to say what else is missing.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple, Optional, Tuple

_HEADER = struct.Struct("<BQQQQ")

# Bytes that are read over at a time.
_SKIPPED_AT_ONCE = 1 << 20

# What a worker sends.
PROGRAM = 1
GROUPS = 2
CALLER = 3
ROWS = 4

# What it is answered.
LOADED = 1
REFUSED = 2
APPLIED = 3
TOLD = 4


class Frame(NamedTuple):
    """What came in one piece."""

    kind: int
    sequence: int
    groups: int
    first: bytearray
    second: bytearray


class Channel:
    """A socket that is read and written frame by frame."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._header = bytearray(_HEADER.size)

    def receive(self) -> Optional[Frame]:
        """The next frame; None where the other side has hung up."""
        if not self._fill(memoryview(self._header)):
            return None
        kind, sequence, groups, first, second = _HEADER.unpack(self._header)
        parts = [bytearray(length) for length in (first, second)]
        if not all(self._fill(memoryview(part)) for part in parts):
            return None
        return Frame(kind, sequence, groups, *parts)

    def begin(self) -> Optional[Tuple[int, int, int]]:
        """The kind of the next frame, its number of groups, and the bytes of both parts, which are to be read or skipped next."""
        if not self._fill(memoryview(self._header)):
            return None
        kind, _, groups, first, second = _HEADER.unpack(self._header)
        return kind, groups, first + second

    def read(self, length: int) -> Optional[bytearray]:
        """That many bytes; None where the other side has hung up."""
        part = bytearray(length)
        return part if self._fill(memoryview(part)) else None

    def skip(self, length: int) -> bool:
        """Reads over that many bytes; false where the other side has hung up."""
        into = memoryview(bytearray(min(length, _SKIPPED_AT_ONCE)))
        while length > 0:
            if not self._fill(into[:length]):
                return False
            length -= len(into[:length])
        return True

    def send(self, kind: int, sequence: int, first: Any, second: Any = b"", groups: int = 0) -> None:
        """Sends a frame of two buffers, however long the other side takes to read it."""
        lengths = [memoryview(part).nbytes for part in (first, second)]
        self._socket.sendall(_HEADER.pack(kind, sequence, groups, *lengths))
        self._socket.sendall(first)
        self._socket.sendall(second)

    def close(self) -> None:
        """Closes it in this process."""
        self._socket.close()

    def _fill(self, into: memoryview) -> bool:
        while len(into):
            received = self._socket.recv_into(into)
            if received == 0:
                return False
            into = into[received:]
        return True
