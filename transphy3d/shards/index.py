"""The index of a packed data set: which sequence stands in which shard."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from transphy3d.errors import ShardError
from transphy3d.jsonio import from_json, record
from transphy3d.shards.schema import FORMAT_NAME, FORMAT_VERSION, Attribution

INDEX_NAME = "index.json"
SUMS_NAME = "SHA256SUMS"


@record
class IndexEntry:
    """One sequence. stored_bytes : by channel; optical : objects by optical class."""

    name: str
    shard: str
    frames: int
    width: int
    height: int
    fps: float
    objects: int
    optical: dict[str, int]
    categories: dict[str, int]
    stored_bytes: dict[str, int]


@record
class Index:
    """Everything a reader needs to find a sequence without opening a shard.

    shards : SHA-256 by file name
    attributions : of the assets of a bank in all sequences
    """

    format: str
    version: int
    name: str
    channels: tuple[str, ...]
    frames: int
    shards: dict[str, str]
    sequences: tuple[IndexEntry, ...]
    attributions: tuple[Attribution, ...] = ()


def read_index(folder: Path) -> Index:
    """The index of a shard folder. Raises ShardError if it is damaged or of another version."""
    path = folder / INDEX_NAME
    try:
        index = from_json(Index, path.read_bytes())
    except FileNotFoundError:
        raise ShardError(f"{path}: no such file; hand in a folder made by packing") from None
    except ValidationError as error:
        raise ShardError(f"{path}: not an index of this format ({error}); pack again") from error
    check_version(path, index.format, index.version)
    return index


def check_version(path: Path, name: object, version: object) -> None:
    """Raise ShardError unless this program reads that format and version."""
    if (name, version) != (FORMAT_NAME, FORMAT_VERSION):
        raise ShardError(
            f"{path}: format {name!r} version {version!r}; this program reads {FORMAT_NAME!r} "
            f"version {FORMAT_VERSION}"
        )
