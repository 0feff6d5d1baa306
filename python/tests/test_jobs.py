"""Jobs of a real head and a real worker."""

import io
import pathlib
import threading

import pandas
import polars
import pytest
from shoal.client.bar import Bar

import shoal

EXAMPLES = pathlib.Path(__file__).parent.parent.parent / "examples"


def training(name, output, **changes):
    grouped = {
        "input": {"table": str(EXAMPLES / "data" / "grunfeld.csv")},
        "groupBy": ["firm"],
        "model": {"ols": {"target": "invest", "features": ["value", "capital"]}},
        "output": {"table": str(output), "mode": "overwrite"},
    }
    return {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": name},
        "spec": {"groupedTraining": {**grouped, **changes}},
    }


def waiting(name, output, seconds=600):
    """A job whose function does nothing for long."""
    import sys

    code = f"import time\ndef fit(group):\n    print('it waits')\n    time.sleep({seconds})\n    return {{'n': 1}}\n"
    python = {"code": code, "returns": [{"name": "n", "type": "int64"}], "environment": {"interpreter": sys.executable}}
    return training(name, output, model={"python": python})


def until(holds):
    """Waits for a condition, and not for time."""
    for _ in range(3000):
        if holds():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it has not come about within a minute")


def test_a_job_is_submitted_waited_for_and_its_table_read(client, tmp_path):
    job = client.submit(training("table", tmp_path / "models"))
    assert job.wait(progress=False) is job
    status = job.status()
    assert (status.phase, status.is_final, status.kind, status.failure) == ("Succeeded", True, "groupedTraining", None)
    assert (status.progress.unit, status.progress.done, status.progress.percent) == ("groups", 11, 100)
    assert status.seconds > 0 and status.raw["uid"] == job.uid
    table = job.table()
    assert (table.uri, table.version) == (str(tmp_path / "models"), 0)
    arrow, frame, other = table.to_arrow(), table.to_pandas(), table.to_polars()
    assert arrow.num_rows == len(frame) == other.height == 11
    assert isinstance(frame, pandas.DataFrame) and isinstance(other, polars.DataFrame)
    assert sorted(frame["firm"]) == sorted(other["firm"]) and set(frame["status"]) == {"ok"}
    assert table.to_pandas(["r2", "firm"]).columns.tolist() == ["r2", "firm"]
    assert sum(batch.num_rows for batch in table.to_batches(["firm"])) == 11
    assert job.table("models").uri == table.uri
    lines = job.logs()
    task = next(line.task for line in lines if line.task is not None and "/" in line.task)
    for about in (task, task.split("/")[0]):
        said = job.logs(about)
        assert 0 < len(said) < len(lines) and all(line.task.startswith(about) for line in said)
    with pytest.raises(shoal.InvalidArgument, match="no output `other`; it has `models`"):
        job.table("other")
    with pytest.raises(shoal.InvalidArgument, match=r"write \['firm'\]"):
        table.to_arrow("firm")


def test_a_table_is_of_the_version_that_its_job_has_made(client, tmp_path):
    first = client.submit(training("versions", tmp_path / "models")).wait(progress=False)
    table = first.table()
    second = client.submit(training("versions", tmp_path / "models", model={"mean": {"target": "invest"}}), rerun=True)
    second.wait(progress=False)
    assert "r2" in table.to_arrow().column_names and "r2" not in second.table().to_arrow().column_names
    with pytest.raises(shoal.JobNotFound, match="submitted anew"):
        first.status()
    with pytest.raises(shoal.JobNotFound, match="submitted anew"):
        first.cancel()
    assert client.job("versions").uid == second.uid


def test_a_job_file_is_the_one_that_shoal_run_takes(client, tmp_path):
    text = (EXAMPLES / "grunfeld.yaml").read_text().replace("../target/demo/models", str(tmp_path / "models"))
    (tmp_path / "data").symlink_to(EXAMPLES / "data")
    (tmp_path / "job.yaml").write_text(text)
    job = client.submit(str(tmp_path / "job.yaml"))
    assert job.wait(progress=False).table().to_arrow().num_rows == 11
    assert "grunfeld" in [status.name for status in client.jobs()]
    # The same job again is the same job.
    assert client.submit(tmp_path / "job.yaml").uid == job.uid


