"""A process of a local cluster, which cannot outlive this one."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from typing import IO, Optional, Sequence

from ..errors import ShoalError

# Seconds. A process ends within milliseconds once its standard input is closed, unless it still has files to write.
_END_MAX = 10.0

# Characters of what a process said last that a failure shows.
_SAID_CHARS_MAX = 2000

# Lines of a process that somebody may wait for: it says where it is, and no more than that.
_LINES_MAX = 16

# What is set for clusters of this user is not meant for this one.
_NOT_PASSED_ON = ("SHOAL_HEAD", "SHOAL_TOKEN_FILE", "SHOAL_TLS_CERT", "SHOAL_TLS_KEY", "SHOAL_TLS_CA", "SHOAL_TLS_NAME")


class Process:
    """One that ends by itself when this process does, however that happens: its standard input is a pipe whose other end only
    this process holds."""

    def __init__(self, name: str, command: Sequence[str], log: str) -> None:
        self.name = name
        self._log = log
        environment = {key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON}
        with open(log, "wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                # Ctrl-C goes to a terminal's whole group of processes; here it is for Python, which cancels what it waits for.
                start_new_session=True,
            )
        self._lines: "queue.Queue[Optional[str]]" = queue.Queue()
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def line(self, within: float) -> str:
        """The next line that it writes to its standard output.

        Raises:
            ShoalError: Where it ends, or writes none within so many seconds.
        """
        try:
            line = self._lines.get(timeout=within)
        except queue.Empty:
            raise self.failure(f"has said nothing for {within:g} s") from None
        if line is None:
            raise self.failure("has ended")
        return line

    def failure(self, what: str) -> ShoalError:
        """That something is wrong with it, with what it has said last."""
        try:
            with open(self._log, encoding="utf-8", errors="replace") as log:
                said = log.read()[-_SAID_CHARS_MAX:].strip()
        except OSError:
            said = ""
        return ShoalError(f"the {self.name} of the local cluster {what}" + (f":\n{said}" if said else ""))

    def let_go(self) -> None:
        """Tells it to end."""
        self._close(self._process.stdin)

    def end(self) -> None:
        """Tells it to end and waits for that; kills it where it takes too long."""
        self.let_go()
        try:
            self._process.wait(_END_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """In a fork of this process: the cluster is that of the parent, and must not be kept alive by the child."""
        self.let_go()

    def _close(self, pipe: Optional[IO[bytes]]) -> None:
        try:
            if pipe is not None:
                pipe.close()
        except OSError:
            # It is gone.
            pass


def _read(pipe: Optional[IO[bytes]], lines: "queue.Queue[Optional[str]]") -> None:
    """Reads for as long as there is something, so that the process never waits for a reader."""
    if pipe is not None:
        with pipe:
            for number, line in enumerate(pipe):
                if number < _LINES_MAX:
                    lines.put(line.decode("utf-8", "replace").rstrip("\n"))
    lines.put(None)
