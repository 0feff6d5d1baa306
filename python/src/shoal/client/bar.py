"""A bar that says how far a job is, where somebody looks."""

from __future__ import annotations

import sys
from typing import Any, Optional, TextIO

from .status import JobStatus

# Characters of the bar of one's own.
_WIDTH = 30


class Bar:
    """Shows progress on stderr, or in a notebook's cell; nothing where nobody looks.

    `show` is True for always, False for never, and None for a terminal or a notebook.
    """

    def __init__(self, show: Optional[bool] = None, stream: Optional[TextIO] = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shows = _somebody_looks(self._stream) if show is None else show
        self._tqdm: Any = None
        self._drawn = 0

    def update(self, status: JobStatus) -> None:
        """Shows where a job stands."""
        if not self._shows:
            return
        if self._tqdm is None and not self._drawn:
            self._tqdm = _tqdm(self._stream, status.name)
        progress = status.progress
        if self._tqdm is not None:
            self._tqdm.n = progress.percent
            self._tqdm.set_postfix_str(_said(status), refresh=False)
            self._tqdm.refresh()
            return
        filled = _WIDTH * progress.percent // 100
        line = f"{status.name} [{'#' * filled}{'.' * (_WIDTH - filled)}] {progress.percent:3d} % {_said(status)}"
        self._stream.write("\r" + line.ljust(self._drawn))
        self._stream.flush()
        self._drawn = len(line)

    def close(self) -> None:
        """Leaves the last that was shown, and ends its line."""
        if self._tqdm is not None:
            self._tqdm.close()
            self._tqdm = None
        elif self._drawn:
            self._stream.write("\n")
            self._stream.flush()
        self._drawn = 0
        self._shows = False


def _said(status: JobStatus) -> str:
    progress = status.progress
    if not progress.unit:
        return status.phase
    of = "" if progress.total is None else f"/{progress.total}"
    failed = f", {progress.failed} failed" if progress.failed else ""
    speed = "" if progress.per_second is None else f", {progress.per_second:.0f}/s"
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    return f"{status.phase} {progress.done}{of} {progress.unit}{speed}{failed}{left}"


def _somebody_looks(stream: TextIO) -> bool:
    try:
        if stream.isatty():
            return True
    except (AttributeError, ValueError):
        pass
    # A kernel of Jupyter: its streams are no terminals, and somebody looks at them.
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return running is not None and hasattr(running, "kernel")


def _tqdm(stream: TextIO, name: str) -> Any:
    try:
        import warnings

        with warnings.catch_warnings():
            # It says that a notebook could have nicer bars.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=100, desc=name, unit="%", file=stream, bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}")
