"""A folder at an address that fsspec understands: an object store, another host, a disk.

A file is uploaded under a scratch name, compared with its checksum, and only then given its name.
What a network does for a moment is tried again a few times; what only the user can mend is an error
at once.
"""

from __future__ import annotations

import difflib
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from transphy3d.errors import DiskFull, JobError, PackageMissing, RunError, TransPhy3DError
from transphy3d.files import HASH_BLOCK_BYTES, is_full

TRIES = 4
FIRST_PAUSE_SECONDS = 1.0
LOCAL = ("file", "local")
PROBE_NAME = ".transphy3d-can-write"

T = TypeVar("T")


class _Damaged(Exception):
    """What arrived is not what was sent."""


@dataclass(frozen=True)
class Store:
    """A folder at an address.

    files : the fsspec file system; base : the folder in it; url : as the user wrote it
    """

    files: Any
    base: str
    url: str

    def path(self, name: str) -> str:
        """The file system's path of a file, `name` being relative to the folder."""
        return f"{self.base.rstrip('/')}/{name}"


@dataclass(frozen=True)
class Found:
    """A file that is there. mark : changes with its content, as an ETag or a time does."""

    bytes: int
    mark: str


def open_store(url: str) -> Store:
    """The store at `url`; a plain path is a folder of this machine.

    Raises PackageMissing naming the driver to install, JobError for an address that cannot be.
    """
    try:
        import fsspec
    except ModuleNotFoundError:
        raise PackageMissing(
            "publishing needs the package fsspec; pip install 'transphy3d[publish]'"
        ) from None
    scheme = fsspec.core.split_protocol(url)[0]
    try:
        files, base = fsspec.core.url_to_fs(url, **({"auto_mkdir": True} if _local(scheme) else {}))
    except ImportError as error:
        raise PackageMissing(f"{url}: no driver for {scheme}:// is installed; {error}") from None
    except ValueError as error:
        raise JobError(f"{url}: {error}; {_nearest(scheme)}") from None
    return Store(files, base, url)


def _local(scheme: str | None) -> bool:
    return scheme is None or scheme in LOCAL


def _nearest(scheme: str | None) -> str:
    from fsspec.registry import available_protocols

    close = difflib.get_close_matches(scheme or "", available_protocols(), n=1)
    return f"did you mean {close[0]}://?" if close else "as in s3://bucket/folder or file:///folder"


def check_writable(store: Store) -> None:
    """Raise RunError or DiskFull unless files can be written and removed there."""
    path = store.path(PROBE_NAME)

    def probe() -> None:
        with store.files.open(path, "wb") as stream:
            stream.write(b"ok\n")
        store.files.rm_file(path)

    persist(store, "writing", probe)


def find(store: Store, name: str) -> Found | None:
    """The file called `name`, or None."""

    def look() -> Found | None:
        store.files.invalidate_cache()
        try:
            size = store.files.info(store.path(name))["size"]
        except FileNotFoundError:
            return None
        return Found(size, str(store.files.checksum(store.path(name))))

    return persist(store, f"looking for {name}", look)


def read(store: Store, name: str) -> bytes:
    """A small file's content."""

    def fetch() -> bytes:
        content: bytes = store.files.cat_file(store.path(name))
        return content

    return persist(store, f"reading {name}", fetch)


def digest(store: Store, name: str) -> str:
    """Hex SHA-256 of a file, read from the store block by block."""
    return persist(store, f"reading {name}", lambda: _sha256(store, store.path(name)))


def remove(store: Store, name: str) -> None:
    """Remove a file if it is there."""
    if find(store, name):
        persist(store, f"removing {name}", lambda: store.files.rm_file(store.path(name)))


def upload(store: Store, source: Path, name: str, sha256: str, *, read_back: bool) -> Found:
    """Copy a file there, whole or not at all.

    read_back : compare by reading what arrived; else by its size alone, which leaves the content
        to the checksums of the transfer
    """
    path = store.path(name)
    scratch = str(PurePosixPath(path).with_name(f".{PurePosixPath(path).name}.part"))

    def send() -> None:
        store.files.put_file(str(source), scratch)
        store.files.invalidate_cache()
        if store.files.info(scratch)["size"] != source.stat().st_size:
            raise _Damaged("the copy has another size")
        if read_back and _sha256(store, scratch) != sha256:
            raise _Damaged("the copy has another checksum")
        store.files.mv(scratch, path)

    persist(store, f"sending {name}", send)
    found = find(store, name)
    if found is None or found.bytes != source.stat().st_size:
        raise RunError(f"{store.url}: {name} vanished or changed after it was sent; run again")
    return found


def _sha256(store: Store, path: str) -> str:
    seen = hashlib.sha256()
    with store.files.open(path, "rb") as stream:
        while block := stream.read(HASH_BLOCK_BYTES):
            seen.update(block)
    return seen.hexdigest()


def persist(store: Store, what: str, action: Callable[[], T]) -> T:
    """The result of `action`, tried `TRIES` times with growing pauses.

    Raises RunError or DiskFull, at once for what no further try can mend.
    """
    for number in range(1, TRIES + 1):
        try:
            return action()
        except Exception as error:  # drivers raise errors of their own libraries
            final = _final(store, what, error)
            if final or number == TRIES:
                raise final or _given_up(store, what, error) from error
        time.sleep(FIRST_PAUSE_SECONDS * 2 ** (number - 1))
    raise AssertionError("unreachable: the last try returns or raises")


def _final(store: Store, what: str, error: Exception) -> TransPhy3DError | None:
    """The error that no further try can mend, if `error` is one."""
    if is_full(error):
        return DiskFull(f"{store.url}: {what}: no space is left; free some, then run again")
    if isinstance(error, PermissionError):
        return RunError(
            f"{store.url}: {what}: no permission ({error}); it needs to list, read, write and "
            "remove there: mend the credentials or the rights"
        )
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return RunError(
            f"{store.url}: {what}: there is no such bucket or folder ({error}); make it, or mend "
            "the address"
        )
    return None


def _given_up(store: Store, what: str, error: Exception) -> RunError:
    return RunError(
        f"{store.url}: {what} failed {TRIES} times, at last with {type(error).__name__}: {error}; "
        "what has arrived is kept: run again"
    )
