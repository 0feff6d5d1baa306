"""What is wrong with a program shows before any group is asked for."""

import pytest
from conversation import Process


@pytest.mark.parametrize(
    "code, kind, line, said",
    [
        ("def fit(group:\n    pass\n", "code", 1, "SyntaxError"),
        ("x = 1\ndef fit(group):\nreturn 1\n", "code", 3, "IndentationError"),
        ("import no_such_package\n", "environment", 1, "there is no package `no_such_package`, which the code imports"),
        ("import os\n\n1 / 0\n", "code", 3, "the code raises as it is loaded: ZeroDivisionError: division by zero"),
        ("raise SystemExit\n", "code", 1, "the code raises as it is loaded: SystemExit"),
        ("def fitt(group):\n    pass\n", "code", None, "`train.py` has no function `fit`; did you mean `fitt`?"),
        ("x = 1\n", "code", None, "`train.py` has no function `fit`; it has none"),
        ("fit = 3\n", "code", None, "`fit` in `train.py` is a int, not a function"),
        ("\ndef fit():\n    pass\n", "code", 2, "`fit()` cannot be called as `fit(group, key, params)`"),
        ("def fit(a, b, c, d):\n    pass\n", "code", 1, "`fit(a, b, c, d)` cannot be called"),
        ("def fit(group, *, window):\n    pass\n", "code", 1, "cannot be called"),
        ("\0", "code", None, "null bytes"),
    ],
)
def test_code_that_cannot_be_used_is_refused(code, kind, line, said):
    with Process(code) as process:
        assert not process.is_loaded
        assert (process.answer["kind"], process.answer["line"]) == (kind, line), process.answer
        assert said in process.answer["message"], process.answer


@pytest.mark.parametrize("module, said", [("no.such", "there is no module `no`"), ("json.no", "there is no module `json.no`")])
def test_a_module_that_is_not_there_is_refused(module, said):
    with Process(module=module) as process:
        assert (process.answer["kind"], process.answer["message"]) == ("environment", said)


def test_a_module_that_is_installed_is_called():
    with Process(module="math", function="fsum", returns=[{"name": "n", "type": "int64"}]) as process:
        assert process.is_loaded, process.answer


@pytest.mark.parametrize("signature", ["group", "group, key", "group, key, params", "*all", "group, key=None", "group, **more"])
def test_arguments_may_be_left_out_from_the_last(signature):
    with Process(f"def fit({signature}):\n    return {{'n': 1}}\n") as process:
        assert process.is_loaded, process.answer
        assert process.apply({"a": {"x": [1]}})[0][0]["n"] == 1


def test_classes_of_the_code_can_be_pickled():
    code = (
        "import pickle\n"
        "class Model:\n"
        "    pass\n"
        "def fit(group):\n"
        "    return {'n': int(isinstance(pickle.loads(pickle.dumps(Model())), Model))}\n"
    )
    with Process(code) as process:
        assert process.apply({"a": {"x": [1]}})[0][0]["n"] == 1
