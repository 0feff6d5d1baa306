"""A command under a guardian: what a worker sees of it, and that it ends with its worker."""

import os
import socket
import subprocess
import sys
from pathlib import Path

SOURCES = str(Path(__file__).parents[1] / "src")

# As a worker starts it.
BOOT = """import sys
sys.path[0] = sys.argv[1]
from shoal.worker.command import run
from shoal.worker.guardian import main
main(run)
"""


def start(*command):
    """The worker's end of the channel, and the guardian."""
    ours, theirs = socket.socketpair()
    arguments = [sys.executable, "-c", BOOT, SOURCES, *command]
    guardian = subprocess.Popen(arguments, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    theirs.close()
    return ours, guardian


def test_its_lines_and_its_exit_code_are_those_of_the_command():
    channel, guardian = start("/bin/sh", "-c", "echo out; echo err >&2; exit 7")
    assert guardian.communicate(timeout=60) == ("out\n", "err\n")
    assert guardian.returncode == 7
    channel.close()


def test_one_that_is_not_there_is_named():
    channel, guardian = start("/none/installer")
    assert guardian.communicate(timeout=60) == ("", "/none/installer: No such file or directory\n")
    assert guardian.returncode == 127
    channel.close()


def test_it_has_no_channel_and_nothing_to_read():
    channel, guardian = start(sys.executable, "-c", "import os; print(sorted(os.listdir('/proc/self/fd')), input())")
    out, error = guardian.communicate(timeout=60)
    assert (out, "EOFError" in error, guardian.returncode) == ("", True, 1)
    channel.close()


def test_whatever_it_has_started_ends_with_the_worker():
    channel, guardian = start("/bin/sh", "-c", "setsid sleep 1000 & echo $!; wait")
    left = int(guardian.stdout.readline())
    os.kill(left, 0)
    channel.close()
    assert guardian.wait(timeout=60) == 128 + 9
    # The guardian has waited for it.
    try:
        os.kill(left, 0)
    except ProcessLookupError:
        return
    raise AssertionError("it still runs")
