"""Asks the heads of one cluster over their REST interface, of which one leads."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Dict, List, Mapping, Optional, Sequence, TypeVar, Union

from ..errors import Failure, InvalidArgument, NotAllowed, NotReachable, Refused, ShoalError, of_failure

if TYPE_CHECKING:
    from ..machine.door import Door

# Where a head is unless told otherwise.
HEAD_DEFAULT = "http://127.0.0.1:7370"

# Seconds. A head answers in milliseconds; one that takes longer has a disk that hangs.
_ANSWER_TIMEOUT = 30.0

# As above, where another head may lead while this one hangs.
_ANSWER_TIMEOUT_OF_SEVERAL = 5.0

# Seconds that a head may take for a piece of a file, which it hands on to a storage, and for which one at its limit is asked.
_UPLOAD_TIMEOUT = 300.0

# Seconds for which a head that leads is looked for: another one leads within seconds.
_LEADER_WAIT_MAX = 30.0

# Seconds before all heads are asked again.
_LEADER_PAUSE = 0.2

# What a token may have: it stands in a header.
_TOKEN_CHARS_MIN = 16

# Largest answer that is read: a log has its own limit far below.
_ANSWER_BYTES_MAX = 256 << 20

Answer = TypeVar("Answer")

_HERE = ("localhost", "127.", "::1")


class Heads:
    """Speaks to the heads of one cluster."""

    def __init__(
        self,
        urls: Sequence[str],
        token: Optional[str] = None,
        tls_ca: Union[str, "os.PathLike[str]", None] = None,
        door: Optional["Door"] = None,
    ) -> None:
        self._door = door
        self.urls = [_checked(url) for url in urls]
        if not self.urls:
            raise InvalidArgument("no head is named", next="name one as http://HOST:PORT")
        self._token = None if token is None else check_token(token)
        self._present = 0
        self._timeout = _ANSWER_TIMEOUT_OF_SEVERAL if len(self.urls) > 1 else _ANSWER_TIMEOUT
        clear = [url for url in self.urls if url.startswith("http:")]
        if clear and tls_ca is not None:
            raise InvalidArgument(
                f"`{clear[0]}` is without TLS, and an authority is named",
                next="write https://, or leave out `tls_ca` (SHOAL_TLS_CA) where the head has no TLS",
            )
        if clear and self._token and not all(_is_here(url) for url in clear):
            warnings.warn(f"the token is sent to {clear[0]} in the clear: switch TLS on there, and write https://", stacklevel=3)
        handlers: List[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirects()]
        if len(clear) < len(self.urls):
            trusts = _trusting(tls_ca, None if door is None else door.authority)
            handlers.append(_Https(trusts, None if door is None else door.address))
        # A head is a neighbour: a proxy that is set for the web would not find it.
        self._http = urllib.request.build_opener(*handlers)

    def ask(
        self,
        method: str,
        path: Sequence[str],
        read: Callable[[Any], Answer],
        query: Optional[Mapping[str, str]] = None,
        body: Optional[bytes] = None,
    ) -> Answer:
        """The answer of the head that leads, as `read` takes it from its JSON: what that cannot is no answer of a head.

        Raises:
            NotReachable: Where none answers; of several, none that leads within 30 s.
            NotAllowed, JobNotFound, Refused: What the head says.
        """
        return self._of_leader(lambda base: _taken(base, read, self._ask(base, method, path, query, body)))

    def upload(self, path: Sequence[str], opened: Callable[[], BinaryIO], size: int) -> None:
        """Sends the content of a file to the head that leads; `opened` gives it from its beginning. Raises what `ask` does."""
        since = time.monotonic()
        while True:
            try:
                return self._of_leader(lambda base: self._put(base, path, opened, size))
            except Refused as error:
                # Others upload as well.
                if error.reason != "Busy" or time.monotonic() - since >= _UPLOAD_TIMEOUT:
                    raise
            time.sleep(_LEADER_PAUSE)

    def _of_leader(self, ask: Callable[[str], Answer]) -> Answer:
        since = time.monotonic()
        while True:
            for _ in self.urls:
                try:
                    return ask(self.urls[self._present % len(self.urls)])
                except NotReachable as error:
                    elsewhere = error.reason == "NotLeading" or (error.failure is None and len(self.urls) > 1)
                    if not elsewhere or time.monotonic() - since >= _LEADER_WAIT_MAX:
                        raise
                    self._present += 1
            time.sleep(_LEADER_PAUSE)

    def _put(self, base: str, path: Sequence[str], opened: Callable[[], BinaryIO], size: int) -> None:
        with opened() as content:
            headers = {"content-type": "application/octet-stream", "content-length": str(size)}
            request = urllib.request.Request(_url(base, path), data=content, headers=headers, method="PUT")
            self._sent(base, request, _UPLOAD_TIMEOUT)

    def _ask(
        self, base: str, method: str, path: Sequence[str], query: Optional[Mapping[str, str]], body: Optional[bytes]
    ) -> bytes:
        url = _url(base, path)
        if query:
            url += "?" + urllib.parse.urlencode(query)
        headers: Dict[str, str] = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        data = b"" if body is None and method == "POST" else body
        return self._sent(base, urllib.request.Request(url, data=data, headers=headers, method=method), self._timeout)

    def _sent(self, base: str, request: urllib.request.Request, timeout: float) -> bytes:
        if self._door is None:
            return self._answered(base, request, timeout)
        self._token = self._door.token
        try:
            return self._answered(base, request, timeout)
        except NotAllowed as error:
            # A file that is being sent is at its end by now.
            if error.reason != "Unauthorized" or not (request.data is None or isinstance(request.data, bytes)):
                raise
            self._door.renew()
            self._token = self._door.token
            return self._answered(base, request, timeout)
        except NotReachable as error:
            if error.failure is not None:
                raise
            # What leads to a pod knows more than a connection that was cut off.
            raise of_failure(self._door.trouble()) from error

    def _answered(self, base: str, request: urllib.request.Request, timeout: float) -> bytes:
        if self._token is not None:
            request.add_header("authorization", f"Bearer {self._token}")
        try:
            with self._http.open(request, timeout=timeout) as response:
                text: bytes = response.read(_ANSWER_BYTES_MAX)
                return text
        except urllib.error.HTTPError as error:
            raise _refusal(base, error) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            raise _unreachable(base, error) from None


def _url(base: str, path: Sequence[str]) -> str:
    return "/".join([base, "api/v1", *(urllib.parse.quote(part, safe="") for part in path)])


def _taken(base: str, read: Callable[[Any], Answer], text: bytes) -> Answer:
    try:
        return read(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _stranger(base) from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A head sends nobody elsewhere, and a token is not for others."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Https(urllib.request.HTTPSHandler):
    """Connects to an address instead of the host of a URL, where it is told one: the host is the certificate's then."""

    def __init__(self, trusts: ssl.SSLContext, address: Optional[str]) -> None:
        super().__init__(context=trusts)
        self._trusts, self._address = trusts, address

    def https_open(self, req: urllib.request.Request) -> Any:
        if self._address is None:
            return super().https_open(req)
        led: Any = partial(_Led, address=self._address)
        return self.do_open(led, req, context=self._trusts)


