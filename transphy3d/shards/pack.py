"""Packs sequence files into shards by copying compressed chunks; nothing is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from pathlib import Path

import h5py

from transphy3d.errors import ShardError
from transphy3d.files import is_full, replacing, sha256_file, write_json, write_text
from transphy3d.jsonio import record, to_data
from transphy3d.shards.credits import credits_of, unique
from transphy3d.shards.index import INDEX_NAME, SUMS_NAME, Index, IndexEntry, read_index
from transphy3d.shards.reader import Dataset, PathLike, Sequence, open_dataset
from transphy3d.shards.schema import (
    CHANNELS,
    FORMAT_NAME,
    FORMAT_VERSION,
    Attribution,
    channel,
)
from transphy3d.shards.writer import create_file


@record
class Shard:
    """A written shard: SHA-256 of its file, index entries and attributions of its sequences."""

    sha256: str
    entries: tuple[IndexEntry, ...]
    attributions: tuple[Attribution, ...] = ()


def pack(
    source: PathLike | SequenceOf[PathLike],
    out: Path,
    *,
    name: str,
    per_shard: int = 100,
    channels: SequenceOf[str] | None = None,
) -> Index:
    """Write `<name>-00000.h5`, ..., index.json and SHA256SUMS into the folder `out`.

    source : whatever `open_dataset` opens; sequences keep its order
    channels : those to keep; None keeps all

    The same sequences give the same bytes, so packing again changes nothing. The index is
    written after the shards that it names; those of the index before that it no longer names are
    removed.
    Raises ShardError on a name that comes twice, a missing channel or a damaged file.
    """
    sequences = open_dataset(source)
    _check_names(sequences)
    out.mkdir(parents=True, exist_ok=True)
    shards: dict[str, Shard] = {}
    for start in range(0, len(sequences), per_shard):
        path = out / shard_name(name, start, per_shard)
        batch = sequences[start : start + per_shard]
        shards[path.name] = _write_shard(path, batch, channels)
    sequences.close()
    return publish_index(out, name, shards)


def write_shard(path: Path, source: SequenceOf[PathLike]) -> Shard:
    """Write one shard of the sequences in `source`, in its order.

    The same ones give the same bytes. Raises ShardError as `pack` does.
    """
    sequences = open_dataset(source)
    try:
        _check_names(sequences)
        return _write_shard(path, sequences, None)
    finally:
        sequences.close()


def publish_index(out: Path, name: str, shards: Mapping[str, Shard]) -> Index:
    """Write index.json and SHA256SUMS for shards by file name, and remove those not named.

    Files that would not change are left alone.
    """
    index = _index(name, shards)
    if not _is_current(out, index):
        _publish_index(out, index)
    return index


def shard_name(name: str, number: int, per_shard: int) -> str:
    """File name of the shard that holds sequence `number` of the data set `name`."""
    return f"{name}-{number // per_shard:05d}.h5"


def _check_names(sequences: Dataset) -> None:
    twice = [name for name, count in Counter(s.name for s in sequences).items() if count > 1]
    if twice:
        places = [str(s.path) for s in sequences if s.name == twice[0]]
        raise ShardError(f"sequence {twice[0]} stands in {' and '.join(places)}; hand in one")


def _write_shard(path: Path, batch: Dataset, channels: SequenceOf[str] | None) -> Shard:
    with replacing(path) as scratch:
        with create_file(scratch) as file:
            entries = [
                _copy(sequence, file, channels or sequence.channels, path.name)
                for sequence in batch
            ]
        credits_owed = tuple(credits_of(batch))
        return Shard(sha256=sha256_file(scratch), entries=tuple(entries), attributions=credits_owed)


def _copy(sequence: Sequence, file: h5py.File, channels: Iterable[str], shard: str) -> IndexEntry:
    """Copy a sequence's datasets as they are stored."""
    keep = {channel(name, sequence.channels).name for name in channels}
    target = file.create_group(sequence.name)
    target.create_group("checksums")

    def copy(group: h5py.Group) -> None:
        for name, value in group.attrs.items():
            target.attrs[name] = value
        for name in group["checksums"]:
            if name in keep or name not in CHANNELS:
                group.copy(name, target)
                group.copy(f"checksums/{name}", target["checksums"], name)

    try:
        sequence.fetch(copy)
    except (OSError, RuntimeError, KeyError) as error:
        if is_full(error):
            raise
        raise ShardError(
            f"{sequence.path}: sequence {sequence.name} is damaged ({error}); make it again"
        ) from error
    return _entry(sequence, target, shard)


def _entry(sequence: Sequence, group: h5py.Group, shard: str) -> IndexEntry:
    objects = {row.object: row for row in reversed(sequence.objects)}.values()
    return IndexEntry(
        name=sequence.name,
        shard=shard,
        frames=len(sequence),
        width=sequence.width,
        height=sequence.height,
        fps=sequence.fps,
        objects=len(objects),
        optical=_counts(row.optical_class for row in objects),
        categories=_counts(row.category for row in objects),
        stored_bytes={
            name: group[name].id.get_storage_size() for name in CHANNELS if name in group
        },
    )


def _counts(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _index(name: str, shards: Mapping[str, Shard]) -> Index:
    entries = [entry for shard in shards.values() for entry in shard.entries]
    common = set(CHANNELS).intersection(*(entry.stored_bytes for entry in entries))
    return Index(
        format=FORMAT_NAME,
        version=FORMAT_VERSION,
        name=name,
        channels=tuple(channel for channel in CHANNELS if channel in common),
        frames=sum(entry.frames for entry in entries),
        shards={file: shard.sha256 for file, shard in shards.items()},
        sequences=tuple(entries),
        attributions=tuple(unique(a for shard in shards.values() for a in shard.attributions)),
    )


def _is_current(out: Path, index: Index) -> bool:
    """Whether the folder has just this index, its sums and no other shards."""
    files = {path.name for path in out.glob("*.h5")}
    try:
        same = read_index(out) == index and files == index.shards.keys()
        return same and (out / SUMS_NAME).read_text(encoding="utf-8") == _sums(out, index)
    except (ShardError, FileNotFoundError):
        return False


def _sums(out: Path, index: Index) -> str:
    sums = {**index.shards, INDEX_NAME: sha256_file(out / INDEX_NAME)}
    return "".join(f"{sums[file]}  {file}\n" for file in sorted(sums))


def _publish_index(out: Path, index: Index) -> None:
    """Write the index and SHA256SUMS, then remove shards that are no longer named."""
    before = _named_before(out)
    write_json(out / INDEX_NAME, to_data(index))
    write_text(out / SUMS_NAME, _sums(out, index))
    of_this_name = {path.name for path in out.glob(f"{index.name}-[0-9][0-9][0-9][0-9][0-9].h5")}
    for stale in (of_this_name | before) - index.shards.keys():
        (out / stale).unlink(missing_ok=True)


def _named_before(out: Path) -> set[str]:
    """Plain file names of the shards that the folder's present index names."""
    try:
        return {Path(name).name for name in read_index(out).shards}
    except ShardError:
        return set()
