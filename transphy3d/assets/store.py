"""Files by content: what comes into a bank gets its SHA-256 as a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from transphy3d.assets.bank import AssetRecord, Bank, StoredFile
from transphy3d.files import publish, replacing, scratch_name, sha256_file


@contextmanager
def receiving(bank: Bank, name: str) -> Iterator[Path]:
    """A path to write a new file to, for `keep`; gone after the block if it was not kept."""
    bank.downloads.mkdir(parents=True, exist_ok=True)
    scratch = scratch_name(bank.downloads / name)
    try:
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def keep(bank: Bank, scratch: Path, suffix: str, member: str = "") -> StoredFile:
    """Move `scratch`, on the bank's file system, to its place among the downloads."""
    digest = sha256_file(scratch)
    path = bank.downloads / f"{digest}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    size = scratch.stat().st_size
    if path.exists():
        scratch.unlink()
    else:
        publish(scratch, path)
    return _stored(bank, path, size, digest, member)


def with_file(asset: AssetRecord, stored: StoredFile) -> AssetRecord:
    """The record with its file; what was made of another file before it is forgotten."""
    changed = asset.file is not None and asset.file.sha256 != stored.sha256
    made: dict[str, Any] = {"views": (), "signals": {}, "verdict": None, "imported": None}
    return replace(asset, file=stored, refused="", **(made if changed else {}))


def keep_thumbnail(bank: Bank, asset: str, data: bytes, suffix: str) -> StoredFile:
    """Write a picture of an asset as it came."""
    path = bank.thumbnails / f"{asset}{suffix}"
    with replacing(path) as scratch:
        scratch.write_bytes(data)
        digest = sha256_file(scratch)
    return _stored(bank, path, len(data), digest, "")


def _stored(bank: Bank, path: Path, size: int, digest: str, member: str) -> StoredFile:
    relative = path.relative_to(bank.root).as_posix()
    return StoredFile(path=relative, bytes=size, sha256=digest, member=member)
