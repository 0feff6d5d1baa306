"""A way to the head of a ShoalCluster on Kubernetes, which the `shoal` program finds and holds open, as `shoal job --cluster` does."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import weakref
from typing import IO, Any, Dict, List, Optional, Union

from ..errors import Failure, NotReachable, of_failure
from .binary import check_binary, find_binary
from .process import _END_MAX, _NOT_PASSED_ON


class Door:
    """An open one. The program ends when this is gone, or its process is."""

    def __init__(
        self,
        cluster: str,
        namespace: Optional[str],
        context: Optional[str],
        token_file: Union[str, "os.PathLike[str]", None],
        tls_ca: Union[str, "os.PathLike[str]", None],
        binary: Union[str, "os.PathLike[str]", None] = None,
    ) -> None:
        program = find_binary(binary)
        check_binary(program)
        command: List[str] = [program, "cluster", "door", "--output", "json", "--cluster", cluster]
        named = {"--namespace": namespace, "--context": context, "--token-file": token_file, "--tls-ca": tls_ca}
        for option, value in named.items():
            command += [] if value is None else [option, os.fspath(value)]
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A failure is on the standard output, too.
            stderr=subprocess.DEVNULL,
            env={key: value for key, value in os.environ.items() if key not in _NOT_PASSED_ON},
            # Ctrl-C goes to a terminal's whole group of processes, and is for Python.
            start_new_session=True,
        )
        self._end = weakref.finalize(self, _end, self._process)
        _doors.add(self)
        self._told = self._read()

    @property
    def url(self) -> str:
        """The head's REST interface, by the name that its certificate has."""
        return str(self._told["url"])

    @property
    def address(self) -> str:
        """Where that is, as `127.0.0.1:PORT`."""
        return str(self._told["address"])

    @property
    def authority(self) -> Optional[str]:
        """Who has signed the certificate, as PEM; None where that is at hand, or without TLS."""
        return None if self._told["authority"] is None else str(self._told["authority"])

    @property
    def token(self) -> str:
        """What to show to the head."""
        if self._told["token"] is None:
            raise of_failure(Failure.of(self._told["failure"]))
        return str(self._told["token"])

    def renew(self) -> None:
        """Asks again what to show: a user's own token may be used up."""
        with self._lock:
            try:
                if self._process.stdin is not None:
                    self._process.stdin.write(b"\n")
                    self._process.stdin.flush()
            except OSError:
                raise _gone() from None
            self._told = self._read()

    def trouble(self) -> Failure:
        """Why nobody answers, as the program knows it."""
        self.renew()
        return Failure.of(self._told["trouble"])

    def close(self) -> None:
        """Ends the program."""
        self._end()

    def forget(self) -> None:
        """In a fork of this process: the program is the parent's, and must not be kept alive by the child."""
        _close(self._process.stdin)

    def _read(self) -> Dict[str, Any]:
        """The next that the program says. A failure has several lines, and is the last."""
        out = self._process.stdout
        first = b"" if out is None else out.readline()
        try:
            told: Dict[str, Any] = json.loads(first if first.rstrip() != b"{" or out is None else first + out.read())
        except ValueError:
            raise _gone() from None
        if "url" not in told:
            raise of_failure(Failure.of(told["failure"]))
        return told


_doors: "weakref.WeakSet[Door]" = weakref.WeakSet()


def _gone() -> NotReachable:
    return NotReachable("the program that leads to the cluster has ended", next="make another Client")


def _end(process: "subprocess.Popen[bytes]") -> None:
    _close(process.stdin)
    _close(process.stdout)
    try:
        process.wait(_END_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _close(pipe: Optional[IO[bytes]]) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except OSError:
        # It is gone.
        pass


def _forget_in_child() -> None:
    for door in list(_doors):
        door.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
