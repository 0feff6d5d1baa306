"""The first process of a pair.

It forks the one that runs the user's code, which is a group of processes of its own, and does nothing but watch: the
channel, whose other end its worker holds, and its child. Once either is gone it ends whatever the user's code has started,
also what hangs in native code, has left its group, or lost its parent. No signal of the worker is needed for that, and a worker
that is killed at any moment leaves nothing behind.

Before the fork nothing heavier than the standard library is imported and no thread is started.
"""

import os
import resource
import select
import signal
import sys
from typing import Callable, Optional

from . import isolation

# From <sys/prctl.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

# No descriptor is higher, whatever the limit says.
_DESCRIPTORS_MAX = 1 << 20

# How a shell tells of a signal.
_SIGNALLED = 128

# Where a child cannot be polled, it is looked at this often.
_LOOK_EVERY_MS = 50


def main(work: Optional[Callable[[int], None]] = None) -> None:
    """Forks, and never returns. The channel is the standard input; the child hands it to `work`, which calls functions
    where nothing else is said."""
    channel = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    _close_others(channel)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    isolation.restrict()
    guardian = os.getpid()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guardian:
            os._exit(1)
        isolation.offer_to_be_ended()
        if work is None:
            from . import serve

            work = serve.main
        work(channel)
        sys.exit(0)
    try:
        os.setpgid(child, child)
    except OSError:
        # The child was faster, or is gone.
        pass
    os._exit(_watch(channel, child))


def _close_others(channel: int) -> None:
    """Closes what the worker itself was started with and has passed on without knowing."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS_MAX if soft == resource.RLIM_INFINITY else min(soft, _DESCRIPTORS_MAX)
    os.closerange(3, channel)
    os.closerange(channel + 1, most)


def _watch(channel: int, child: int) -> int:
    """Waits for the end of either, ends the rest, and says how the child ended."""
    poll = select.poll()
    # No event is asked for: that the other side has hung up is told anyway.
    poll.register(channel, 0)
    wait_ms = _LOOK_EVERY_MS
    if hasattr(os, "pidfd_open"):
        try:
            poll.register(os.pidfd_open(child), select.POLLIN)
            wait_ms = -1
        except OSError:
            # An old kernel.
            pass
    status = None
    while status is None:
        hung_up = any(file == channel for file, _ in poll.poll(wait_ms))
        if hung_up:
            _kill(child, group=True)
        pid, waited = os.waitpid(child, 0 if hung_up else os.WNOHANG)
        if pid == child:
            status = waited
    _kill(child, group=True)
    _end_orphans()
    if os.WIFSIGNALED(status):
        return _SIGNALLED + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def _end_orphans() -> None:
    """Ends what has lost its parent, and what is left then."""
    while True:
        for pid in _children():
            _kill(pid, group=False)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> "list[int]":
    own = os.getpid()
    try:
        with open("/proc/{0}/task/{0}/children".format(own)) as children:
            return [int(pid) for pid in children.read().split()]
    except OSError:
        return []


def _kill(pid: int, group: bool) -> None:
    try:
        if group:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    except OSError:
        # It is gone.
        pass


def _prctl(option: int, value: int) -> None:
    """Does nothing where there is no such call: then the channel alone tells of the worker's end."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass
