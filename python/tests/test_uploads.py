"""What a job brings along: found beside its file, named by what is in it, and sent once."""

import hashlib
import os
import pathlib
import sys

import pytest
from shoal.client.job_file import read_job
from shoal.client.uploads import BLOB_BYTES_MAX, clean, find

import shoal


def job(python, **more):
    training = {
        "input": {"table": "rows.csv"},
        "groupBy": ["g"],
        "model": {"python": {"returns": [{"name": "n", "type": "int64"}], **python}},
        "output": {"table": "out"},
    }
    return {"apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": "travels"}, "spec": {"groupedTraining": training, **more}}


def uploads(job):
    return {upload["path"]: upload for upload in job["spec"]["groupedTraining"]["model"]["python"].get("uploads", ())}


@pytest.fixture
def folder(tmp_path):
    for file, text in {
        "model.py": "import helpers\nimport package\n\ndef fit(group):\n    return {'n': helpers.size(group) + package.OFFSET}\n",
        "helpers.py": "def size(group):\n    return len(group)\n",
        "package/__init__.py": "OFFSET = 100\n",
        "package/__pycache__/a.pyc": "compiled",
        "package/.git/config": "hidden",
        "wheels/a.whl": "a wheel",
        "wheels/more/b.whl": "not in it",
        "requirements.txt": "a",
        "rows.csv": "g,x\na,1\nb,2\nb,3\n",
    }.items():
        place = tmp_path / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return tmp_path


def test_all_that_a_job_names_travels_and_nothing_else(folder):
    environment = {"requirements": "requirements.txt", "wheels": "./wheels/"}
    spec = job({"file": "./model.py", "files": ["./helpers.py", "package"], "environment": environment})
    files = find(spec, str(folder))
    assert list(uploads(spec)) == ["helpers.py", "model.py", "package/__init__.py", "requirements.txt", "wheels/a.whl"]
    sha256 = hashlib.sha256((folder / "model.py").read_bytes()).hexdigest()
    assert uploads(spec)["model.py"] == {"path": "model.py", "sha256": sha256, "bytes": os.stat(folder / "model.py").st_size}
    assert len(files) == 5 and files[f"sha256:{sha256}"] == str(folder / "model.py")
    # A spec of a head may be submitted as it is.
    assert find(spec, "/none") == {}


def test_a_function_that_predicts_brings_its_files_along_too(folder):
    python = {"file": "model.py", "files": ["helpers.py"]}
    assert len(find({"spec": {"groupedScoring": {"python": python}}}, str(folder))) == 2
    assert [upload["path"] for upload in python["uploads"]] == ["helpers.py", "model.py"]


def test_an_absolute_folder_of_wheels_is_one_of_the_workers():
    spec = job({"code": "x = 1", "environment": {"packages": ["a"], "wheels": "/opt/wheels"}})
    assert find(spec, "/none") == {} and not uploads(spec)


@pytest.mark.parametrize(
    "python, said",
    [
        ({"file": "none.py"}, "none.py`, which the job names, cannot be read"),
        ({"file": "package"}, "cannot be read"),
        ({"code": "x", "files": ["helpers.py", "none"]}, "none`, which the job names, cannot be read"),
        ({"code": "x", "environment": {"packages": ["a"], "wheels": "none"}}, "cannot be read"),
        ({"code": "x", "environment": {"packages": ["a"], "wheels": "empty"}}, "is empty"),
        ({"code": "x", "files": ["large.bin"]}, "too many for a file that travels"),
        ({"code": "x", "files": ["loop"]}, "a link may lead back"),
    ],
)
def test_what_cannot_travel_is_named(folder, python, said):
    (folder / "empty").mkdir()
    (folder / "loop").mkdir()
    (folder / "loop" / "back").symlink_to(folder / "loop")
    with open(folder / "large.bin", "wb") as large:
        large.truncate(BLOB_BYTES_MAX + 1)
    with pytest.raises(shoal.InvalidArgument, match=said):
        find(job(python), str(folder))


@pytest.mark.parametrize("spec", [{}, {"spec": {"groupedTraining": {"model": {"python": 3}}}}, job({"file": 3, "files": "x", "environment": []})])
def test_what_is_no_job_is_left_to_the_head_to_refuse(spec):
    assert find(spec, "/") == {}


@pytest.mark.parametrize(
    "path, expected",
    [("./a.py", "a.py"), ("lib//x/./y/", "lib/x/y"), ("a/../b.py", "b.py"), ("../../b/../c", "../../c"), ("/../a", "/a"), (".", "")],
)
def test_a_path_has_one_way_to_be_written(path, expected):
    assert clean(path) == expected


def test_a_job_of_several_files_is_submitted_and_sent_once(binary, folder, monkeypatch):
    # Other tests may have stopped the one that they share.
    client = shoal.local()
    monkeypatch.chdir(folder)
    spec = job({"file": "model.py", "files": ["helpers.py", "package"], "environment": {"interpreter": sys.executable}})
    submitted = client.submit(spec)
    submitted.wait(progress=False)
    made = submitted.table().to_pandas().sort_values("g")
    assert made["n"].tolist() == [101, 102]
    read = read_job(spec)
    files = find(read, str(folder))
    assert len(files) == 3 and client._upload(files) == 0
    pathlib.Path("helpers.py").write_text("def size(group):\n    return 7\n")
    assert client._upload(find(read_job(spec), str(folder))) == 1
    again = client.submit(job({**spec["spec"]["groupedTraining"]["model"]["python"]}) | {"metadata": {"name": "travels-again"}})
    with pytest.raises(shoal.JobFailed) as caught:
        again.wait(progress=False)
    assert caught.value.reason == "OutputExists"
