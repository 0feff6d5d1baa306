"""What a client makes of answers, of those above all that no head gives."""

import contextlib
import http.server
import json
import socket

import pytest
from serving import serving

import shoal

UNAUTHORIZED = {"reason": "Unauthorized", "actor": "User", "message": "the token is another", "next": "take the right one"}
NOT_LEADING = {"reason": "NotLeading", "actor": "Platform", "message": "another head leads", "location": {"file": "http://h:1"}}
REFUSED = {
    "reason": "InvalidValue",
    "actor": "User",
    "message": "`x` is no mode",
    "location": {"fieldPath": "spec.groupedTraining.output.mode", "line": 3},
    "causes": ["below"],
}


@contextlib.contextmanager
def answering(status, body, headers=()):
    """A server that answers everything with the same, and the requests that it got."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("content-length", 0))
            asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}", asked


def nobody():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    "status, body",
    [(200, b"<html>"), (500, b"oops"), (404, {"detail": "no"}), (502, []), (200, b"{}"), (200, {"jobs": [1]}), (200, {"jobs": [{"name": "a"}]}), (200, b""), (302, b"elsewhere")],
)
def test_what_is_no_head_is_told_of(status, body):
    with answering(status, body, [("location", "http://127.0.0.1:1/")]) as (url, _):
        with pytest.raises(shoal.NotReachable, match="does not speak as a head does") as caught:
            shoal.Client(url).jobs()
        assert url in str(caught.value) and "check the URL" in str(caught.value)


def test_nobody_there_is_told_of_at_once():
    with pytest.raises(shoal.NotReachable, match="no head answers at") as caught:
        shoal.Client(nobody()).jobs()
    assert "shoal head" in caught.value.next


@pytest.mark.parametrize(
    "status, body, kind",
    [(401, UNAUTHORIZED, shoal.NotAllowed), (422, REFUSED, shoal.Refused), (404, {**REFUSED, "reason": "JobNotFound"}, shoal.JobNotFound)],
)
def test_a_failure_keeps_its_type_and_all_that_it_says(status, body, kind):
    with answering(status, body) as (url, _):
        with pytest.raises(kind) as caught:
            shoal.Client(url).job("a")
    assert caught.value.reason == body["reason"] and body["message"] in str(caught.value)
    assert caught.value.next == body.get("next")
    if body is REFUSED:
        assert caught.value.field == "spec.groupedTraining.output.mode"
        assert (caught.value.failure.line, caught.value.failure.causes) == (3, ("below",))
        assert "field: spec.groupedTraining.output.mode" in str(caught.value)


def test_a_job_that_is_refused_is_another_error_than_a_head_at_its_limit():
    for reason, kind in (("InvalidValue", shoal.SpecRefused), ("Busy", shoal.Refused)):
        with answering(422, {**REFUSED, "reason": reason}) as (url, _):
            with pytest.raises(shoal.Refused) as caught:
                shoal.Client(url).submit({"kind": "ShoalJob"})
        assert type(caught.value) is kind


def test_of_several_heads_the_one_that_leads_is_asked():
    with answering(503, NOT_LEADING) as (follower, _), answering(200, {"jobs": []}) as (leader, asked):
        client = shoal.Client([nobody(), follower, leader])
        assert client.jobs() == [] and client.jobs() == []
        assert len(asked) == 2
        assert shoal.Client(f"{follower},{leader}").jobs() == []


def test_a_request_carries_token_names_and_body_as_a_head_takes_them(tmp_path, monkeypatch):
    token = "0123456789abcdef0123"
    (tmp_path / "token").write_text(f" {token}\n")
    with answering(404, {**REFUSED, "reason": "JobNotFound"}) as (url, asked):
        monkeypatch.setenv("SHOAL_HEAD", url + "/")
        monkeypatch.setenv("SHOAL_TOKEN_FILE", str(tmp_path / "token"))
        with pytest.raises(shoal.JobNotFound):
            shoal.Client().job("a/../b")
        method, path, headers, _ = asked.pop()
        assert (method, path, headers["Authorization"]) == ("GET", "/api/v1/jobs/a%2F..%2Fb", f"Bearer {token}")
        with pytest.raises(shoal.Refused):
            shoal.Client(token="another-token-of-somebody").submit({"spec": {}}, rerun=True)
        method, path, headers, body = asked.pop()
        assert (method, path, json.loads(body)) == ("POST", "/api/v1/jobs?rerun=true&fresh=false", {"spec": {}})
        assert headers["Authorization"] == "Bearer another-token-of-somebody"


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"head": "127.0.0.1:7370"}, "is no URL of a head"),
        ({"head": "ftp://h"}, "is no URL of a head"),
        ({"head": "http://h:port"}, "is no URL of a head"),
        ({"head": []}, "no head is named"),
        ({"token": "short"}, "at least 16 characters"),
        ({"token": "with a space in the middle of it"}, "printable ASCII"),
        ({"token": "0123456789abcdef", "token_file": "file"}, "exclude each other"),
        ({"token_file": "/not/there"}, "cannot be read"),
        ({"head": "http://h:1", "tls_ca": "/not/there"}, "without TLS"),
        ({"head": "https://h:1", "tls_ca": "/not/there"}, "the authority `/not/there` cannot be read"),
    ],
)
def test_what_a_client_cannot_be_made_of_is_refused(arguments, said):
    with pytest.raises(shoal.InvalidArgument, match=said):
        shoal.Client(**arguments)


def test_a_token_in_the_clear_is_warned_of():
    with pytest.warns(UserWarning, match="in the clear") as warned:
        shoal.Client("http://head.example:7370", token="0123456789abcdef")
    assert warned[0].filename == __file__
