"""Files that are either whole or absent, checksums, and canonical JSON."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HASH_BLOCK_BYTES = 1 << 20
STALE_TRIES = 5
NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def scratch_name(path: Path) -> Path:
    """A name beside `path` that no other process uses and that no reader looks at."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")


def remove_scratch(path: Path) -> None:
    """Remove what killed processes left of `path`; call it only while no other may write it."""
    for left in path.parent.glob(f".{path.name}.*.part"):
        left.unlink(missing_ok=True)


def is_full(error: BaseException) -> bool:
    """Whether an error says that no space is left."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def fsync(path: Path) -> None:
    """Force a file's or folder's content to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bytes(path: Path) -> bytes:
    """A file's content, also while another host of a network disk replaces the file."""
    for _ in range(STALE_TRIES):
        try:
            return path.read_bytes()
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
    return path.read_bytes()


def publish(scratch: Path, path: Path) -> None:
    """Sync `scratch` and give it the name `path` in one step; they share a file system."""
    fsync(scratch)
    os.replace(scratch, path)
    fsync(path.parent)


def publish_new(scratch: Path, path: Path) -> bool:
    """Like `publish`, unless something has that name already: then False, and it stays.

    By a hard link, which one process alone can make. Some network file systems have none; there
    a name taken within microseconds of the look is overwritten.
    """
    fsync(scratch)
    try:
        os.link(scratch, path)
    except FileExistsError:
        return scratch.samefile(path)  # NFS asks again when an answer is lost, and so meets itself
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if path.exists():
            return False
        os.replace(scratch, path)
    fsync(path.parent)
    return True


def create(path: Path, data: bytes) -> bool:
    """Make a file that was not there; False if it was. A crash or full disk leaves it cut short."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    return True


def overwrite(path: Path, data: bytes) -> None:
    """Replace a file's content in the space that it has, where none is left for a second copy."""
    with path.open("r+b") as stream:
        stream.write(data)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A scratch path to write; it becomes `path` if the block ends well and vanishes if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = scratch_name(path)
    try:
        yield scratch
        publish(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Like `replacing`, for a new folder of plain files; one of that name is removed first."""
    scratch = scratch_name(path)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        for file in scratch.iterdir():
            fsync(file)
        if path.exists():
            shutil.rmtree(path)
        publish(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically."""
    with replacing(path) as scratch:
        scratch.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN. Hash this."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
