"""Files from the network: bounded, gone on with where they broke off, and of a kind that is known.

A download grows in a file of its own and has a neighbour, `.validator`, that names the version of
what is fetched (its ETag or date). Only with that the rest is asked for by Range (RFC 9110, 14);
a server that has another version by now, or knows no ranges, sends the whole and it begins anew.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import requests

from transphy3d.assets.web import BLOCK_BYTES, BROKEN_OFF, Web, shown
from transphy3d.errors import AssetError, SourceError
from transphy3d.files import write_text

# Blender writes .blend plain, gzip-packed before version 3.0, and zstd-packed since.
MAGICS = {
    b"BLENDER": ".blend",
    b"\x28\xb5\x2f\xfd": ".blend",
    b"\x1f\x8b": ".blend",
    b"PK\x03\x04": ".zip",
    b"glTF": ".glb",
}
GLB_LENGTH = slice(8, 12)


@dataclass(frozen=True)
class Bounds:
    """What one file may cost at most: bytes and seconds."""

    bytes: int = 1 << 30
    seconds: float = 3600.0


def download(web: Web, url: str, part: Path, bounds: Bounds, expected: int | None = None) -> None:
    """Fetch `url` into `part`, going on where an earlier call stopped.

    part : kept when the connection breaks off, so that the next call can go on
    expected : bytes that the file must have, where its source says so
    Raises SourceError if it cannot be had now or within the bounds (`passing`), or is of another
    size.
    """
    with _alone(part) as sink:
        _persist(web, url, sink, part, bounds)
    _validator(part).unlink(missing_ok=True)
    _check_size(url, part, expected)


def suffix_of(path: Path) -> str:
    """`.blend`, `.glb` or `.zip`, by the first bytes of a file.

    Raises AssetError for anything else, or a .glb whose own length disagrees.
    """
    with path.open("rb") as stream:
        head = stream.read(12)
    suffix = next((found for magic, found in MAGICS.items() if head.startswith(magic)), "")
    if not suffix:
        raise AssetError(f"is neither .blend nor .glb nor .zip: it begins with {head!r}")
    size = path.stat().st_size
    if suffix == ".glb" and int.from_bytes(head[GLB_LENGTH], "little") != size:
        raise AssetError(f"is a damaged .glb: its header speaks of another length than {size}")
    return suffix


class _Stale(Exception):
    """What is there already is of another version than the server has now."""


def _persist(web: Web, url: str, sink: BinaryIO, part: Path, bounds: Bounds) -> None:
    """Receive until the end; only attempts that bring nothing new count against patience."""
    deadline = time.monotonic() + bounds.seconds
    attempt = 0
    while attempt < web.patience.attempts:
        before = sink.seek(0, os.SEEK_END)
        try:
            _receive(web, url, sink, _validator(part), bounds, deadline)
            return
        except _Stale:
            _validator(part).unlink()
        except BROKEN_OFF:
            attempt = 0 if sink.seek(0, os.SEEK_END) > before else attempt + 1
            web.wait(url, web.patience.pause(attempt))
    raise SourceError(
        f"{shown(url)}: breaks off every time; run again to go on from {before} bytes",
        passing=True,
    )


def _receive(
    web: Web, url: str, sink: BinaryIO, validator: Path, bounds: Bounds, deadline: float
) -> None:
    """One request: the rest of the file if the server gives it, or else all of it."""
    have = sink.seek(0, os.SEEK_END) if validator.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator.read_text()}
    try:
        with web.get(url, headers) as response:
            start = _start(response, have, headers.get("If-Range", ""))
            sink.seek(start)
            sink.truncate()
            _note_version(response, validator)
            _copy(response, sink, bounds, deadline)
    except SourceError as error:
        if have and error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _Stale from error
        raise


def _start(response: requests.Response, have: int, version: str) -> int:
    """Where the body begins in the file: 0 unless the server sends the part asked for."""
    if response.status_code != HTTPStatus.PARTIAL_CONTENT:
        return 0
    if have and _version(response) != version:
        raise _Stale
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if not found or int(found[1]) != have:
        raise SourceError(f"{shown(response.url)}: sends another part than was asked for")
    return have


def _version(response: requests.Response) -> str:
    """What names the bytes of this answer; a weak ETag does not, and packed bytes are others."""
    if "Content-Encoding" in response.headers:
        return ""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _note_version(response: requests.Response, validator: Path) -> None:
    version = _version(response)
    if version:
        write_text(validator, version)
    else:
        validator.unlink(missing_ok=True)


def _copy(response: requests.Response, sink: BinaryIO, bounds: Bounds, deadline: float) -> None:
    length = response.headers.get("Content-Length", "")
    announced = int(length) if length.isdecimal() else 0
    _check_bytes(response.url, sink.tell() + announced, bounds)
    for block in response.iter_content(BLOCK_BYTES):
        sink.write(block)
        _check_bytes(response.url, sink.tell(), bounds)
        if time.monotonic() > deadline:
            raise SourceError(
                f"{shown(response.url)}: takes longer than {bounds.seconds:.0f} s; run again to "
                "go on",
                passing=True,
            )


def _check_bytes(url: str, size: int, bounds: Bounds) -> None:
    if size > bounds.bytes:
        raise SourceError(
            f"{shown(url)}: is larger than {bounds.bytes / 2**20:.0f} MiB; raise --max-mib if you "
            "want it",
            passing=True,
        )


def _check_size(url: str, part: Path, expected: int | None) -> None:
    size = part.stat().st_size
    if size == 0 or (expected is not None and size != expected):
        part.unlink()
        raise SourceError(
            f"{shown(url)}: has {size} bytes, not {expected or 'any'} as its source says; "
            "it was changed or cut on its way"
        )


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """The part, opened for writing by this process alone."""
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as created, part.open("r+b") as sink:
        try:
            fcntl.flock(created, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceError(f"{part}: another process is fetching it", passing=True) from None
        yield sink


def _validator(part: Path) -> Path:
    return part.with_suffix(".validator")
