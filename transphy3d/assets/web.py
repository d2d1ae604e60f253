"""Polite HTTP: bounded answers, patience with busy servers, and a key that goes to one place only.

Waiting follows the official client of Blendkit (BlenderKit/bk_client): Retry-After, in seconds or
as a date (RFC 9110, 10.2.3), or else doubled pauses; and while a server asks for rest, nothing in
this process asks it anything.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import requests

from transphy3d import __version__
from transphy3d.errors import SourceError
from transphy3d.progress import Progress

USER_AGENT = f"transphy3d/{__version__} (asset bank)"
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
BLOCK_BYTES = 1 << 16
MAX_JSON_BYTES = 64 << 20
MAX_DATA_SECONDS = 300.0
TOLD_SECONDS = 0.5
MAX_DETAIL = 300
MAX_REDIRECTS = 5
BROKEN_OFF = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


@dataclass(frozen=True)
class Patience:
    """How often and how long to wait; all times are seconds.

    first, longest : pauses between attempts where the server names none; they double
    obeyed : the longest rest that a server may ask for and still be waited for
    connect, read : silence after which a connection counts as dead
    """

    attempts: int = 4
    first: float = 2.0
    longest: float = 30.0
    obeyed: float = 300.0
    connect: float = 15.0
    read: float = 60.0

    def pause(self, attempt: int) -> float:
        return min(self.first * 2.0**attempt, self.longest)


@dataclass
class Web:
    """A session that all requests of a command share."""

    progress: Progress
    patience: Patience = Patience()
    _session: requests.Session = field(default_factory=requests.Session)
    # Host to the moment, on the monotonic clock, before which it is left alone.
    _rest: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._session.headers["User-Agent"] = USER_AGENT
        self._session.max_redirects = MAX_REDIRECTS

    def json(self, url: str, key: str = "") -> Any:
        """The JSON answer to a GET. Raises SourceError for anything else."""
        try:
            return json.loads(self.data(url, MAX_JSON_BYTES, key))
        except (ValueError, RecursionError):
            raise SourceError(
                f"{shown(url)}: the answer is not JSON; is this the address of a Blendkit server?"
            ) from None

    def data(self, url: str, limit: int, key: str = "") -> bytes:
        """The whole answer to a GET, asked again if it breaks off.

        limit : bytes that it may have at most; key : sent as a bearer token if there is one
        """
        for attempt in range(self.patience.attempts):
            try:
                with self.get(url, key=key) as response:
                    return _bounded(response, limit)
            except BROKEN_OFF:
                self.wait(url, self.patience.pause(attempt))
        raise SourceError(f"{shown(url)}: the answer breaks off every time", passing=True)

    @contextmanager
    def get(
        self, url: str, headers: dict[str, str] | None = None, key: str = ""
    ) -> Iterator[requests.Response]:
        """A good answer whose body is still to be read.

        Raises SourceError with the status and the server's words for any other, after as many
        attempts as the status makes sensible.
        """
        response = self._answer(url, headers or {}, key)
        with response:
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                raise _refusal(url, response)
            yield response

    def wait(self, url: str, seconds: float) -> None:
        """Leave the host alone for so long. Raises SourceError if it asks for too much."""
        host = address(url).netloc
        if seconds > self.patience.obeyed:
            raise SourceError(
                f"{host}: asks to be left alone for {seconds:.0f} s; run the command again then",
                HTTPStatus.TOO_MANY_REQUESTS,
                passing=True,
            )
        self._rest[host] = max(self._rest.get(host, 0.0), time.monotonic() + seconds)

    def _answer(self, url: str, headers: dict[str, str], key: str) -> requests.Response:
        response = None
        for attempt in range(self.patience.attempts):
            self._pause(url)
            try:
                response = self._send(url, headers, key)
            except BROKEN_OFF:
                self.wait(url, self.patience.pause(attempt))
                continue
            if response.status_code not in PASSING:
                return response
            self.wait(url, _retry_after(response, self.patience.pause(attempt)))
        if response is None:
            raise SourceError(
                f"{shown(url)}: no connection after {self.patience.attempts} attempts; check the "
                "network and the address, then run the command again",
                passing=True,
            )
        return response

    def _send(self, url: str, headers: dict[str, str], key: str) -> requests.Response:
        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            # Given always: without it, requests would look for passwords in ~/.netrc.
            if key:
                request.headers["Authorization"] = f"Bearer {key}"
            return request

        times = (self.patience.connect, self.patience.read)
        try:
            return self._session.get(url, headers=headers, auth=sign, timeout=times, stream=True)
        except BROKEN_OFF:
            raise
        except requests.RequestException as error:
            raise SourceError(f"{shown(url)}: cannot be asked ({error})") from None

    def _pause(self, url: str) -> None:
        host = address(url).netloc
        seconds = self._rest.pop(host, 0.0) - time.monotonic()
        if seconds > 0:
            if seconds > TOLD_SECONDS:
                self.progress.event("waiting", host=host, seconds=seconds)
            time.sleep(seconds)


def address(url: str) -> SplitResult:
    """The parts of an address. Raises SourceError if it is none."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise SourceError(f"{url[:200]!r}: is no web address ({error})") from None


def shown(url: str) -> str:
    """An address without its query, which may hold a signature."""
    return urlunsplit(address(url)._replace(query="", fragment=""))


def plain(text: str, limit: int) -> str:
    """Text of a stranger without control characters, cut to a length."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:limit]


def _bounded(response: requests.Response, limit: int) -> bytes:
    blocks, size = [], 0
    deadline = time.monotonic() + MAX_DATA_SECONDS
    for block in response.iter_content(BLOCK_BYTES):
        size += len(block)
        if size > limit:
            raise SourceError(f"{shown(response.url)}: the answer is longer than {limit} bytes")
        if time.monotonic() > deadline:
            raise SourceError(f"{shown(response.url)}: the answer takes too long", passing=True)
        blocks.append(block)
    return b"".join(blocks)


def _refusal(url: str, response: requests.Response) -> SourceError:
    status = response.status_code
    words = _detail(response)
    return SourceError(f"{shown(url)}: {status} {words}".strip(), status, passing=status in PASSING)


def _detail(response: requests.Response) -> str:
    """What the server says was wrong: the API's `detail`, or else the standard phrase."""
    try:
        answer = json.loads(_bounded(response, MAX_JSON_BYTES))
        return plain(str(answer["detail"]), MAX_DETAIL)
    except (*BROKEN_OFF, SourceError, ValueError, RecursionError, TypeError, KeyError):
        return plain(response.reason or "", MAX_DETAIL)


def _retry_after(response: requests.Response, otherwise: float) -> float:
    """Seconds that the server asks for in Retry-After."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return otherwise
    return max(0.0, moment.timestamp() - time.time())
