"""A head and a worker on this machine, started when they are first needed and ended with this process.

They listen on loopback only and take a token that nobody else can read, so that other users of the machine run nothing as this
one. State and tables lie in a folder of their own, which goes with them.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
import threading
import time
from typing import Optional, Tuple, Union

from ..client import Client
from ..client.heads import Heads
from ..errors import InvalidArgument
from .binary import check_binary, find_binary
from .process import Process

# Seconds that each may take to start: they do within one, unless the machine is very busy.
_START_MAX = 60.0

# Seconds between two looks at whether the worker is there.
_LOOK_EVERY = 0.01

# What a line begins with that says where the head is.
_HEAD_IS = "head: "


class LocalCluster:
    """A head and a worker of this process."""

    def __init__(self, binary: str, slots: Optional[int], memory: Optional[str]) -> None:
        self.settings = (binary, slots, memory)
        # What is written here is gone with the head, also where this process is killed.
        self.folder = tempfile.mkdtemp(prefix="shoal-head-")
        self._scratch = tempfile.mkdtemp(prefix="shoal-worker-")
        self._head: Optional[Process] = None
        self._worker: Optional[Process] = None
        try:
            self.client = self._start(binary, slots, memory)
        except BaseException:
            self.end()
            raise

    @property
    def has_ended(self) -> bool:
        """Whether one of its processes is gone."""
        return any(process is None or process.has_ended for process in (self._head, self._worker))

    def _start(self, binary: str, slots: Optional[int], memory: Optional[str]) -> Client:
        token_file = os.path.join(self.folder, "token")
        token = secrets.token_urlsafe(32)
        with open(os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(token)
        trust = ["--token-file", token_file]
        command = [binary, "head", "--exit-with-parent", "--listen", "127.0.0.1:0", "--state-dir", self.folder, *trust]
        self._head = Process("head", command, os.path.join(self.folder, "head.log"))
        first = self._head.line(_START_MAX)
        if not first.startswith(_HEAD_IS):
            raise self._head.failure(f"says `{first}`, and not where it is")
        url = first[len(_HEAD_IS) :].strip()
        command = [binary, "worker", "--exit-with-parent", "--scratch", self._scratch, "--name", "local", "--head", url, *trust]
        command += ["--slots", str(slots)] if slots is not None else []
        command += ["--memory", memory] if memory is not None else []
        self._worker = Process("worker", command, os.path.join(self.folder, "worker.log"))
        # What is set for clusters of this user is not meant for this one.
        client = Client._of(Heads([url], token), lambda: self.has_ended)
        since = time.monotonic()
        while not client.heads.ask("GET", ["cluster"], lambda cluster: list(cluster["workers"])):
            if self._worker.has_ended:
                raise self._worker.failure("has ended")
            if time.monotonic() - since > _START_MAX:
                raise self._worker.failure(f"has not come within {_START_MAX:g} s")
            time.sleep(_LOOK_EVERY)
        return client

    def end(self) -> None:
        """Ends its processes, and removes what they have written."""
        # Both are told first: a worker without a head waits for one.
        running = [process for process in (self._worker, self._head) if process is not None]
        for process in running:
            process.let_go()
        for process in running:
            process.end()
        for folder in (self.folder, self._scratch):
            shutil.rmtree(folder, ignore_errors=True)

    def forget(self) -> None:
        """In a fork of this process, which the cluster is not of."""
        for process in (self._head, self._worker):
            if process is not None:
                process.forget()


_lock = threading.Lock()
_present: Optional[LocalCluster] = None


def local(
    *,
    binary: Union[str, "os.PathLike[str]", None] = None,
    slots: Optional[int] = None,
    memory: Optional[str] = None,
) -> Client:
    """A client of a cluster on this machine, which is started by the first call and is there for the later ones.

    It is a head and a worker, on loopback only. Both end with this Python process, however that ends, and their folder goes with
    them. Where other settings are asked for than those that it runs with, it is started anew.

    Args:
        binary: The `shoal` program; where it is left out, SHOAL_BIN, else the first on PATH.
        slots: Tasks that run at the same time; one per core where it is left out.
        memory: What it may use, as `4Gi`; where it is left out, 70 % of the machine's.

    Raises:
        BinaryNotFound: Where there is no `shoal` program.
        VersionMismatch: Where it is too old or too new for this package.
        ShoalError: Where it cannot be started, with what it said.
    """
    return local_cluster(binary, slots, memory).client


def local_cluster(
    binary: Union[str, "os.PathLike[str]", None] = None, slots: Optional[int] = None, memory: Optional[str] = None
) -> LocalCluster:
    """The cluster that [local] gives a client of."""
    global _present
    if slots is not None and (isinstance(slots, bool) or not isinstance(slots, int) or not 1 <= slots <= 256):
        raise InvalidArgument(f"`slots` is a number from 1 to 256, not {slots!r}")
    with _lock:
        settings: Tuple[str, Optional[int], Optional[str]] = (find_binary(binary), slots, memory)
        if _present is not None and (_present.has_ended or _present.settings != settings):
            ended, _present = _present, None
            ended.end()
        if _present is None:
            check_binary(settings[0])
            _present = LocalCluster(*settings)
        return _present


def stop_local() -> None:
    """Ends the cluster of this process, where there is one; the next call that needs one starts another."""
    global _present
    with _lock:
        ended, _present = _present, None
        if ended is not None:
            ended.end()


def _forget_in_child() -> None:
    global _present, _lock
    _lock = threading.Lock()
    forgotten, _present = _present, None
    if forgotten is not None:
        forgotten.forget()


atexit.register(stop_local)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)

