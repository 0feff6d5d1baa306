"""The cluster of a process: it is found, started, used again, and gone with the process however that ends."""

import os
import pathlib
import signal
import stat
import subprocess
import sys
import textwrap
import threading

import pytest
from shoal.machine.binary import check_version, find_binary

import shoal


def program(folder, text):
    path = folder / "shoal"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def until_gone(is_there):
    for _ in range(1500):
        if not is_there():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it is still there after half a minute")


def script(text, folder):
    """A process of Python that starts a cluster, says of which processes and folder it is, and does `text` once it is heard."""
    start = """
        import os, subprocess, sys, time
        import shoal
        from shoal.machine.cluster import local_cluster
        cluster = local_cluster()
        pids = [str(process._process.pid) for process in (cluster._head, cluster._worker)]
        print(cluster.folder, cluster._scratch, *pids, flush=True)
        sys.stdin.readline()
    """
    file = folder / "script.py"
    file.write_text(textwrap.dedent(start) + textwrap.dedent(text))
    return subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def is_alive(pid):
    try:
        # One that has ended and is not waited for is gone, too.
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def told(process):
    head_folder, scratch, *pids = process.stdout.readline().split()
    assert len(pids) == 2 and all(map(is_alive, pids)) and os.path.isdir(head_folder)
    process.stdin.write("heard\n")
    process.stdin.flush()
    return [head_folder, scratch], pids


def test_a_program_that_is_not_there_is_told_of_with_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SHOAL_BIN", raising=False)
    with pytest.raises(shoal.BinaryNotFound, match="no `shoal` on PATH") as caught:
        shoal.local()
    assert "cargo build" in caught.value.next and "SHOAL_BIN" in caught.value.next
    monkeypatch.setenv("SHOAL_BIN", "/not/there")
    with pytest.raises(shoal.BinaryNotFound, match="`/not/there`, which SHOAL_BIN names"):
        shoal.local()
    with pytest.raises(shoal.BinaryNotFound, match="`nor/here`, which binary names"):
        shoal.local(binary="nor/here")


def test_a_program_is_found_where_it_is_named_else_in_the_environment_else_on_the_path(tmp_path, monkeypatch):
    for name in ("named", "environment", "path"):
        (tmp_path / name).mkdir()
        program(tmp_path / name, "")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("SHOAL_BIN", str(tmp_path / "environment" / "shoal"))
    assert find_binary(tmp_path / "named" / "shoal") == str(tmp_path / "named" / "shoal")
    assert find_binary() == str(tmp_path / "environment" / "shoal")
    monkeypatch.delenv("SHOAL_BIN")
    assert find_binary() == str(tmp_path / "path" / "shoal")


@pytest.mark.parametrize(
    "text, said",
    [
        ("echo shoal 0.0.9", "too old for this package"),
        ("echo shoal 7.1.0", "too new for this package"),
        ("echo another 0.1.0", "does not say which version"),
        ("exit 3", "does not say which version"),
    ],
)
def test_a_program_of_another_version_is_refused(tmp_path, text, said):
    with pytest.raises(shoal.VersionMismatch, match=said):
        shoal.local(binary=program(tmp_path, text))


def test_patch_releases_go_together():
    check_version(shoal.__version__.rsplit(".", 1)[0] + ".99", "it")
    check_version(shoal.__version__.rsplit(".", 1)[0] + ".0-rc.1", "it")


@pytest.mark.parametrize("text, said", [("echo it is broken >&2; exit 1", "has ended:\nit is broken"), ("echo hello; cat", "says `hello`")])
def test_a_cluster_that_does_not_start_is_told_of_with_what_it_said(tmp_path, text, said):
    fake = program(tmp_path, f'[ "$1" = --version ] && echo shoal {shoal.__version__} && exit\n{text}')
    with pytest.raises(shoal.ShoalError, match=said):
        shoal.local(binary=fake)


@pytest.mark.parametrize("slots", [0, 257, "2", True])
def test_slots_are_a_number_of_them(slots):
    with pytest.raises(shoal.InvalidArgument, match="from 1 to 256"):
        shoal.local(slots=slots)


def test_a_cluster_is_used_again_until_it_is_gone(binary, tmp_path):
    process = script(
        """
        assert shoal.local() is cluster.client and shoal.local(binary=os.environ["SHOAL_BIN"]) is cluster.client
        assert os.stat(cluster.folder).st_mode & 0o77 == 0
        other = local_cluster(slots=1)
        assert other is not cluster and not os.path.exists(cluster.folder), "other settings are another cluster"
        other._worker._process.kill()
        other._worker._process.wait()
        third = local_cluster(slots=1)
        assert third is not other, "one that has lost its worker is started anew"
        assert third.client.heads.ask("GET", ["cluster"], lambda cluster: cluster["workers"][0]["name"]) == "local"
        shoal.stop_local()
        assert not os.path.exists(third.folder) and third.has_ended
        shoal.stop_local()
        print("done")
        """,
        tmp_path,
    )
    told(process)
    said, _ = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "done\n")


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "1 / 0"])
def test_a_cluster_ends_with_its_process(binary, tmp_path, end):
    process = script(end, tmp_path)
    folders, pids = told(process)
    process.communicate(timeout=60)
    assert not any(map(is_alive, pids)) and not any(map(os.path.exists, folders))


def test_a_cluster_ends_with_its_process_when_that_is_killed(binary, tmp_path):
    process = script("time.sleep(600)", tmp_path)
    folders, pids = told(process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    until_gone(lambda: any(map(is_alive, pids)) or any(map(os.path.exists, folders)))


def test_a_child_of_the_process_does_not_keep_its_cluster_alive(binary, tmp_path):
    process = script(
        """
        child = os.fork()
        if child == 0:
            from shoal.machine import cluster as module
            assert module._present is None
            os.read(0, 1)
            os._exit(0)
        print(child, flush=True)
        os._exit(0)
        """,
        tmp_path,
    )
    folders, pids = told(process)
    child = process.stdout.readline().strip()
    process.wait(60)
    until_gone(lambda: any(map(is_alive, pids)) or any(map(os.path.exists, folders)))
    assert is_alive(child)
    process.stdin.close()
    process.stdout.close()
    until_gone(lambda: is_alive(child))


def test_variables_of_another_cluster_are_not_meant(binary, tmp_path):
    process = script(
        """
        print(len(cluster.client.jobs()))
        """,
        tmp_path,
    )
    told(process)
    assert process.communicate(timeout=60)[0] == "0\n"
    environment = {**os.environ, "SHOAL_HEAD": "http://127.0.0.1:1", "SHOAL_TLS_CA": "/not/there", "SHOAL_TOKEN_FILE": "/not/there"}
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
