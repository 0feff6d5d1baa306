"""What a function can ask about its call, and what it can count."""

import pytest
from conversation import Process

import shoal

TWO = {"a": {"x": [1]}, "b": {"x": [2, 3]}}


def function(*lines, **changes):
    body = "".join(f"    {line}\n" for line in lines)
    return Process(f"import shoal\nfrom shoal import context\n\ndef fit(group, key):\n{body}", **changes)


def raised(process):
    rows, failures = process.apply({"a": {"x": [1]}})
    (failure,) = failures
    assert (rows, failure["status"]) == ([], "raised")
    return failure["message"]


def test_a_function_knows_its_key_its_attempt_and_its_job():
    returns = [{"name": "said", "type": "string"}]
    line = "return {'said': f'{context().key.firm} {context().key == key} {context().attempt} {context().job_id}'}"
    with function(line, returns=returns) as process:
        for attempt in [1, 3]:
            process.is_called_by("0189", attempt)
            rows, _ = process.apply(TWO)
            assert [row["said"] for row in rows] == [f"a True {attempt} 0189", f"b True {attempt} 0189"]


def test_what_is_counted_is_told_with_the_groups_that_counted_it():
    lines = [
        "context().counter('rows_skipped').add(group.num_rows)",
        "context().counter('groups').add()",
        "context().counter('never').add(0)",
        "return {'n': 1}",
    ]
    with function(*lines) as process:
        process.apply(TWO)
        assert [told["counted"] for told in process.told] == [{"rows_skipped": 3, "groups": 2}]
        process.apply({"c": {"x": [4]}})
        assert process.told[1]["counted"] == {"rows_skipped": 1, "groups": 1}


def test_a_group_that_raises_has_ended_and_counts():
    with function("context().counter('tried').add()", "raise ValueError") as process:
        _, failures = process.apply(TWO)
        assert len(failures) == 2 and process.told[0]["counted"] == {"tried": 2}


def test_groups_that_are_answered_early_are_counted_early():
    lines = ["import time", "time.sleep(0.6)", "context().counter('n').add()", "return {'n': 1}"]
    with function(*lines) as process:
        process.apply({"a": {"x": [1]}, "b": {"x": [1]}, "c": {"x": [1]}})
        assert [told["counted"]["n"] for told in process.told] == [2, 1]


def test_nothing_is_told_where_nothing_is_counted_or_asked():
    with function("return {'n': 1}") as process:
        process.apply(TWO)
        assert process.told == []


def test_each_group_has_its_time_where_somebody_asks():
    with function("import time", "time.sleep(0.05 if key.firm == 'b' else 0)", "return {'n': 1}") as process:
        process.is_called_by(timing=True)
        process.apply(TWO)
        short, long = process.told[0]["seconds"]
        assert 0 <= short < 0.05 <= long
        process.is_called_by(timing=False)
        process.apply(TWO)
        assert len(process.told) == 1


@pytest.mark.parametrize(
    "line, said",
    [
        ("context().counter('rows-skipped')", "ValueError: 'rows-skipped' is no name of a counter: a letter or `_`"),
        ("context().counter('9')", "'9' is no name of a counter"),
        ("context().counter('x' * 65)", "64 characters at most"),
        ("context().counter(5)", "5 is no name of a counter"),
        ("context().counter('ä')", "is no name of a counter"),
        ("context().counter('a').add(-1)", "ValueError: the counter `a` only grows: -1 cannot be added"),
        ("context().counter('a').add(1.5)", "TypeError: 'float' object cannot be interpreted as an integer"),
        ("context().counter('a').add(2**63)", "OverflowError: the counter `a` holds at most"),
        ("[context().counter(f'c{n}') for n in range(33)]", "at most 32 counters, and `c32` would be one more"),
    ],
)
def test_what_cannot_be_counted_is_told(line, said):
    with function(line, "return {'n': 1}") as process:
        assert said in raised(process)


def test_outside_of_a_call_there_is_no_context():
    with pytest.raises(RuntimeError, match="no group runs here: `shoal.context\\(\\)` is for functions that Shoal calls"):
        shoal.context()
    with Process("from shoal import context\ncontext()\n") as process:
        assert not process.is_loaded and process.answer["line"] == 2
        assert "no group runs here" in process.answer["message"]


def test_a_counter_that_is_kept_counts_for_later_groups_and_not_between_them():
    code = (
        "from shoal import context\nkept = []\n\ndef fit(group):\n    kept.append(context().counter('n'))\n"
        "    kept[0].add()\n    return {'n': 1}\n"
    )
    with Process(code) as process:
        process.apply(TWO)
        assert process.told[0]["counted"] == {"n": 2}
    # As it is between groups.
    from shoal._context import Counter

    with pytest.raises(RuntimeError, match="no group runs here"):
        Counter("n").add()


def test_a_package_of_that_name_that_is_installed_too_does_not_get_in_the_way(tmp_path):
    (tmp_path / "shoal").mkdir()
    (tmp_path / "shoal" / "__init__.py").write_text("raise RuntimeError('the installed one')\n")
    lines = ["return {'n': context().attempt}"]
    with function(*lines, environment={"PYTHONPATH": str(tmp_path)}) as process:
        assert process.is_loaded, process.answer
        process.is_called_by(attempt=2)
        assert [row["n"] for row in process.apply(TWO)[0]] == [2, 2]
