"""The review page on this machine's own address, for one person's browser.

Other web pages that the browser has open can send requests here too. They know neither the
random token in the path, nor may they use another host name or send JSON from another origin.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from transphy3d.assets.bank import AssetRecord, Bank
from transphy3d.assets.pictures import pictures_of
from transphy3d.assets.review import decide, decided, render_page
from transphy3d.errors import AssetError, TransPhy3DError
from transphy3d.files import is_full

ADDRESS = "127.0.0.1"
MAX_BODY = 10_000  # bytes of a decision
MAX_PICTURE = 64 << 20
TIMEOUT = 30.0  # seconds for a request to arrive
# What pictures begin with; nothing else is served.
MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Refused(Exception):
    """A request that is answered with an error: its status and a sentence."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class ReviewServer(ThreadingHTTPServer):
    """Serves one bank under a random token.

    port : 0 = any free one. Raises AssetError if the port is taken.
    """

    daemon_threads = True

    def __init__(self, bank: Bank, port: int = 0) -> None:
        self.bank = bank
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            raise AssetError(f"--port {port}: cannot be used ({error}); choose another") from None

    @property
    def origin(self) -> str:
        return f"http://{ADDRESS}:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"{self.origin}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: ReviewServer
    server_version = "TransPhy3D"
    sys_version = ""
    timeout: ClassVar[float] = TIMEOUT

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, *_: Any) -> None:
        """Nothing: the log would hold the token."""

    def _answer(self, act: Callable[[], None]) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            try:
                act()
            except Refused as refused:
                self._json(refused.status, {"error": str(refused)})
            except TransPhy3DError as error:
                self._json(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)})
            except OSError as error:
                if not is_full(error):
                    raise
                self._json(HTTPStatus.INSUFFICIENT_STORAGE, {"error": "no space is left"})

    def _get(self) -> None:
        match self._place():
            case [""]:
                self._page()
            case ["picture", asset, number] if number.isdecimal():
                self._picture(asset, number)
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")

    def _post(self) -> None:
        if self._place() != ["override"]:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        if self.headers.get("Origin", self.server.origin) != self.server.origin:
            raise Refused(HTTPStatus.FORBIDDEN, "the request comes from another page")
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a decision is sent as JSON")
        text = self._body()
        self._json(HTTPStatus.OK, decided(decide(self.server.bank, text)))

    def _place(self) -> list[str]:
        """The path behind the token, in steps. Raises Refused for another host or token."""
        if self.headers.get("Host") != self.server.origin.removeprefix("http://"):
            raise Refused(HTTPStatus.FORBIDDEN, "the request is for another host")
        token, *steps = self.path.removeprefix("/").split("/")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()) or not steps:
            raise Refused(HTTPStatus.FORBIDDEN, "open the address that the command printed")
        return steps

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the decision is too long")
        return self.rfile.read(int(length))

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        bank = self.server.bank
        html = render_page(bank, bank.records(), picture_link, live=True, nonce=nonce)
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", html.encode())

    def _picture(self, asset: str, number: str) -> None:
        """A picture that the asset's record names; the path comes from there alone."""
        try:
            stored = pictures_of(self.server.bank.read(asset))[int(number)]
            data = self.server.bank.file(stored).read_bytes()[:MAX_PICTURE]
        except (AssetError, ValueError, IndexError, OSError):
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such picture") from None
        kinds = [kind for magic, kind in MAGIC.items() if data.startswith(magic)]
        if not kinds:
            raise Refused(HTTPStatus.NOT_FOUND, "the file is no picture")
        self._send(HTTPStatus.OK, kinds[0], data)

    def _json(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: HTTPStatus, kind: str, data: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def picture_link(asset: AssetRecord, number: int) -> str:
    """The address of a picture relative to the page."""
    return f"picture/{asset.id}/{number}"
