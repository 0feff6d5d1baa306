"""What a function that predicts gets, and what becomes of what it returns."""

from typing import Any, Dict, List, Tuple

import pytest
from conversation import Process

ROWS = {"a": {"x": [1.0, 2.0]}, "b": {"x": [3.0]}, "c": {"x": [4.0, 5.0, 6.0]}}
MODELS = [{"slope": 10.0, "pickle": b"\x80a"}, {"slope": None, "pickle": b"\x80b"}, {"slope": 30.0, "pickle": b"\x80c"}]
NUMBER = [{"name": "p", "type": "float64"}]


def predicting(body: str, arguments: str = "model, group, key, params", **changes: Any) -> Process:
    code = f"import numpy\ndef predict({arguments}):\n    {body}\n"
    settings: Dict[str, Any] = {"function": "predict", "purpose": "predict", "returns": NUMBER, "frame": "pandas"}
    return Process(code, **{**settings, **changes})


def predicted(process: Process) -> Tuple[List[Tuple[int, Any]], List[Dict[str, Any]]]:
    assert process.is_loaded, process.answer
    rows, failures = process.apply(ROWS, models=MODELS)
    return [(row["group of the message"], row["p"]) for row in rows], failures


@pytest.mark.parametrize("frame", ["arrow", "numpy", "pandas", "polars"])
def test_each_group_comes_with_its_model(frame):
    values = "group.column('x').to_pylist()" if frame == "arrow" else "list(group['x'])"
    body = f"return [x * (model['slope'] or 0) + params['add'] + (model['pickle'][1] == ord(key.firm)) for x in {values}]"
    with predicting(body, frame=frame, params={"add": 0.5}) as process:
        for _ in range(2):
            rows, failures = predicted(process)
            assert failures == []
            assert rows == [(0, 11.5), (0, 21.5), (1, 1.5), (2, 121.5), (2, 151.5), (2, 181.5)]


@pytest.mark.parametrize(
    "arguments, group",
    [("model, group", "group"), ("model, group, key", "group"), ("m, g, k, p", "g"), ("*given", "given[1]")],
)
def test_the_last_arguments_may_be_left_out(arguments, group):
    with predicting(f"return numpy.arange(len({group}))", arguments) as process:
        rows, failures = predicted(process)
        assert failures == []
        assert rows == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]


@pytest.mark.parametrize("arguments", ["model", "", "model, group, key, params, more"])
def test_a_signature_that_does_not_fit_is_refused(arguments):
    with predicting("return []", arguments) as process:
        assert process.kind == 2 and process.answer["kind"] == "code" and process.answer["line"] == 2
        assert process.answer["message"] == (
            f"`predict({arguments})` cannot be called as `predict(model, group, key, params)`, "
            "`predict(model, group, key)` or `predict(model, group)`"
        )


def test_a_group_comes_whole():
    with predicting("return []", "model, groups: 'Iterator[object]'") as process:
        assert process.kind == 2 and "gets all rows of its group at once" in process.answer["message"]


@pytest.mark.parametrize(
    "returned",
    [
        "list(group['x'])",
        "tuple(group['x'])",
        "group['x']",
        "group['x'].to_numpy()",
        "group['x'].astype('float32')",
        "group['x'].astype('int64')",
        "group['x'].set_axis(list('abc')[:len(group)])",
        "group['x'].convert_dtypes()",
        "group['x'].array",
        "group.set_index('x').index",
        "range(int(group['x'].iloc[0]), int(group['x'].iloc[0]) + len(group))",
        "__import__('polars').Series(group['x'].to_numpy())",
        "__import__('pyarrow').array(group['x'])",
        "__import__('pyarrow').chunked_array([group['x'][:1], group['x'][1:]])",
        "group.rename(columns={'x': 'p'})",
        "{'p': group['x']}",
        "__import__('polars').DataFrame({'p': group['x'].to_numpy()})",
        "__import__('pyarrow').table({'p': group['x']})",
        "group.sort_values('x', ascending=False)['x'].sort_index()",
    ],
)
def test_whatever_has_a_value_for_each_row_is_taken(returned):
    with predicting(f"return {returned}") as process:
        rows, failures = predicted(process)
        assert failures == []
        assert rows == [(0, 1.0), (0, 2.0), (1, 3.0), (2, 4.0), (2, 5.0), (2, 6.0)]


