"""`group_apply` on a real cluster of this process, beside what pandas and numpy make of the same rows."""

import datetime
import decimal
import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings

import numpy
import pandas
import polars
import pyarrow
import pytest
import shoal

import a_module_of_the_user

RNG = numpy.random.default_rng(11)
STORES, ROWS = 40, 4000

TWO = {"slope": "float64", "n": "int64"}


@pytest.fixture(scope="module", autouse=True)
def cluster(client):
    return client


def sales():
    store = RNG.integers(0, STORES, ROWS)
    x = RNG.normal(size=ROWS)
    return pandas.DataFrame({"store": store, "x": x, "y": 2.0 + store * x + RNG.normal(size=ROWS), "name": [f"s{one}" for one in store]})


SALES = sales()


def line(group):
    slope, _ = numpy.polyfit(group["x"], group["y"], 1)
    return {"slope": slope, "n": len(group["x"])}


def expected():
    """Of the same function in this process."""
    made = {store: line(group) for store, group in SALES.groupby("store")}
    return [(store, row["slope"], row["n"]) for store, row in sorted(made.items())]


def check(rows):
    assert len(rows) == STORES
    for row, (store, slope, n) in zip(rows, expected()):
        assert (row["store"], row["n"], row["status"], row["rows_used"]) == (store, n, "ok", n)
        assert row["slope"] == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("frame", [None, "pandas", "numpy", "polars"])
def test_pandas_give_pandas_with_the_numbers_of_a_loop(frame):
    result = shoal.group_apply(SALES, by=["store"], func=line, returns=TWO, frame=frame)
    assert isinstance(result, pandas.DataFrame)
    assert result.columns.tolist() == ["store", "slope", "n", "status", "message", "error_type", "trace", "rows_used"]
    assert (result["store"].dtype, result["n"].dtype, result["slope"].dtype) == ("int64", "int64", "float64")
    check(result.to_dict("records"))


def test_arrow_gives_arrow_and_polars_polars():
    def slope(group):
        x, y = numpy.asarray(group.column("x")), numpy.asarray(group.column("y"))
        return {"slope": numpy.polyfit(x, y, 1)[0], "n": len(x)}

    arrow = pyarrow.Table.from_pandas(SALES, preserve_index=False)
    result = shoal.group_apply(arrow, by="store", func=slope, returns=TWO)
    assert isinstance(result, pyarrow.Table)
    check(result.to_pylist())
    result = shoal.group_apply(arrow.combine_chunks().to_batches()[0], by="store", func=slope, returns=TWO)
    assert isinstance(result, pyarrow.Table)
    result = shoal.group_apply(polars.from_pandas(SALES), by="store", func=line, returns=TWO)
    assert isinstance(result, polars.DataFrame) and result.schema["n"] == polars.Int64
    check(result.to_dicts())


def test_a_table_that_is_named_is_read_where_it_lies(tmp_path, monkeypatch):
    SALES.to_csv(tmp_path / "sales.csv", index=False)
    monkeypatch.chdir(tmp_path)
    for name in ("sales.csv", tmp_path / "sales.csv"):
        result = shoal.group_apply(name, by="store", func=line, returns=TWO)
        assert isinstance(result, pyarrow.Table)
        check(result.to_pylist())


def test_a_function_gets_its_key_parameters_and_the_columns_that_are_named():
    def seen(group, key, params):
        return {"seen": f"{key.store} {key.name} {params['deep']['list'][1]} {','.join(group.columns)}"}

    result = shoal.group_apply(
        SALES, by=["store", "name"], func=seen, returns={"seen": "string"}, params={"deep": {"list": [1, "ä"]}}, columns=["y", "x"]
    )
    assert result["seen"].tolist() == [f"{store} s{store} ä y,x" for store in range(STORES)]


