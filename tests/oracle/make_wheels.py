"""Makes a folder of wheels, as `pip download` would, without a network.

usage: make_wheels.py CACHE FOLDER INSTALLED,... [NAME VERSION TEXT]...

Those that are INSTALLED for this Python are packed again, once, in CACHE. The others are packages of one module with that text.
"""

import os
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path


def installed(name: str, cache: Path) -> Path:
    """The wheel that an installed distribution came from, as far as it is still there."""
    found = distribution(name)
    tag = next(line[5:] for line in found.read_text("WHEEL").splitlines() if line.startswith("Tag: "))
    wheel = cache / f"{name}-{found.version}-{tag}.whl"
    if wheel.exists():
        return wheel
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = cache / f"{wheel.name}.{os.getpid()}"
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as packed:
        for file in found.files:
            is_compiled = "__pycache__" in file.parts
            is_of_installer = file.name in ("INSTALLER", "REQUESTED", "direct_url.json")
            if not is_compiled and not is_of_installer and ".." not in file.parts:
                packed.write(file.locate(), str(file))
    unfinished.rename(wheel)
    return wheel


def module(name: str, version: str, text: str, folder: Path) -> None:
    """A package of one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as packed:
        for file, content in files.items():
            packed.writestr(file, content)


def main() -> None:
    cache, folder, names, *modules = sys.argv[1:]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names.split(","):
        wheel = installed(name, Path(cache))
        (folder / wheel.name).symlink_to(wheel)
    for name, version, text in zip(modules[::3], modules[1::3], modules[2::3]):
        module(name, version, text, folder)


main()
