import os
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "python" / "src"))

# A process that a test starts finds the same.
os.environ["PYTHONPATH"] = str(ROOT / "python" / "src")
for name in ("SHOAL_HEAD", "SHOAL_TOKEN_FILE", "SHOAL_TLS_CA"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def binary():
    """The real program, which these tests are nothing without."""
    path = shutil.which(os.environ.get("SHOAL_BIN", ""))
    if path is None:
        pytest.fail("SHOAL_BIN names no shoal program: `make test-python` builds it and says where it is")
    return path


@pytest.fixture(scope="session")
def client(binary):
    """A client of a cluster of the tests' own, which all of them use."""
    import shoal

    yield shoal.local()
    shoal.stop_local()


@pytest.fixture(scope="session")
def other_python():
    """A Python of another version that has what functions need, where the machine has two."""
    path = os.environ.get("SHOAL_OTHER_PYTHON")
    if not path:
        pytest.skip("this machine has one Python only")
    return path
