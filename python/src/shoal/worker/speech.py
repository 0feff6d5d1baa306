"""What the function prints, logs or warns of, line by line with the key of its group.

Lines go to the process's own standard output and error as they are complete, so that none is lost with the process. Each
begins with the key between two characters that no text has; what native code writes there itself has none.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

_BEFORE_KEY = "\x1e"
_AFTER_KEY = "\x1f"
_COMPLETE = "\x1d"

# Characters of a line without a break before it is cut.
_LINE_CHARS_MAX = 4096


def key_text(key: "tuple[Any, ...]") -> str:
    """A key as a person would write it."""
    return ", ".join("null" if part is None else str(part) for part in key)


class Speaker(io.TextIOBase):
    """A text stream over a descriptor."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._pending = ""
        self._group: Any = None

    def speaks_for(self, key: Any) -> None:
        """The next lines are of another group, or of none."""
        if self._pending:
            self._emit(self._pending)
            self._pending = ""
        self._group = key

    def write(self, text: str) -> int:
        pending = self._pending + text
        *lines, pending = pending.split("\n")
        while len(pending) > _LINE_CHARS_MAX:
            lines.append(pending[:_LINE_CHARS_MAX])
            pending = pending[_LINE_CHARS_MAX:]
        for line in lines:
            self._emit(line)
        self._pending = pending
        return len(text)

    def _emit(self, line: str) -> None:
        if self._group is not None:
            line = f"{_BEFORE_KEY}{key_text(self._group)}{_AFTER_KEY}{line}"
        rest = (line + "\n").encode("utf-8", "backslashreplace")
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def is_complete(self, sequence: int) -> None:
        """Marks that all that groups of that message have said so far has been written."""
        self.speaks_for(None)
        self._emit(f"{_COMPLETE}{sequence}")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


class Speech:
    """Both of the process's streams."""

    def __init__(self) -> None:
        self._streams = [Speaker(1), Speaker(2)]
        sys.stdout, sys.stderr = self._streams

    def is_of(self, key: Any) -> None:
        """What comes next is said by the group with that key, or by none."""
        for stream in self._streams:
            stream.speaks_for(key)

    def is_complete(self, sequence: int) -> None:
        """Whoever reads the streams up to here has all that was said of that message."""
        for stream in self._streams:
            stream.is_complete(sequence)
