"""What keeps the user's code from looking into its worker, and from taking it down with itself.

A worker closes itself to other processes of its user. That does not hold against one that may trace any process, as root may:
so that right is given up here, for good, before the user's code runs; and what it is like then is tried out.
"""

from __future__ import annotations

import ctypes
import resource
import struct
import sys
from typing import Optional

# From <sys/prctl.h>.
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38

# Capabilities with which a process can look into any other, by their numbers in <linux/capability.h>: to trace, to load code
# into the kernel or programs that it runs, to read all memory, and what mounting and the like come with.
_GIVEN_UP = {
    "CAP_SYS_MODULE": 16,
    "CAP_SYS_RAWIO": 17,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_BOOT": 22,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}

# Version 3 of the call, whose sets have 64 bits each.
_CAPABILITY_VERSION = 0x20080522

# Effective, permitted and inheritable, each in a lower and an upper half.
_SETS = "=6I"

# The kernel ends whoever has the highest score where memory runs out.
_SCORE_MAX = "1000"


def restrict() -> None:
    """Gives up for this process, and for all that it starts, what only harms: cores, and looking into others.

    Whether that was enough is for `check` to find out, so that nothing fails here.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        try:
            _give_up_capabilities()
        except (OSError, AttributeError):
            pass


def offer_to_be_ended() -> None:
    """Has the kernel choose this process, not its worker, where the memory of both runs out at once."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write(_SCORE_MAX)
    except OSError:
        # No such system, or somebody has set it higher already.
        pass


def check(worker: Optional[int]) -> None:
    """Refuses to go on where this process can look into its worker.

    Raises `Refused`.
    """
    if worker is None:
        return
    for file in ("environ", "mem"):
        if _can_be_read("/proc/{}/{}".format(worker, file)):
            from .program import Refused

            message = "the function's process could look into its worker: /proc/{}/{} can be read"
            raise Refused("isolation", message.format(worker, file))


def _can_be_read(path: str) -> bool:
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False


def _give_up_capabilities() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # No program gives them back, whoever owns it.
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Fails where this process may not even do that, and then it has none of them.
    for number in _GIVEN_UP.values():
        libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    sets = ctypes.create_string_buffer(struct.calcsize(_SETS))
    if libc.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    words = struct.unpack(_SETS, sets.raw)
    kept = [word & ~_mask(place // 3) for place, word in enumerate(words)]
    if libc.capset(header, ctypes.create_string_buffer(struct.pack(_SETS, *kept))) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _mask(half: int) -> int:
    """Bits of what is given up in the lower or the upper half of a set."""
    return sum(1 << (number % 32) for number in _GIVEN_UP.values() if number // 32 == half)