def test_a_spec_that_is_refused_says_in_which_field(client, tmp_path):
    wrong = training("wrong", tmp_path / "models", model={"ols": {"target": "invest", "features": []}})
    with pytest.raises(shoal.SpecRefused) as caught:
        client.submit(wrong)
    assert caught.value.field == "spec.groupedTraining.model.ols.features" and caught.value.reason == "InvalidValue"
    with pytest.raises(shoal.SpecRefused) as caught:
        client.submit({**training("wrong", tmp_path), "kind": "Job"})
    assert caught.value.reason in ("UnknownKind", "InvalidValue")
    with pytest.raises(shoal.InvalidArgument, match="JSON"):
        client.submit(training("wrong", tmp_path / "models", onMissing={1, 2}))
    with pytest.raises(shoal.InvalidArgument, match="JSON"):
        client.submit(training("wrong", tmp_path / "models", model={"ridge": {"alpha": float("nan")}}))


def test_a_job_that_fails_says_why_where_and_what_to_do(client, tmp_path):
    job = client.submit(training("fails", tmp_path / "models", groupBy=["frim"]))
    with pytest.raises(shoal.JobFailed) as caught:
        job.wait(progress=False)
    error = caught.value
    assert (error.job, error.reason, error.field) == ("fails", "ColumnNotFound", "spec.groupedTraining.groupBy[0]")
    assert "frim" in str(error) and "did you mean" in str(error)
    assert type(error) is shoal.JobFailed
    with pytest.raises(shoal.JobFailed):
        job.table()


def test_a_job_is_cancelled_and_its_log_kept(client, tmp_path):
    job = client.submit(waiting("cancelled", tmp_path / "models"))
    until(lambda: job.status().phase == "Running")
    with pytest.raises(shoal.TimedOut, match="has not ended within 0.1 s: it is Running"):
        job.wait(0.1, progress=False)
    with pytest.raises(shoal.Refused, match="no output yet"):
        job.table()
    job.cancel()
    with pytest.raises(shoal.JobCancelled):
        job.wait(progress=False)
    lines = job.logs()
    assert lines[0].text == "accepted" and lines[0].worker is None and "accepted" in str(lines[0])
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    with pytest.raises(shoal.Refused, match="names no task"):
        job.logs("load/x")


def test_an_unknown_job_is_told_of(client):
    for ask in (client.job, client.status):
        with pytest.raises(shoal.JobNotFound, match="nobody") as caught:
            ask("nobody")
        assert caught.value.reason == "JobNotFound"


def test_the_token_is_asked_for(client):
    url = client.heads.urls[0]
    for other in (shoal.Client(url), shoal.Client(url, token="0123456789abcdef0123")):
        with pytest.raises(shoal.NotAllowed) as caught:
            other.jobs()
        assert caught.value.reason == "Unauthorized"


def test_a_bar_is_shown_where_it_is_asked_for(client, tmp_path, capfd, monkeypatch):
    job = client.submit(training("bar", tmp_path / "models"))
    job.wait()
    assert capfd.readouterr().err == "", "nobody looks"
    job.wait(progress=True)
    assert "11/11 groups" in capfd.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    job.wait(progress=True)
    shown = capfd.readouterr().err
    assert "bar [##############################] 100 % Succeeded 11/11 groups\n" in shown


def test_a_bar_is_on_a_terminal_alone():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    progress = {"unit": "groups", "done": 3, "failed": 1, "percent": 50, "perSecond": 1.5, "secondsLeft": 8.25, "later": 1}
    status = shoal.JobStatus.of({"name": "a", "uid": "u", "kind": "k", "phase": "Running", "outputs": [], "progress": progress})
    for stream, shows in ((Terminal(), True), (io.StringIO(), False)):
        bar = Bar(stream=stream)
        bar.update(status)
        bar.close()
        assert ("3 groups, 2/s, 1 failed, 8 s left" in stream.getvalue()) == shows


def test_a_table_that_is_gone_is_told_of(tmp_path):
    with pytest.raises(shoal.Refused, match="cannot be read from here"):
        shoal.client.Table(str(tmp_path / "none"), 3).to_arrow()
