"""A Blendkit server on this machine, as faithful as its clients' code lets one be.

One host answers searches and hands out links, another holds files and thumbnails, as in life.
`serving(models)` runs both; tests script what goes wrong and read what was asked.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

WINDOW = 10_000
KEY = "k" * 40
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
PNG = b"\x89PNG\r\n\x1a\n" + b"a picture of 16 pixels"
BLEND = b"BLENDER-v405" + b"geometry" * 500


def identity(number: int) -> str:
    """The assetBaseId of the model of a number."""
    return f"00000000-0000-4000-8000-{number:012d}"


@dataclass
class Model:
    """One model of the server.

    files : content by the server's fileType; sizes : what fileUploadSize claims where it lies
    parents : slugs above the category; raw : fields of the search result to replace, or, where
    None, to leave out
    """

    number: int
    name: str = "Wine glass"
    category: str = "glass"
    parents: tuple[str, ...] = ("interior", "kitchen")
    license: str = "royalty_free"
    author: str = "Ada Maker"
    created: str = "2024-03-01T10:00:00.000000Z"
    tags: tuple[str, ...] = ("glass", "table")
    free: bool = True
    parameters: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=lambda: {"blend": BLEND})
    sizes: dict[str, int | None] = field(default_factory=dict)
    thumbnail: bytes = PNG
    raw: dict[str, Any] = field(default_factory=dict)

    def has(self, words: Sequence[str]) -> bool:
        if not words:
            return True
        text = " ".join((self.name, *self.tags)).lower()
        return all(word.lower() in text for word in words)


@dataclass(frozen=True)
class Asked:
    """A request as it came: on which host ("api" or "files"), path, parameters, headers."""

    host: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]


@dataclass
class Trouble:
    """What happens to the next `times` requests whose path holds `path`.

    status : answered instead of the truth, with `headers` and `body`
    cut : bytes of the true answer after which the connection breaks, `hang` seconds later
    """

    path: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"detail": "trouble"}'
    cut: int | None = None
    hang: float = 0.0


@dataclass
class Blendkit:
    """The state of the server.

    downloads_left : of the plan, None for any number
    ranges : whether files are served in parts; heeds_versions : whether If-Range is
    links_run_out : how many links, from now on, are expired when they are given
    always_next : whether even the last page names another; next_host : where pages are said to be
    """

    models: list[Model]
    key: str = KEY
    downloads_left: int | None = None
    ranges: bool = True
    heeds_versions: bool = True
    links_run_out: int = 0
    cuts_by_days: bool = True
    always_next: bool = False
    next_host: str = ""
    troubles: list[Trouble] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    valid: set[str] = field(default_factory=set)
    url: str = ""
    files_url: str = ""

    def paths(self, host: str = "api") -> list[str]:
        return [request.path for request in self.asked if request.host == host]

    def model(self, number: int) -> Model:
        return next(model for model in self.models if model.number == number)

    def trouble(self, path: str) -> Trouble | None:
        """The trouble that is due for a path, counted as used."""
        for trouble in self.troubles:
            if trouble.times > 0 and trouble.path in path:
                trouble.times -= 1
                return trouble
        return None


@contextmanager
def serving(models: Sequence[Model], **state: Any) -> Iterator[Blendkit]:
    """A server of these models while the block lasts; its address is `url`."""
    blendkit = Blendkit(list(models), **state)
    api = _start(blendkit, _Api)
    files = _start(blendkit, _Files)
    blendkit.url = f"http://127.0.0.1:{api.server_port}"
    blendkit.files_url = f"http://127.0.0.1:{files.server_port}"
    try:
        yield blendkit
    finally:
        for server in (api, files):
            server.shutdown()
            server.server_close()


def _start(blendkit: Blendkit, handler: type[_Handler]) -> ThreadingHTTPServer:
    bound = type(handler.__name__, (handler,), {"blendkit": blendkit})
    server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    blendkit: Blendkit
    host = ""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        pairs = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.blendkit.asked.append(Asked(self.host, address.path, pairs, dict(self.headers)))
        trouble = self.blendkit.trouble(address.path)
        if trouble and trouble.status:
            self.send(trouble.status, trouble.body, trouble.headers)
        else:
            self.trouble = trouble
            self.answer(address.path, address.query)

    def answer(self, path: str, query: str) -> None:
        raise NotImplementedError

    trouble: Trouble | None = None

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if not self.trouble:
            self.wfile.write(body)
            return
        self.wfile.write(body[: self.trouble.cut])
        self.wfile.flush()
        time.sleep(self.trouble.hang)
        self.close_connection = True

    def send_json(self, status: int, value: Any) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def refuse(self, status: int, detail: str) -> None:
        self.send_json(status, {"detail": detail, "statusCode": status})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class _Api(_Handler):
    """Searching, and the first step of a download."""

    host = "api"

    def answer(self, path: str, query: str) -> None:
        if self.headers.get("Authorization", f"Bearer {self.blendkit.key}") != (
            f"Bearer {self.blendkit.key}"
        ):
            self.refuse(401, "Invalid token.")
        elif path == "/api/v1/search/":
            self.search(query)
        elif found := re.fullmatch(r"/api/v1/downloads/(\d+)/(\w+)/", path):
            self.link(int(found[1]), found[2], parse_qs(query))
        else:
            self.refuse(404, "Not found.")

    def search(self, query: str) -> None:
        parameters = {name: value for name, _, value in map(_halves, query.split("&"))}
        tokens = [unquote_plus(token) for token in parameters["query"].split("+") if token]
        found = _matching(self.blendkit, tokens)
        size, page = int(parameters.get("page_size", 15)), int(parameters.get("page", 1))
        first = (page - 1) * size
        if page > 1 and (first >= len(found) or first + size > WINDOW):
            self.refuse(404, "Invalid page.")
            return
        more = first + size < min(len(found), WINDOW)
        following = f"page={page + 1}&page_size={size}&dict_parameters=1"
        host = self.blendkit.next_host or self.blendkit.url
        url = f"{host}/api/v1/search/?query={parameters['query']}&{following}"
        results = [_result(self.blendkit, model) for model in found[first : first + size]]
        self.send_json(200, {
            "count": min(len(found), WINDOW),
            "next": url if more or self.blendkit.always_next else None,
            "previous": None,
            "results": results,
        })  # fmt: skip

    def link(self, number: int, file_type: str, parameters: dict[str, list[str]]) -> None:
        blendkit = self.blendkit
        model = next((one for one in blendkit.models if one.number == number), None)
        if not UUID.fullmatch(parameters.get("scene_uuid", [""])[0]):
            self.refuse(403, "scene_uuid is not a valid UUID")
        elif model is None or file_type not in model.files:
            self.refuse(404, "Not found.")
        elif not model.free and "Authorization" not in self.headers:
            self.refuse(401, "Authentication credentials were not provided.")
        elif model.raw.get("canDownload") is False:
            self.refuse(403, "You do not have permission to perform this action.")
        elif blendkit.downloads_left == 0:
            words = "Users plan doesnt allow to download this: Limit of models exceeded."
            self.refuse(402, f"{words} The limit is 10000 items.")
        else:
            if blendkit.downloads_left is not None:
                blendkit.downloads_left -= 1
            self.send_json(200, {"filePath": _signed(blendkit, model, file_type)})


class _Files(_Handler):
    """Files under links that run out, and thumbnails."""

    host = "files"

    def answer(self, path: str, query: str) -> None:
        number, name = path.rstrip("/").split("/")[-2:]
        model = self.blendkit.model(int(number))
        if path.startswith("/thumbnails/"):
            self.send(200, model.thumbnail, {"Content-Type": "image/png"})
        elif query not in self.blendkit.valid:
            self.send(403, b"<html>expired</html>")
        else:
            self.file(model.files[name])

    def file(self, content: bytes) -> None:
        tag = f'"{hash(content) & 0xFFFFFFFF:08x}"'
        headers = {"ETag": tag, "Last-Modified": formatdate(0, usegmt=True)}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = not self.blendkit.heeds_versions or self.headers.get("If-Range", tag) == tag
        if not (asked and same and self.blendkit.ranges):
            self.send(200, content, headers if self.blendkit.ranges else {})
            return
        first, total = int(asked[1]), len(content)
        if first >= total:
            self.send(416, b"", {"Content-Range": f"bytes */{total}"})
            return
        headers["Content-Range"] = f"bytes {first}-{total - 1}/{total}"
        self.send(206, content[first:], headers)


def _halves(pair: str) -> tuple[str, str, str]:
    return pair.partition("=")


def _signed(blendkit: Blendkit, model: Model, file_type: str) -> str:
    verify = urlencode({"verify": f"{len(blendkit.asked)}-signature"})
    if blendkit.links_run_out > 0:
        blendkit.links_run_out -= 1
    else:
        blendkit.valid.add(verify)
    return f"{blendkit.files_url}/assets/{model.number}/{file_type}?{verify}"


def _matching(blendkit: Blendkit, tokens: Sequence[str]) -> list[Model]:
    """Models that every word and token admits, in the order that is asked for."""
    named = dict(token.split(":", 1) for token in tokens if ":" in token)
    words = [token for token in tokens if ":" not in token]
    found = [model for model in blendkit.models if model.has(words)]
    for name, value in named.items():
        if not (name.startswith("created_") and not blendkit.cuts_by_days):
            found = list(filter(_test(name, value), found))
    if named.get("order") == "-created":
        found.sort(key=lambda model: (model.created, model.number), reverse=True)
    return found


def _test(name: str, value: str) -> Callable[[Model], bool]:
    """What a token demands of a model. Raises KeyError for a token that the server lacks."""
    tests: dict[str, Callable[[Model], bool]] = {
        "asset_type": lambda model: value == "model",
        "category_subtree": lambda model: value in (model.category, *model.parents),
        "license": lambda model: value == model.license,
        "is_free": lambda model: (value == "True") == model.free,
        "verification_status": lambda model: value == "validated",
        "sexualizedContent": lambda model: value == "False",
        "created_gte": lambda model: model.created[: len(value)] >= value,
        "created_lt": lambda model: model.created[: len(value)] < value,
        "order": lambda model: True,
    }
    return tests[name]


def _result(blendkit: Blendkit, model: Model) -> dict[str, Any]:
    """A model as searches show it."""
    files = [
        {
            "fileType": file_type,
            "downloadUrl": f"{blendkit.url}/api/v1/downloads/{model.number}/{file_type}/",
            "uuid": None,
            "created": model.created,
            "modified": model.created,
            "resolution": None,
            "fileUploadSize": model.sizes.get(file_type, len(content)),
        }
        for file_type, content in model.files.items()
    ]
    parameters = {"animated": False, "rig": False, "simulation": False, "faceCount": 1200}
    described = {
        "id": f"1{identity(model.number)[1:]}",
        "assetBaseId": identity(model.number),
        "name": model.name,
        "displayName": model.name,
        "assetType": "model",
        "category": model.category,
        "description": f"A {model.name.lower()}",
        "tags": list(model.tags),
        "created": model.created,
        "license": model.license,
        "isFree": model.free,
        "canDownload": True,
        "canDownloadError": False,
        "verificationStatus": "validated",
        "versionNumber": 1,
        "sourceAppVersion": "4.5.0",
        "filesSize": sum(map(len, model.files.values())),
        "author": {"id": 7, "firstName": "Ada", "lastName": "Maker", "fullName": model.author},
        "dictParameters": parameters | model.parameters,
        "files": files,
        "thumbnailMiddleUrl": f"{blendkit.files_url}/thumbnails/{model.number}/middle.png",
        "webpGeneratedTimestamp": 0,
    }
    described |= model.raw
    return {name: value for name, value in described.items() if value is not None}