class _Led(http.client.HTTPSConnection):
    def __init__(self, host: str, *, address: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, context=context, timeout=timeout)
        self._trusts, self._address = context, address

    def connect(self) -> None:
        host, _, port = self._address.rpartition(":")
        opened = socket.create_connection((host, int(port)), self.timeout)
        self.sock = self._trusts.wrap_socket(opened, server_hostname=self.host)


def _trusting(tls_ca: Union[str, "os.PathLike[str]", None], pem: Optional[str] = None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if tls_ca is None else os.fspath(tls_ca), cadata=pem)
        if tls_ca is not None or pem is not None:
            # What `shoal` trusts is trusted here: authorities of clusters need not have all that public ones have to.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgument(
            f"the authority `{tls_ca}` cannot be read: {error}", next="name a file in PEM with `tls_ca` (SHOAL_TLS_CA)"
        ) from None


def _checked(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    try:
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound:
        raise InvalidArgument(f"`{url}` is no URL of a head", next="write it as http://HOST:PORT or https://HOST:PORT")
    return url.rstrip("/")


def check_token(text: str) -> str:
    """A token without the white space around it, which does not count."""
    token = text.strip()
    if len(token) < _TOKEN_CHARS_MIN or not all("!" <= character <= "~" for character in token):
        raise InvalidArgument(
            f"a token has at least {_TOKEN_CHARS_MIN} characters, all of them printable ASCII",
            next="take the one that the head was started with",
        )
    return token


def read_token(file: Union[str, "os.PathLike[str]"]) -> str:
    """The token of a file."""
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"the token's file `{os.fspath(file)}` cannot be read: {error}",
            next="name a file with the token in `token_file` (SHOAL_TOKEN_FILE)",
        ) from None


def _is_here(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    return host.startswith(_HERE)


def _refusal(base: str, error: urllib.error.HTTPError) -> ShoalError:
    try:
        with error:
            failure = Failure.of(json.loads(error.read(_ANSWER_BYTES_MAX)))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, http.client.HTTPException):
        return _stranger(base)
    return of_failure(failure)


def _stranger(base: str) -> NotReachable:
    return NotReachable(
        f"what answers at {base} does not speak as a head does",
        next="check the URL; where it is a head, use the same version of shoal on both sides",
    )


def _unreachable(base: str, error: Exception) -> NotReachable:
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return NotReachable(
            f"the certificate of {base} is not trusted: {cause.verify_message}",
            next="name the file of the authority that has signed it with `tls_ca` (SHOAL_TLS_CA)",
        )
    # One with TLS ends connections that are without, and cannot say why.
    other = "; one with TLS takes https:// only" if base.startswith("http:") else ""
    return NotReachable(
        f"no head answers at {base}: {cause}",
        next=f"start one with `shoal head`, or name the one that runs{other}",
    )
