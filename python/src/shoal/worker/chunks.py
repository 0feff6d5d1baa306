"""A group's rows piece by piece, for a function that asks for an iterator.

The worker cuts the rows of a message into chunks. The first comes with the message; the next one is read from the socket when
the function asks for it, so that this process holds one at a time, however large a group is.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

import pyarrow as pa

from .frames import Slicer

# Makes frames of a chunk.
Slicing = Callable[[pa.RecordBatch], Slicer]


class Chunks:
    """The rows of a message; those that are still to come are read or skipped in their order."""

    def __init__(self, rows: pa.RecordBatch, following: int, link: Any, slicing: Slicing) -> None:
        self._slicing = slicing
        self._link = link
        self._following = following
        self._start: int = 0
        self._end: int = rows.num_rows
        self._rows: Optional[Slicer] = slicing(rows)

    def frame(self, start: int, end: int) -> Any:
        """A frame of the first rows between two places, as many as one chunk has of them."""
        while self._end <= start:
            # Before another one takes its place: two would be twice the memory.
            self._rows = None
            self._start = self._end
            count: int = self._link.next_rows()
            self._following -= 1
            self._end += count
            if self._end <= start:
                self._link.skip()
            else:
                self._rows = self._slicing(self._link.rows())
        return self._rows(start - self._start, min(end, self._end) - self._start)  # type: ignore[misc]

    def upto(self, start: int, end: int) -> int:
        """Where the frame ends that [Chunks.frame] gave."""
        return min(end, self._end)

    def skip_rest(self) -> None:
        """Reads over what nobody has asked for."""
        self._rows = None
        for _ in range(self._following):
            self._link.next_rows()
            self._link.skip()
        self._following = 0


class Pieces:
    """An iterator over the frames of one group."""

    def __init__(self, chunks: Chunks, start: int, end: int) -> None:
        self._chunks = chunks
        self._at, self._end = start, end
        self._is_open = True

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> Any:
        if not self._is_open:
            raise RuntimeError("the rows of a group can be read while its function runs, and it has ended")
        if self._at >= self._end:
            raise StopIteration
        frame = self._chunks.frame(self._at, self._end)
        self._at = self._chunks.upto(self._at, self._end)
        return frame

    def close(self) -> None:
        """The function has returned."""
        self._is_open = False
