"""Environments that travel: what is installed in one works in another folder."""

import io
import os
import subprocess
import tarfile
import venv
from pathlib import Path

import pytest

from shoal.worker.packing import pack, unpack


def made(folder: Path) -> Path:
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    return folder


def packages(environment: Path) -> Path:
    found = list((environment / "lib").glob("python*/site-packages"))
    assert len(found) == 1
    return found[0]


def ran(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_what_is_installed_works_where_it_is_laid_out(tmp_path: Path) -> None:
    one = made(tmp_path / "one")
    (packages(one) / "greeter").mkdir()
    (packages(one) / "greeter/__init__.py").write_text("ANSWER = 41\n")
    os.symlink("greeter/__init__.py", packages(one) / "alias.py")
    ran(str(one / "bin/python"), "-m", "compileall", "-q", str(packages(one)))
    script = one / "bin/greet"
    script.write_text("#!%s/bin/python\nimport sys, greeter, alias\nprint(greeter.ANSWER + alias.ANSWER, sys.prefix)\n" % one)
    script.chmod(0o755)
    (one / "bin/native").write_bytes(b"\x7fELF" + str(one).encode())
    assert ran(str(script)).split() == ["82", str(one)]

    packed = tmp_path / "packed.tar.gz"
    pack(str(one), str(packed))
    with tarfile.open(packed) as file:
        names = file.getnames()
    assert not [name for name in names if name.startswith("bin/python") or name in ("pyvenv.cfg", "lib64")]
    other = made(tmp_path / "elsewhere" / "other")
    unpack(str(packed), str(other))
    ran("rm", "-r", str(one))
    assert ran(str(other / "bin/greet")).split() == ["82", str(other)]
    assert ran(str(other / "bin/python"), "-c", "import greeter; print(greeter.__file__)").strip() == str(
        packages(other) / "greeter/__init__.py"
    )
    compiled = list((packages(other) / "greeter/__pycache__").iterdir())
    assert len(compiled) == 1, "it is not compiled again"


@pytest.mark.parametrize(
    "name, link", [("../out.py", None), ("/tmp/out.py", None), ("a", "/etc/passwd"), ("a", "../../x"), ("bin/python3", None), ("pyvenv.cfg", None)]
)
def test_what_leads_out_of_the_environment_is_refused(tmp_path: Path, name: str, link: "str | None") -> None:
    packed = tmp_path / "packed.tar.gz"
    with tarfile.open(packed, "w:gz") as file:
        member = tarfile.TarInfo(name)
        if link is not None:
            member.type, member.linkname = tarfile.SYMTYPE, link
        file.addfile(member, io.BytesIO(b""))
    environment = made(tmp_path / "environment")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="leads out of the environment"):
        unpack(str(packed), str(environment))
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