def test_missing_values_are_null_and_not_a_number_stays_one():
    with predicting("return [None] if len(group) == 1 else [float('nan')] * len(group)") as process:
        rows, failures = predicted(process)
        assert failures == [] and rows[2] == (1, None) and all(value != value for group, value in rows if group != 1)


@pytest.mark.parametrize(
    "returned, message",
    [
        ("None", "the function returns nothing: is a `return` missing?"),
        ("7.0", "the function returns a float, where a value for each of the group's 2 rows is expected"),
        ("'ab'", "the function returns a str, where a value for each of the group's 2 rows is expected"),
        ("{1.0, 2.0}", "the function returns a set, where a value for each of the group's 2 rows is expected"),
        ("(x for x in [1.0, 2.0])", "the function returns a generator, where a value for each of the group's 2 rows is"),
        ("{'p': 1.0}", "the function returns a float, where a value for each of the group's 2 rows is expected"),
        ("[1.0]", "the function returns 1 values of `p`, where the group has 2 rows"),
        ("numpy.zeros((2, 1))", "the function returns an array of shape (2, 1), where one value for each row is expected"),
        ("numpy.zeros(())", "the function returns an array of shape (), where one value for each row is expected"),
        ("group", "the function does not return `p`, which `returns` declares and returns `x`"),
        ("['a', 'b']", "`p` is declared as double"),
        ("group['x'][::-1]", "returns rows in another order than the group's: end with `.sort_index()`"),
        ("group.rename(columns={'x': 'p'})[::-1]", "returns rows in another order than the group's"),
        ("{'p': group['x'][::-1]}", "returns rows in another order than the group's"),
    ],
)
def test_what_is_no_value_for_each_row_costs_the_group_alone(returned, message):
    with predicting(f"return {returned} if key.firm == 'a' else group['x']") as process:
        rows, (failure,) = predicted(process)
        assert (failure["group"], failure["status"]) == (0, "wrong_return")
        assert message in failure["message"]
        assert rows == [(1, 3.0), (2, 4.0), (2, 5.0), (2, 6.0)]


def test_a_function_that_raises_costs_its_group():
    with predicting("return group['x'] * model['slope'] / (key.firm != 'b')") as process:
        rows, (failure,) = predicted(process)
        assert (failure["group"], failure["status"]) == (1, "raised")
        assert failure["trace"].startswith("train.py:3 in predict: return group['x']")
        assert rows == [(0, 10.0), (0, 20.0), (2, 120.0), (2, 150.0), (2, 180.0)]


def test_several_columns_are_a_frame_or_a_dict_of_columns():
    returns = [{"name": "low", "type": "float64"}, {"name": "name", "type": "string"}]
    for returned in [
        "{'name': [key.firm] * len(group), 'low': group['x'] - 1}",
        "group.assign(low=group['x'] - 1, name=key.firm)[['name', 'low']]",
    ]:
        with predicting(f"return {returned}", returns=returns) as process:
            rows, failures = process.apply(ROWS, models=MODELS)
            assert failures == []
            assert [(row["low"], row["name"]) for row in rows] == [
                (0.0, "a"), (1.0, "a"), (2.0, "b"), (3.0, "c"), (4.0, "c"), (5.0, "c"),
            ]  # fmt: skip
    with predicting("return group['x']", returns=returns) as process:
        _, failures = process.apply(ROWS, models=MODELS)
        expected = "the function returns a Series, where a DataFrame or a dict of `low`, `name` is expected"
        assert failures[0]["message"] == expected


def test_context_and_counters_are_those_of_the_group():
    body = "from shoal import context; call = context(); call.counter('rows').add(len(group))"
    body += "; return [float(ord(call.key.firm))] * len(group)"
    with predicting(body) as process:
        process.is_called_by()
        rows, _ = predicted(process)
        assert [value for _, value in rows] == [97.0, 97.0, 98.0, 99.0, 99.0, 99.0]
        assert sum(told["counted"]["rows"] for told in process.told) == 6
