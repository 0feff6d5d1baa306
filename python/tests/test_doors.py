"""A client of a ShoalCluster on Kubernetes: what the program says of the way there, and what becomes of it."""

import contextlib
import gc
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest
from serving import serving

import shoal

FAILURE = {
    "reason": "ClusterNotFound",
    "actor": "User",
    "message": "there is no ShoalCluster team/shared",
    "next": "name one that `kubectl get shoalclusters` lists",
}
TROUBLE = {"reason": "HeadUnreachable", "actor": "Platform", "message": "no pod of the head is ready"}

# Says where the head is, and with each line that it hears another token.
PROGRAM = """#!{python}
import json, os, sys
if sys.argv[1:] == ["--version"]:
    sys.exit(print("shoal {version}"))
open("{folder}/arguments", "w").write(json.dumps(sys.argv[1:]))
open("{folder}/pid", "w").write(str(os.getpid()))
told = json.load(open("{folder}/told"))
if "failure" in told and "url" not in told:
    print(json.dumps(told, indent=2))
    sys.exit(2)
asked = 0
while True:
    print(json.dumps({{**told, "token": "a-token-of-somebody-%d" % asked}}), flush=True)
    if not sys.stdin.readline():
        open("{folder}/ended", "w").close()
        break
    asked += 1
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Lets clients find a program that says this."""

    def says(told):
        path = tmp_path / "shoal"
        path.write_text(PROGRAM.format(python=sys.executable, folder=tmp_path, version=shoal.__version__))
        path.chmod(0o755)
        (tmp_path / "told").write_text(json.dumps({"failure": None, "trouble": TROUBLE, "authority": None, **told}))
        monkeypatch.setenv("SHOAL_BIN", str(path))
        return tmp_path

    return says


@contextlib.contextmanager
def head(takes, tls=None):
    """A head that takes that token only, and the tokens that it was shown."""
    shown = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            shown.append(self.headers["authorization"])
            allowed = shown[-1] == f"Bearer {takes}"
            refused = {"reason": "Unauthorized", "actor": "User", "message": "another token"}
            text = json.dumps({"build": "0.1.0"} if allowed else refused).encode()
            self.send_response(200 if allowed else 401)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with serving(Handler, tls) as port:
        yield f"127.0.0.1:{port}", shown


def certificate(folder, host):
    """A certificate for a host that nobody finds by its name, and its key."""
    key, signed = str(folder / "key.pem"), str(folder / "certificate.pem")
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key]
    made += ["-out", signed, "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-days", "2"]
    subprocess.run(made, check=True, capture_output=True)
    return signed, key


def until(holds):
    for _ in range(3000):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it has not come about within half a minute")


def test_the_program_leads_to_the_head_and_renews_the_token(program, tmp_path):
    signed, key = certificate(tmp_path, "shared-head.team.svc")
    with head("a-token-of-somebody-1", (signed, key)) as (address, shown):
        port = address.rpartition(":")[2]
        with open(signed, encoding="ascii") as authority:
            told = {"url": f"https://shared-head.team.svc:{port}", "address": address, "authority": authority.read()}
        folder = program(told)
        client = shoal.Client(cluster="shared", namespace="team", context="prod")
        assert client.version() == "0.1.0"
        assert shown == ["Bearer a-token-of-somebody-0", "Bearer a-token-of-somebody-1"]
        assert client.version() == "0.1.0" and len(shown) == 3
    arguments = json.loads((folder / "arguments").read_text())
    assert arguments[:2] == ["cluster", "door"]
    assert arguments[4:] == ["--cluster", "shared", "--namespace", "team", "--context", "prod"]
    # The way is open for as long as the client is there.
    assert not (folder / "ended").exists()
    del client
    gc.collect()
    until((folder / "ended").exists)


def test_another_authority_is_not_trusted(program, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    served, other = certificate(tmp_path / "one", "shared-head.team.svc"), certificate(tmp_path / "other", "shared-head.team.svc")
    with head("a-token-of-somebody-0", served) as (address, shown), open(other[0], encoding="ascii") as authority:
        url = f"https://shared-head.team.svc:{address.rpartition(':')[2]}"
        program({"url": url, "address": address, "authority": authority.read()})
        with pytest.raises(shoal.NotReachable):
            shoal.Client(cluster="shared").version()
        assert shown == []


def test_why_there_is_no_head_is_what_the_program_says(program):
    program({"failure": FAILURE})
    with pytest.raises(shoal.Refused, match="there is no ShoalCluster team/shared") as caught:
        shoal.Client(cluster="shared")
    assert caught.value.reason == "ClusterNotFound" and "kubectl get" in caught.value.next

    program({"url": "http://127.0.0.1:9", "address": "127.0.0.1:9"})
    client = shoal.Client(cluster="shared")
    with pytest.raises(shoal.NotReachable, match="no pod of the head is ready"):
        client.version()


def test_a_program_that_is_gone_is_told_of(program):
    with head("another-token-of-somebody") as (address, _):
        folder = program({"url": f"http://{address}", "address": address})
        client = shoal.Client(cluster="shared")
        os.kill(int((folder / "pid").read_text()), 9)
        with pytest.raises(shoal.NotReachable, match="the program that leads to the cluster has ended"):
            client.version()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"cluster": "a", "head": "http://h:1"}, "`cluster` excludes `head` and `token`"),
        ({"cluster": "a", "token": "x" * 16}, "`cluster` excludes `head` and `token`"),
        ({"namespace": "team"}, "`namespace` and `context` say where a ShoalCluster is"),
        ({"context": "prod", "head": "http://h:1"}, "`namespace` and `context` say where a ShoalCluster is"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, message):
    with pytest.raises(shoal.InvalidArgument, match=message):
        shoal.Client(**arguments)


def test_the_real_program_says_what_is_missing(binary, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(shoal.Refused, match="there is no kubeconfig") as caught:
        shoal.Client(cluster="shared")
    assert caught.value.reason == "NotPossible"