def test_lambdas_closures_methods_and_what_they_refer_to_travel():
    offset = {"of": 3}

    class Adder:
        def __init__(self, by):
            self.by = by

        def __call__(self, group):
            return {"n": len(group) + self.by}

        def method(self, group):
            return {"n": len(group) + self.by + offset["of"]}

    def helper(group):
        return len(group) + offset["of"]

    counts = SALES.groupby("store").size().to_numpy()
    for func, more in (
        (lambda group: {"n": helper(group)}, 3),
        (Adder(5), 5),
        (Adder(5).method, 8),
        (a_module_of_the_user.count_and_add, a_module_of_the_user.MORE),
    ):
        result = shoal.group_apply(SALES, by="store", func=func, returns={"n": "int64"})
        assert (result["n"].to_numpy() == counts + more).all()


def test_modules_that_are_named_travel_with_the_function(tmp_path, monkeypatch):
    (tmp_path / "beside_the_script.py").write_text("MORE = 4\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import beside_the_script

    def count(group):
        return {"n": len(group) + beside_the_script.MORE}

    counts = SALES.groupby("store").size().to_numpy()
    with pytest.raises(shoal.JobFailed, match="no module `beside_the_script`") as caught:
        shoal.group_apply(SALES, by="store", func=count, returns={"n": "int64"})
    assert caught.value.reason == "InvalidEnvironment" and "modules" in str(caught.value)
    result = shoal.group_apply(SALES, by="store", func=count, returns={"n": "int64"}, modules=[beside_the_script])
    assert (result["n"].to_numpy() == counts + 4).all()


def test_a_frame_gives_several_rows_per_group():
    def largest(group):
        return group.nlargest(2, "y")[["x", "y"]].rename(columns={"y": "top"})

    result = shoal.group_apply(SALES, by="store", func=largest, returns={"top": "float64", "x": "float64"})
    oracle = SALES.sort_values("y", ascending=False).groupby("store").head(2)
    assert len(result) == 2 * STORES
    assert sorted(result["top"]) == sorted(oracle["y"]) and result["store"].is_monotonic_increasing


def test_failed_groups_are_rows_with_the_reason_and_the_users_own_lines():
    def fit(group, key):
        if key.store == 7:
            raise ValueError("seven is bad")
        if key.store == 8:
            return {"n": "eight"}
        if key.store == 9:
            os._exit(3)
        return {"n": len(group)}

    with pytest.warns(shoal.GroupsFailed, match="3 groups have no result(.|\n)*store=7: raised: ValueError: seven is bad") as warned:
        result = shoal.group_apply(SALES, by="store", func=fit, returns={"n": "int64"})
    assert warned[0].filename == __file__
    rows = result.set_index("store")
    assert rows["status"].value_counts().to_dict() == {"ok": STORES - 3, "raised": 1, "wrong_return": 1, "process_died": 1}
    assert rows.loc[[7, 8, 9], "status"].tolist() == ["raised", "wrong_return", "process_died"]
    assert rows.loc[7, "error_type"] == "ValueError"
    assert 'in fit: raise ValueError("seven is bad")' in rows.loc[7, "trace"]
    assert rows.loc[7, "trace"].startswith("test_group_apply.py:")
    assert pandas.isna(rows.loc[7, "n"]) and rows.loc[6, "n"] == (SALES["store"] == 6).sum()


def test_no_group_may_fail_where_that_is_asked_for():
    with pytest.raises(shoal.JobFailed) as caught:
        shoal.group_apply(SALES, by="store", func=lambda group: 1 / 0, returns={"n": "int64"}, max_failed=0)
    assert caught.value.reason == "TooManyFailed"


def test_a_group_that_takes_too_long_is_a_row():
    def fit(group, key):
        import time

        time.sleep(600 if key.store == 1 else 0)
        return {"n": 1}

    with pytest.warns(shoal.GroupsFailed, match="store=1: timed_out"):
        result = shoal.group_apply(SALES[SALES["store"] < 3], by="store", func=fit, returns={"n": "int64"}, group_timeout="1s")
    assert result["status"].tolist() == ["ok", "timed_out", "ok"]


def test_keys_come_back_with_the_types_that_they_had():
    day, moment = datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.timezone.utc)
    for values in (
        pyarrow.array([1, 2, None], pyarrow.int8()),
        pyarrow.array(["b", "a", None], pyarrow.large_string()),
        pyarrow.array(["b", "a", None]).dictionary_encode(),
        pyarrow.array([True, False, None]),
        pyarrow.array([day, None, day.replace(day=1)]),
        pyarrow.array([moment, None, moment.replace(day=1)], pyarrow.timestamp("ms", "UTC")),
        pyarrow.array([decimal.Decimal("1.50"), decimal.Decimal("0.25"), None], pyarrow.decimal128(5, 2)),
        pyarrow.array([1.5, -0.5, None], pyarrow.float32()),
        pyarrow.array([2**63 + 5, 1, None], pyarrow.uint64()),
        pyarrow.array([b"b", b"a", None]),
        # A type for which Arrow cannot do everything; older ones have it not at all.
        pyarrow.array(["b", "a", None], getattr(pyarrow, "string_view", pyarrow.string)()),
    ):
        table = pyarrow.table({"key": values, "x": [1.0, 2.0, 3.0]})
        result = shoal.group_apply(table, by="key", func=lambda group: {"n": len(group)}, returns={"n": "int64"})
        keys = result.column("key")
        assert keys.type == values.type
        there = sorted(value for value in values.to_pylist() if value is not None)
        assert keys.to_pylist() == [*there, None], "ordered, missing ones last"
        assert result.column("n").to_pylist() == [1, 1, 1]


