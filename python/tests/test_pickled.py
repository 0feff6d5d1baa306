"""What a worker says of a pickle that it cannot take a function out of."""

import base64
import pickle
import sys
import zlib

import pytest
from conversation import Process
from shoal.apply.pickling import PICKLE_FILE, code_of

OWN = "%d.%d" % sys.version_info[:2]


def code(pickled, python=OWN):
    packed = base64.b64encode(zlib.compress(pickled)).decode()
    return f"from shoal.worker.pickled import load\n\nfit = load(python={python!r}, packed={packed!r})\n"


class Breaks:
    def __reduce__(self):
        return (int, ("no number",))


@pytest.mark.parametrize(
    "text, said",
    [
        (code(b"never looked at", "2.7"), f"the function was pickled by Python 2.7, and this worker runs {OWN}"),
        (code(b"\x80\x04cno_such_module\nfit\n."), "there is no module `no_such_module`, which the function uses"),
        (code(b"no pickle"), "the function cannot be taken out of its pickle: UnpicklingError"),
        (code(pickle.dumps(Breaks())), "the function cannot be taken out of its pickle: ValueError"),
        (
            "import sys\nsys.modules['cloudpickle'] = None\n" + code(pickle.dumps(len)),
            "there is no package `cloudpickle`, which a function of `group_apply` needs where it runs",
        ),
    ],
)
def test_what_cannot_be_taken_out_is_refused_in_words(text, said):
    with Process(text) as process:
        assert not process.is_loaded
        assert process.answer["kind"] == "environment" and said in process.answer["message"], process.answer


def test_a_function_is_called_and_its_own_lines_are_shown():
    def fit(group, key):
        if key.firm == "b":
            raise KeyError("no such thing")
        return {"n": len(group)}

    with Process(code_of(fit).text) as process:
        assert process.is_loaded, process.answer
        rows, failures = process.apply({"a": {"x": [1, 2]}, "b": {"x": [1]}})
    assert [row["n"] for row in rows] == [2]
    assert failures[0]["trace"].startswith("test_pickled.py:") and failures[0]["trace"].endswith('raise KeyError("no such thing")')


def test_the_same_function_is_the_same_text():
    # A job that is submitted again is the same job, then.
    def fit(group):
        return {"n": len(group)}

    assert code_of(fit) == code_of(fit)


def test_a_large_function_lies_beside_its_code(tmp_path):
    import random

    table = random.Random(0).randbytes(400_000)

    def fit(group):
        return {"n": len(table)}

    text, pickled = code_of(fit)
    assert pickled is not None and len(text) < 10_000
    (tmp_path / PICKLE_FILE).write_bytes(pickled)
    with Process(text, folder=str(tmp_path)) as process:
        assert process.is_loaded, process.answer
        rows, _ = process.apply({"a": {"x": [1, 2]}})
    assert [row["n"] for row in rows] == [400_000]
    (tmp_path / PICKLE_FILE).write_bytes(pickled[:100])
    with Process(text, folder=str(tmp_path)) as process:
        assert not process.is_loaded and "cannot be taken out of its pickle" in process.answer["message"]


def test_what_compresses_well_stays_in_the_code():
    table = bytes(2_000_000)
    assert code_of(lambda group: {"n": len(table)}).pickled is None
