"""A command of another's in the place of the user's code: an installer, which ends with its worker as functions do."""

import os
import sys

# As a shell says that there is no such command.
_NOT_FOUND = 127


def run(channel: int) -> None:
    """Becomes the command that the worker named: all arguments but the first."""
    os.close(channel)
    command = sys.argv[2:]
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.stderr.write("%s: %s\n" % (command[0], error.strerror))
        sys.stderr.flush()
        os._exit(_NOT_FOUND)
