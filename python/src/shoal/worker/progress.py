"""Which group runs, where somebody else can read it when this process does not live to tell.

A file of two numbers that is mapped into memory: the sequence number of a message, and the place of a group in it. Writing
them costs as much as an assignment, and what was written last is in the file however the process ends.
"""

from __future__ import annotations

import mmap

# No group of the message runs.
NONE = 2**64 - 1

_WORDS = 2
_WORD_BYTES = 8


class Progress:
    """The numbers of the group that runs."""

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), _WORDS * _WORD_BYTES)
        self.words = memoryview(self._map).cast("Q")

    def begin(self, sequence: int) -> None:
        """A message begins: none of its groups runs yet."""
        self.words[1] = NONE
        self.words[0] = sequence

    def end(self) -> None:
        """No group runs any more."""
        self.words[1] = NONE
