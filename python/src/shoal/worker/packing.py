"""Environments on their way from one machine to another: packed where one was built, laid out in an empty one elsewhere.

Their files name the folder that they lie in. What does so by its nature, the interpreter and what says where that is, is not
packed: a new environment has its own. In scripts the folder is replaced by a mark, and the mark by the folder where they are laid out.
"""

import io
import os
import stat
import sys
import tarfile
from typing import Any, Dict, Iterator

# Stands for the environment's folder in scripts that are packed.
_MARK = b"@the-environment-of-shoal@"

# What is made anew: it is of the folder, or of the interpreter.
_OWN = ("pyvenv.cfg", "lib64", os.path.join("bin", "python"), os.path.join("bin", "activate"), os.path.join("bin", "Activate"))

_SCRIPTS = "bin" + os.sep

# Little is saved by more, and it takes as long again.
_LEVEL = 1


def pack(environment: str, to: str) -> None:
    """Writes what is installed in an environment into a file."""
    folder = os.fsencode(environment)
    with tarfile.open(to, "w:gz", compresslevel=_LEVEL, format=tarfile.PAX_FORMAT) as packed:
        for name in _names(environment):
            path = os.path.join(environment, name)
            member = packed.gettarinfo(path, name)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            if not member.isreg():
                packed.addfile(member)
                continue
            with open(path, "rb") as file:
                if name.startswith(_SCRIPTS) and file.peek(2).startswith(b"#!"):
                    content = file.read().replace(folder, _MARK)
                    member.size = len(content)
                    packed.addfile(member, io.BytesIO(content))
                else:
                    packed.addfile(member, file)


def unpack(packed: str, environment: str) -> None:
    """Lays out in a new environment what is in a file."""
    folder = os.fsencode(environment)
    with tarfile.open(packed, "r:gz") as file:
        for member in file:
            path = os.path.normpath(member.name)
            if not _is_inside(path, member) or _is_own(path):
                raise ValueError("`%s` leads out of the environment" % member.name)
            whole = os.path.join(environment, path)
            if path.startswith(_SCRIPTS) and member.isreg():
                content = file.extractfile(member)
                os.makedirs(os.path.dirname(whole), exist_ok=True)
                with open(whole, "wb") as script:
                    script.write(content.read().replace(_MARK, folder) if content else b"")
                os.chmod(whole, member.mode & 0o755)
                continue
            member.mode = (member.mode & 0o755) | (0o700 if member.isdir() else 0o600)
            file.extract(member, environment, set_attrs=not member.issym(), **_trusting())


def _trusting() -> Dict[str, Any]:
    """That members are looked at here: newer versions of Python ask who does."""
    return {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}


def _names(environment: str) -> Iterator[str]:
    """What is packed, folders before what is in them."""
    for folder, folders, files in os.walk(environment):
        below = os.path.relpath(folder, environment)
        folders[:] = sorted(name for name in folders if not _is_own(_joined(below, name)))
        for name in sorted(files) + folders:
            path = _joined(below, name)
            mode = os.lstat(os.path.join(environment, path)).st_mode
            if not _is_own(path) and (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                yield path


def _joined(folder: str, name: str) -> str:
    return name if folder == os.curdir else os.path.join(folder, name)


def _is_own(path: str) -> bool:
    return path in _OWN[:2] or path.startswith(_OWN[2:])


def _is_inside(path: str, member: tarfile.TarInfo) -> bool:
    """Whether a member stays in the folder that it is laid out in, and leads to nothing outside."""
    if not (member.isreg() or member.isdir() or member.issym()) or os.path.isabs(path) or path.startswith(os.pardir):
        return False
    if not member.issym():
        return True
    target = os.path.normpath(os.path.join(os.path.dirname(path), member.linkname))
    return not os.path.isabs(member.linkname) and not target.startswith(os.pardir)


if __name__ == "__main__":
    {"pack": pack, "unpack": unpack}[sys.argv[1]](sys.argv[2], sys.argv[3])
