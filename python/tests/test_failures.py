"""What goes wrong in one group costs that group, and is told with the user's own lines."""

import os
import signal

import pytest
from conversation import NO_GROUP, Process

THREE = {"a": {"x": [1.0]}, "b": {"x": [2.0]}, "c": {"x": [3.0]}}


def in_b(*lines, imports="", **changes):
    """A function that does something in group b."""
    body = "".join(f"        {line}\n" for line in lines)
    return Process(f"{imports}\ndef fit(group, key):\n    if key.firm == 'b':\n{body}    return {{'n': 1}}\n", **changes)


def failed_in_b(process):
    rows, failures = process.apply(THREE)
    assert [row["group of the message"] for row in rows] == [0, 2]
    (failure,) = failures
    assert failure["group"] == 1
    return failure


def test_what_is_raised_is_told_with_the_lines_of_the_user():
    with in_b("json.loads('{')", imports="import json") as process:
        failure = failed_in_b(process)
    assert (failure["status"], failure["error_type"]) == ("raised", "JSONDecodeError")
    assert failure["message"].startswith("JSONDecodeError: Expecting property name")
    assert failure["trace"] == "train.py:4 in fit: json.loads('{')"


@pytest.mark.parametrize(
    "line, error",
    [
        ("raise SystemExit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("input()", "EOFError"),
        ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})", "E"),
        ("fit(group, key)", "RecursionError"),
        ("raise ValueError('\\ud800')", "ValueError"),
    ],
)
def test_whatever_is_raised_ends_the_group_alone(line, error):
    with in_b(line) as process:
        assert failed_in_b(process)["error_type"] == error


@pytest.mark.parametrize(
    "returned, said",
    [
        ("None", "returns nothing: is a `return` missing?"),
        ("[1]", "returns a list, where a dict, a Series or a DataFrame is expected"),
        ("{}", "does not return `n`, which `returns` declares"),
        ("{'n': 1, 'm': 2}", "returns `m`, which `returns` does not declare"),
        ("{'m': 1}", "does not return `n`, which `returns` declares and returns `m`"),
        ("{'n': 'one'}", "`n` is declared as int64:"),
        ("{'n': float('nan')}", "`n` is declared as int64:"),
        ("{'n': 1.5}", "`n` is declared as int64:"),
        ("{'n': 2**70}", "`n` is declared as int64:"),
        ("{'n': object()}", "`n` is declared as int64:"),
        ("{'n': '1'}", "`n` is declared as int64: the values are string"),
        ("pyarrow.table({'n': ['1']})", "`n` is declared as int64: the values are string"),
        ("pandas.DataFrame({'n': [1.0, float('nan')]})", "`n` is declared as int64:"),
        ("pandas.DataFrame({'m': [1]})", "returns `m`, which `returns` does not declare"),
        ("pandas.Series({'n': 1, 'm': 2})", "returns `m`, which `returns` does not declare"),
    ],
)
def test_a_wrong_return_says_what_is_declared(returned, said):
    with in_b(f"return {returned}", imports="import pandas, pyarrow") as process:
        failure = failed_in_b(process)
    assert failure["status"] == "wrong_return"
    assert said in failure["message"], failure


def test_what_is_printed_has_the_key_of_its_group():
    code = "import sys\nprint('loaded')\ndef fit(group, key):\n    print('in', end=' ')\n    sys.stderr.write('said\\n')\n    return {'n': 1}\n"
    with Process(code, keys=["firm", "year"]) as process:
        process.apply({("a", 1): {"x": [1]}, ("b", None): {"x": [1]}})
        _, said, complained = process.end()
    # Marks say up to where the worker has to read.
    assert said == "loaded\n\x1d0\n\x1ea, 1\x1fin \n\x1eb, null\x1fin \n\x1d2\n"
    assert complained == "\x1d0\n\x1ea, 1\x1fsaid\n\x1eb, null\x1fsaid\n\x1d2\n"


@pytest.mark.parametrize(
    "line, code",
    [
        ("os._exit(7)", 7),
        ("os.kill(os.getpid(), signal.SIGSEGV)", 128 + signal.SIGSEGV),
        ("os.abort()", 128 + signal.SIGABRT),
    ],
)
def test_a_process_that_dies_leaves_which_group_it_was(line, code):
    with in_b(line, imports="import os, signal") as process:
        process.send(THREE)
        assert process._receive()[0] == 0
        assert process.progress() == (2, 1)
        assert process.end()[0] == code


def test_groups_that_are_done_are_answered_before_a_slow_message_is():
    code = "import time\ndef fit(group, key):\n    time.sleep(0.4)\n    return {'n': 1}\n"
    with Process(code) as process:
        rows, _ = process.apply({str(number): {"x": [1]} for number in range(5)})
        assert [row["group of the message"] for row in rows] == [0, 1, 2, 3, 4]
        assert process.answers == 2


def test_a_child_that_is_forked_does_not_come_back():
    with in_b("os.fork()", imports="import os") as process:
        rows, failures = process.apply(THREE)
        assert ([row["group of the message"] for row in rows], failures) == ([0, 1, 2], [])
        assert process.apply(THREE)[0] == rows


def test_no_group_is_blamed_between_messages():
    with in_b("pass") as process:
        process.apply(THREE)
        assert process.progress() == (2, NO_GROUP)


def test_all_that_was_started_ends_with_the_process():
    started = (
        "import os, subprocess, sys\n"
        "def fit(group):\n"
        "    child = subprocess.Popen(['sleep', '600'], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "    return {'n': child.pid}\n"
    )
    with Process(started) as process:
        (row,), _ = process.apply({"a": {"x": [1]}})
        os.kill(row["n"], 0)
        assert process.end()[0] == 128 + signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            os.kill(row["n"], 0)