def test_categories_of_pandas_stay_categories():
    frame = SALES.assign(name=SALES["name"].astype("category"))
    result = shoal.group_apply(frame, by="name", func=line, returns=TWO)
    assert result["name"].dtype == "category" and len(result) == STORES


@pytest.mark.parametrize(
    "kind, value", [("boolean", True), ("int32", 3), ("float32", 1.5), ("string", "ä"), ("binary", b"\0"), ("date", datetime.date(2026, 1, 2))]
)
def test_every_type_can_be_returned(kind, value):
    result = shoal.group_apply(pyarrow.table({"k": [1], "x": [1]}), by="k", func=lambda group: {"value": value}, returns={"value": kind})
    assert result.column("value").to_pylist() == [value]


def wrong(**changes):
    arguments = {"data": SALES, "by": ["store"], "func": line, "returns": TWO, **changes}
    return shoal.group_apply(arguments.pop("data"), **arguments)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"returns": {"slope": "decimal(5)"}}, r'`slope` is \'decimal\(5\)\', which is no type here(.|\n)*types are "boolean", "int32"'),
        ({"returns": {"slope": float}}, "which is no type here"),
        ({"returns": {}}, "`returns` says which columns"),
        ({"returns": ["slope"]}, "`returns` says which columns"),
        ({"returns": {"store": "int64"}}, "which is a column of `by`"),
        ({"returns": {"status": "int64"}}, "a column of its own"),
        ({"by": ["stroe"]}, "`by` names `stroe`, and the table has no such column; it has `store`, `x`"),
        ({"by": []}, "`by` names the columns that make a group"),
        ({"by": None}, "`by` names the columns that make a group"),
        ({"by": ["store", "store"]}, "twice"),
        ({"columns": ["z"]}, "`columns` names `z`"),
        ({"data": SALES.set_index("store")}, "level of the index and no column(.|\n)*reset_index"),
        ({"data": [1, 2]}, "a list is no table"),
        ({"data": SALES["x"]}, "a Series is no table"),
        ({"data": SALES[:0]}, "no rows"),
        ({"data": SALES.rename(columns={"x": 3})}, "column 3 has no text as its name"),
        ({"data": SALES.rename(columns={"x": "y"})}, "two columns are called `y`"),
        ({"data": SALES.assign(z=[object()] * ROWS)}, "cannot be written as a table"),
        ({"data": polars.from_pandas(SALES).lazy()}, "has no rows yet"),
        ({"func": "line"}, "is a str, not a function"),
        ({"func": lambda: None}, "cannot be called as"),
        ({"frame": "spark"}, '"pandas", "polars", "arrow", "numpy"'),
        ({"params": [1]}, "`params` is a dict"),
        ({"params": {"x": numpy.float32(1)}}, "`params` cannot be written as JSON"),
        ({"params": {"x": float("nan")}}, "`params` cannot be written as JSON"),
        ({"modules": ["json"]}, "`modules` holds modules"),
        ({"slots": 0}, "`slots` is a number"),
        ({"columns": "x"}, "a list of names"),
        ({"storage": "/tmp"}, "`client` names none"),
        ({"client": shoal.Client("http://127.0.0.1:1"), "storage": "/tmp", "slots": 1}, "`client` names another"),
        ({"environment": 3}, "is the path of a Python"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(changes, said):
    with pytest.raises(shoal.InvalidArgument, match=said):
        wrong(**changes)


def test_an_awaited_function_is_refused():
    async def fit(group):
        return {}

    with pytest.raises(shoal.InvalidArgument, match="without `async`"):
        wrong(func=fit)


def test_what_cannot_be_pickled_is_named():
    lock = threading.Lock()
    with pytest.raises(shoal.CannotSend, match="`lock`, which it closes over"):
        wrong(func=lambda group: {"n": lock})


def test_what_is_too_large_to_travel_is_named():
    from shoal.apply.pickling import code_of

    large = RNG.bytes(300_000)
    with pytest.raises(shoal.CannotSend, match="and 262144 can travel; the largest is `large`, which it closes over .a bytes. with 3000"):
        code_of(lambda group: {"n": len(large)}, pickled_bytes_max=262_144)


def test_a_function_may_close_over_a_large_array(client):
    # Random, so that nothing of it is compressed away.
    table = RNG.random(50_000_000 // 8)

    def fit(group):
        return {"total": float(table[: len(group)].sum())}

    rows = pandas.DataFrame({"g": ["a", "b", "b"], "x": [1.0, 2.0, 3.0]})
    made = shoal.group_apply(rows, by=["g"], func=fit, returns={"total": "float64"}, progress=False)
    assert made["total"].tolist() == [float(table[:1].sum()), float(table[:2].sum())]


def test_a_refusal_of_the_job_names_its_field():
    with pytest.raises(shoal.SpecRefused) as caught:
        wrong(group_timeout="soon")
    assert caught.value.field == "spec.groupedTraining.model.python.groupTimeout"


def test_a_pickle_of_another_python_is_refused_in_words(other_python):
    with pytest.raises(shoal.JobFailed) as caught:
        wrong(environment=other_python)
    own = "%d.%d" % sys.version_info[:2]
    assert caught.value.reason == "InvalidEnvironment"
    assert f"the function was pickled by Python {own}, and this worker runs 3." in str(caught.value)
    assert other_python in str(caught.value)


def test_an_interpreter_that_is_not_there_is_told_of():
    with pytest.raises(shoal.JobFailed) as caught:
        wrong(environment="/not/there/python")
    assert caught.value.reason == "InvalidEnvironment"


def test_nothing_is_left_of_a_call(client):
    from shoal.machine.cluster import local_cluster

    wrong()
    with pytest.raises(shoal.JobFailed):
        wrong(environment="/not/there/python")
    assert os.listdir(os.path.join(local_cluster().folder, "tables")) == []


def test_a_cluster_that_runs_gets_the_rows_over_a_place_that_both_reach(client, tmp_path):
    with pytest.raises(shoal.InvalidArgument, match="a place that this process and all workers reach"):
        wrong(client=client)
    with pytest.raises(shoal.InvalidArgument, match="is a folder or a URL"):
        wrong(client=client, storage=3)
    result = wrong(client=client, storage=tmp_path / "shared", environment=sys.executable)
    check(result.to_dict("records"))
    assert os.listdir(tmp_path / "shared") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(shoal.Refused, match="rows cannot be written to"):
        wrong(client=client, storage=tmp_path / "file", environment=sys.executable)


def run(script, tmp_path, *, interrupt_at=None):
    """Runs a script as somebody would, and interrupts it at a line."""
    file = tmp_path / "script.py"
    file.write_text(textwrap.dedent(script))
    process = subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = ""
    if interrupt_at is not None:
        while interrupt_at not in said:
            line = process.stdout.readline()
            assert line, process.communicate()
            said += line
        process.send_signal(signal.SIGINT)
    more, complained = process.communicate(timeout=120)
    return process.returncode, said + more, complained


def test_functions_of_a_script_travel_with_their_globals(tmp_path):
    code, said, complained = run(
        """
        import math
        import pandas as pd
        import shoal

        SCALE = 10

        class Model:
            def __init__(self, total):
                self.total = total

        def helper(group):
            return Model(math.fsum(group["x"]) * SCALE)

        def fit(group):
            return {"total": helper(group).total}

        df = pd.DataFrame({"k": ["b", "a", "b"], "x": [1.0, 2.0, 3.0]})
        print(shoal.group_apply(df, by="k", func=fit, returns={"total": "float64"})["total"].tolist())
        """,
        tmp_path,
    )
    assert (code, said) == (0, "[20.0, 40.0]\n"), complained


def test_functions_of_a_notebook_travel_and_their_lines_are_shown(tmp_path):
    # As a kernel runs a cell: no file is behind it, and its lines are where tracebacks look for them.
    code, said, complained = run(
        """
        import linecache, warnings
        warnings.simplefilter("ignore")
        cell = '''
        import pandas as pd
        import shoal
        def fit(group):
            return {"n": 1 / (len(group) - 1)}
        df = pd.DataFrame({"k": ["b", "a", "b"]})
        result = shoal.group_apply(df, by="k", func=fit, returns={"n": "float64"})
        print(result["n"].tolist()[1], result["trace"][0])
        '''.replace("        ", "").replace("    return", "  return").replace("return", "  return")
        name = "/tmp/ipykernel_1/23.py"
        linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
        exec(compile(cell, name, "exec"), globals())
        """,
        tmp_path,
    )
    assert code == 0, complained
    assert said == '1.0 23.py:5 in fit: return {"n": 1 / (len(group) - 1)}\n', complained


def test_ctrl_c_cancels_the_job(tmp_path):
    code, said, complained = run(
        """
        import os, sys, threading, time
        import pandas as pd
        import shoal

        def fit(group):
            import time
            time.sleep(600)

        client = shoal.local()

        def tell():
            while not any(job.phase == "Running" for job in client.jobs()):
                time.sleep(0.02)
            print("it runs", flush=True)

        threading.Thread(target=tell).start()
        try:
            shoal.group_apply(pd.DataFrame({"k": [1]}), by="k", func=fit, returns={"n": "int64"})
        except KeyboardInterrupt:
            job = client.jobs()[0]
            print(job.phase, job.failure.reason)
        """,
        tmp_path,
        interrupt_at="it runs",
    )
    assert (code, said) == (0, "it runs\nFailed Cancelled\n"), complained


def test_what_a_worker_has_of_the_package_says_what_it_lacks():
    def fit(group):
        import shoal

        try:
            shoal.group_apply
        except AttributeError as error:
            return {"said": str(error)}
        return {"said": "it is there"}

    result = shoal.group_apply(SALES[:3], by="store", func=fit, returns={"said": "string"})
    assert "inside a function that a worker calls it is not there" in result["said"][0]


def test_no_warning_comes_of_a_call_that_goes_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrong()


