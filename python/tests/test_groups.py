"""What a function sees of a group, and what becomes of what it returns."""

import numpy
import pytest
from conversation import Process

ROWS = {"a": {"x": [1.0, 2.0], "y": [1, 2]}, "b": {"x": [3.0], "y": [3]}, "c": {"x": [4.0, 5.0, 6.0], "y": [4, 5, 6]}}


@pytest.mark.parametrize("frame", ["arrow", "numpy", "pandas", "polars"])
def test_each_group_comes_with_its_rows_key_and_parameters(frame):
    total = {
        "arrow": "sum(group.column('x').to_pylist())",
        "numpy": "float(group['x'].sum())",
        "pandas": "group['x'].sum()",
        "polars": "group['x'].sum()",
    }[frame]
    code = f"def fit(group, key, params):\n    return {{'who': key.firm + key[0], 'total': {total} * params['by']}}\n"
    returns = [{"name": "who", "type": "string"}, {"name": "total", "type": "float64"}]
    with Process(code, frame=frame, returns=returns, params={"by": 10}) as process:
        assert process.is_loaded, process.answer
        for _ in range(2):
            rows, failures = process.apply(ROWS)
            assert failures == []
            assert [(row["group of the message"], row["who"], row["total"]) for row in rows] == [
                (0, "aa", 30.0),
                (1, "bb", 30.0),
                (2, "cc", 150.0),
            ]


def test_pandas_counts_the_rows_of_each_group_from_zero():
    code = "def fit(group):\n    return {'n': int(group.index[-1])}\n"
    with Process(code, frame="pandas") as process:
        rows, _ = process.apply(ROWS)
        assert [row["n"] for row in rows] == [1, 0, 2]


@pytest.mark.parametrize("frame", ["numpy", "pandas"])
def test_the_types_of_a_group_do_not_depend_on_other_groups(frame):
    code = "def fit(group):\n    return {'kind': str(group['y'].dtype)}\n"
    groups = {"whole": {"x": [1.0], "y": [1]}, "missing": {"x": [1.0, 2.0], "y": [None, 2]}}
    with Process(code, frame=frame, returns=[{"name": "kind", "type": "string"}]) as process:
        rows, _ = process.apply(groups)
        assert [row["kind"] for row in rows] == ["int64", "float64"]


def test_views_of_the_message_cannot_be_written_to():
    code = "def fit(group):\n    group['x'][0] = 7\n    return {'n': 1}\n"
    with Process(code, frame="numpy") as process:
        rows, failures = process.apply(ROWS)
        assert rows == [] and [failure["error_type"] for failure in failures] == ["ValueError"] * 3


@pytest.mark.parametrize(
    "frame, returned",
    [
        ("pandas", "group[['x']].assign(n=range(len(group)))"),
        ("polars", "group.select('x', n=__import__('polars').int_range(__import__('polars').len()))"),
        ("arrow", "__import__('pyarrow').table({'n': list(range(len(group))), 'x': group.column('x')})"),
    ],
)
def test_a_frame_gives_several_rows(frame, returned):
    returns = [{"name": "n", "type": "int64"}, {"name": "x", "type": "float64"}]
    with Process(f"def fit(group):\n    return {returned}\n", frame=frame, returns=returns) as process:
        rows, failures = process.apply(ROWS)
        assert failures == []
        assert [(row["group of the message"], row["n"], row["x"]) for row in rows] == [
            (0, 0, 1.0),
            (0, 1, 2.0),
            (1, 0, 3.0),
            (2, 0, 4.0),
            (2, 1, 5.0),
            (2, 2, 6.0),
        ]


def test_rows_and_frames_keep_the_order_of_groups():
    code = "def fit(group, key):\n    return {'n': 1} if key.firm != 'b' else group.assign(n=2)[['n']]\n"
    with Process(code, frame="pandas") as process:
        rows, _ = process.apply(ROWS)
        assert [(row["group of the message"], row["n"]) for row in rows] == [(0, 1), (1, 2), (2, 1)]


def test_a_series_is_a_row_and_an_empty_frame_is_none():
    code = "import pandas\ndef fit(group, key):\n    return pandas.Series({'n': 5}) if key.firm == 'a' else group[:0][['n']]\n"
    groups = {"a": {"n": [1]}, "b": {"n": [2]}}
    with Process(code, frame="pandas") as process:
        rows, failures = process.apply(groups)
        assert ([row["n"] for row in rows], failures) == ([5], [])


def test_values_of_every_type_come_as_they_are():
    code = (
        "import datetime\nimport numpy\n"
        "def fit(group):\n"
        "    return {'b': True, 'i': numpy.int32(7), 'j': 2**40, 'f': numpy.float32(1.5), 'g': float('nan'),\n"
        "            's': 'ä', 'r': b'\\x00\\xff', 'd': datetime.date(2026, 1, 2),\n"
        "            't': datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.timezone.utc), 'none': None}\n"
    )
    types = ["boolean", "int32", "int64", "float32", "float64", "string", "binary", "date", "timestamp", "float64"]
    names = ["b", "i", "j", "f", "g", "s", "r", "d", "t", "none"]
    returns = [{"name": name, "type": kind} for name, kind in zip(names, types)]
    with Process(code, returns=returns) as process:
        (row,), failures = process.apply({"a": {"x": [1]}})
        assert failures == []
        assert numpy.isnan(row["g"]) and row["none"] is None
        assert (row["b"], row["i"], row["j"], row["f"], row["s"], row["r"]) == (True, 7, 2**40, 1.5, "ä", b"\x00\xff")
        assert (row["d"].isoformat(), row["t"].isoformat()) == ("2026-01-02", "2026-01-02T03:00:00+00:00")
