"""A job file as it is read: the same values that `shoal run` sees in it."""

import os

import pytest
from shoal.client.job_file import read_job, with_absolute_paths

import shoal

JOB = """
apiVersion: shoal.dev/v1alpha1
kind: ShoalJob
metadata: {name: a}
spec:
  groupedTraining:
    input: {table: data/in.csv}
    groupBy: [firm]
    model:
      python:
        file: ./fit.py
        environment: {requirements: needs.txt, wheels: /wheels}
        returns: [{name: n, type: int64}]
    output: {table: ../out/models}
"""


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "job.yaml").write_text(JOB)
    (tmp_path / "link.yaml").symlink_to(tmp_path / "jobs" / "job.yaml")
    folder = os.path.realpath(tmp_path)
    for path in (tmp_path / "jobs" / "job.yaml", str(tmp_path / "link.yaml")):
        training = read_job(path)["spec"]["groupedTraining"]
        assert training["input"]["table"] == f"{folder}/jobs/data/in.csv"
        # Files that travel are known by what is in them.
        assert training["model"]["python"]["file"] == "./fit.py"
        assert training["model"]["python"]["environment"] == {"requirements": "needs.txt", "wheels": "/wheels"}
        assert training["output"]["table"] == f"{folder}/out/models"


def test_paths_of_a_dict_start_at_the_working_directory_and_the_dict_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    python = {"file": "predict.py", "environment": {"requirements": "needs.txt", "wheels": "/wheels"}}
    tables = {"models": {"table": "m"}, "input": {"table": "s3://b/k"}, "output": {"table": "/o"}}
    spec = {"spec": {"groupedScoring": {**tables, "python": python}}}
    read = read_job(spec)["spec"]["groupedScoring"]
    assert (read["models"]["table"], read["input"]["table"], read["output"]["table"]) == (f"{os.getcwd()}/m", "s3://b/k", "/o")
    # Files of a function travel under the names that they have here.
    assert read["python"] == python
    assert spec["spec"]["groupedScoring"]["models"]["table"] == "m" and python["file"] == "predict.py"


@pytest.mark.parametrize("job", [{}, {"spec": None}, {"spec": {"groupedTraining": [1]}}, {"spec": {"groupedTraining": {"input": {"table": 3}}}}])
def test_what_is_no_job_is_left_to_the_head_to_refuse(job):
    assert with_absolute_paths(dict(job), "/") == job


@pytest.mark.parametrize(
    "text, value",
    [
        ("yes", "yes"),
        ("n", "n"),
        ("on", "on"),
        ("true", True),
        ("1e-3", 0.001),
        ("1.0e-3", 0.001),
        (".5", 0.5),
        ("010", 10),
        ("0o10", "0o10"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2026-01-02", "2026-01-02"),
        ("~", None),
        ("null", None),
        ("'3'", "3"),
        ("30s", "30s"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(tmp_path, text, value):
    (tmp_path / "job.yaml").write_text(f"value: {text}\n")
    read = read_job(tmp_path / "job.yaml")["value"]
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    "text, said",
    [
        ("a: [", "is no YAML or JSON"),
        ("a: 1\na: 2\n", "`a` is there twice"),
        ("- 1\n", "holds no job"),
        ("", "holds no job"),
        ("a: !!python/object:os.system {}\n", "is no YAML or JSON"),
        ("\udcff", "is no UTF-8 text"),
        ("#" * (1 << 20) + "\n", "it is no job file"),
    ],
)
def test_what_is_no_job_file_is_refused(tmp_path, text, said):
    (tmp_path / "job.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(shoal.InvalidArgument, match=said):
        read_job(tmp_path / "job.yaml")


def test_what_names_no_file_is_refused(tmp_path):
    with pytest.raises(shoal.InvalidArgument, match="cannot be read"):
        read_job(tmp_path / "none.yaml")
    with pytest.raises(shoal.InvalidArgument, match="not a int"):
        read_job(3)
