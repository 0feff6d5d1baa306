"""A Python as files of an image: the interpreter with its standard library, and packages from wheels.

Both are folders that look like the image's root, and are kept in ~/.cache/shoal/image-python: what made them names them.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("SHOAL_IMAGE_CACHE") or Path.home() / ".cache/shoal/image-python")
VENV = Path(os.environ.get("SHOAL_VENV") or Path.home() / ".cache/shoal/venv")
OLDEST = (3, 10)
# The distribution's own first: its libraries are those that the image has anyway, and it gets security fixes with them.
CANDIDATES = ["/usr/bin/python3", "python3"]
# What no function needs: tests, windows, the sources of extensions, packages that are there by chance.
LEFT_OUT = {
    "test", "tests", "idlelib", "turtledemo", "tkinter", "lib2to3", "pydoc_data", "__pycache__",
    "site-packages", "dist-packages", "EXTERNALLY-MANAGED", "sitecustomize.py",
}
# Of packages only what is large.
LEFT_OUT_OF_PACKAGES = ["pandas/tests", "pyarrow/tests", "pyarrow/include", "bin", "share"]
QUESTION = """
import json, os, sys, sysconfig
print(json.dumps({
    "version": list(sys.version_info[:3]), "build": sys.version,
    "program": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
    "library": sysconfig.get_path("stdlib"), "extensions": sysconfig.get_config_var("DESTSHARED"),
    "wheels": sysconfig.get_config_var("WHEEL_PKG_DIR"),
}))
"""


class Unusable(Exception):
    """Why there is no Python for the image."""


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unusable(f"{command[0]} fails:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Python:
    """An interpreter of this machine."""

    def __init__(self, program):
        told = json.loads(run(program, "-I", "-c", QUESTION))
        self.version, self.build, self.program = tuple(told["version"]), told["build"], Path(told["program"])
        self.library, self.extensions = Path(told["library"]), Path(told["extensions"])
        # Where distributions keep the pip that environments get.
        self.wheels = Path(told["wheels"]) if told["wheels"] else None
        self.name = f"python{self.version[0]}.{self.version[1]}"

    @classmethod
    def find(cls, named):
        for program in [named] if named else CANDIDATES:
            found = shutil.which(program)
            if found is None:
                continue
            python = cls(found)
            if python.version >= OLDEST:
                return python
            if named:
                raise Unusable(f"{named} is Python {'.'.join(map(str, python.version))}; 3.10 or newer is needed")
        raise Unusable(f"there is no {named or 'python3 of 3.10 or newer'}")

    def key(self, *more):
        made_of = [self.build, str(self.program), Path(__file__).read_text(), *more]
        return hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]


def kept(key, make):
    """The folder of that key; `make` fills it where it is not there."""
    folder = CACHE / key
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as new:
            make(Path(new))
            try:
                os.rename(new, folder)
            except OSError:
                # Whoever made the same meanwhile was as good.
                if not folder.is_dir():
                    raise
    return folder


def compile_all(python, root, folder):
    # By content, not by time: files of an image have none. Nothing can be compiled in a pod, whose files are read-only.
    command = [python.program, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    # Some packages have files of a newer Python, or broken ones as tests.
    subprocess.run([*map(str, command), "-s", str(root), "-p", "/", str(folder)], capture_output=True)


def make_interpreter(python, root):
    programs, library = root / "usr/local/bin", root / "usr/local/lib" / python.name
    programs.mkdir(parents=True)
    shutil.copy(python.program, programs / python.name)
    for link in ["python3", "python"]:
        (programs / link).symlink_to(python.name)

    def left_out(folder, names):
        return {name for name in names if name in LEFT_OUT or name.startswith("config-")}

    shutil.copytree(python.library, library, ignore=left_out)
    if python.extensions.parent != python.library:
        shutil.copytree(python.extensions, library / "lib-dynload", dirs_exist_ok=True)
    compile_all(python, root, library)
    for wheel in sorted(python.wheels.glob("*.whl")) if python.wheels else []:
        target = root / str(wheel).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(wheel, target)


def make_packages(python, interpreter, requirements, root):
    # Where the copy looks for them: distributions have places of their own.
    copy = interpreter / "usr/local/bin" / python.name
    places = json.loads(run(copy, "-I", "-c", "import json, site; print(json.dumps(site.getsitepackages()))"))
    library = interpreter / "usr/local/lib" / python.name
    place = next((place for place in map(Path, places) if place.parent == library), None)
    if place is None:
        raise Unusable(f"{python.program} looks for packages in none of its own folders: {places}")
    target = root / place.relative_to(interpreter)
    pip = [VENV / "bin/python", "-m", "pip", "--python", python.program, "install", "--quiet", "--no-input"]
    pip += ["--disable-pip-version-check", "--only-binary=:all:", "--no-compile", "--target", target]
    run(*pip, "--requirement", requirements)
    for folder in LEFT_OUT_OF_PACKAGES:
        shutil.rmtree(target / folder, ignore_errors=True)
    compile_all(python, root, target)


def folders(named, requirements):
    """What it is called, and the folders of the interpreter and of the packages."""
    python = Python.find(named)
    interpreter = kept(python.key(), lambda root: make_interpreter(python, root))
    text = requirements.read_text()
    packages = kept(python.key(text), lambda root: make_packages(python, interpreter, requirements, root))
    return ".".join(map(str, python.version)), [interpreter, packages]


def native(folders):
    """Files that are linked to libraries: programs and extensions."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            is_extension = ".so" in path.suffixes
            is_program = path.parent.name == "bin" and not path.is_symlink()
            if path.is_file() and not path.is_symlink() and (is_extension or is_program):
                yield path
