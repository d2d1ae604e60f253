"""Checks that files are whole and that what they say is true; and sums them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.errors import ShardError
from transphy3d.files import sha256_file
from transphy3d.jsonio import record
from transphy3d.shards import checks
from transphy3d.shards.credits import credit, credits_of
from transphy3d.shards.index import INDEX_NAME, SUMS_NAME
from transphy3d.shards.reader import PathLike, Sequence, open_dataset
from transphy3d.shards.schema import CHANNELS
from transphy3d.shards.writer import digest

Array = NDArray[Any]

TABLES = ("world_to_camera", "intrinsics", "objects", "scene", "provenance")
MAX_ROTATION_ERROR = 1e-6
MOTION_EPSILON = 1e-9
DEEP_STRIDE = 10


@record
class Problem:
    """One thing that is wrong. `sequence` is "" and `frame`, `channel` None where none fits."""

    path: str
    sequence: str
    frame: int | None
    channel: str | None
    check: str
    message: str

    def __str__(self) -> str:
        place = [f"sequence {self.sequence}"] if self.sequence else []
        place += [f"frame {self.frame}"] if self.frame is not None else []
        place += [f"channel {self.channel}"] if self.channel else []
        return f"{self.path}: {' '.join(place)}: {self.check}: {self.message}"


def verify(
    path: PathLike | SequenceOf[PathLike], *, deep: bool = True, stride: int = DEEP_STRIDE
) -> list[Problem]:
    """Everything that is wrong with a data set, shard or sequence; empty if nothing is.

    Always: format, checksums of every chunk and table, shards against their index, cameras,
    repeated frames. With `deep`: values of every frame, and of every `stride`-th frame the
    agreement of depth, normals, instances, objects and poses.
    """
    problems: list[Problem] = []
    for item in [path] if isinstance(path, (str, Path)) else path:
        problems += _verify_shards(Path(item))
        try:
            dataset = open_dataset(item)
        except ShardError as error:
            problems.append(_problem(str(item), "", None, None, "open", str(error)))
            continue
        for sequence in dataset:
            problems += verify_sequence(sequence, deep=deep, stride=stride)
        dataset.close()
    return problems


def verify_sequence(
    sequence: Sequence, *, deep: bool = True, stride: int = DEEP_STRIDE
) -> list[Problem]:
    """Everything that is wrong with one sequence."""
    try:
        broken = [*_schema(sequence)] or [*_checksums(sequence)]
        if broken:
            return broken
        found = [*_cameras(sequence), *_repeated(sequence), *_credits(sequence)]
        return found + (_frames(sequence, stride) if deep else [])
    except (ShardError, OSError, RuntimeError, KeyError, ValueError) as error:
        # HDF5 says in any of these ways that its own structures are damaged.
        return [_at(sequence, None, None, "open", f"{error}; make the sequence again")]


def info(path: PathLike | SequenceOf[PathLike]) -> dict[str, Any]:
    """What a data set holds, for people to read."""
    dataset = open_dataset(path)
    sequences = list(dataset)
    rows = [row for sequence in sequences for row in sequence.objects]
    stored: Counter[str] = Counter()
    for sequence in sequences:
        stored.update(_stored_bytes(sequence))
    pixels = sum(len(s) * s.width * s.height for s in sequences)
    summary = {
        "sequences": len(sequences),
        "frames": sum(map(len, sequences)),
        "files": len({sequence.path for sequence in sequences}),
        "sizes": sorted({f"{s.width}x{s.height}" for s in sequences}),
        "jobs": sorted({str(s.attributes["job"]) for s in sequences}),
        "view_transforms": sorted({str(s.attributes["view_transform"]) for s in sequences}),
        "objects": len({(s.path, s.name, row.object) for s in sequences for row in s.objects}),
        "kinds": dict(Counter(row.kind for row in rows).most_common()),
        "optical_classes": dict(Counter(row.optical_class for row in rows).most_common()),
        "categories": dict(Counter(row.category for row in rows).most_common()),
        "attributions": [credit(item) for item in credits_of(sequences)],
        "stored_bytes": dict(stored),
        "bytes_per_pixel": {name: round(size / pixels, 3) for name, size in stored.items()},
    }
    dataset.close()
    return summary


def _stored_bytes(sequence: Sequence) -> dict[str, int]:
    return {
        name: sequence.fetch(lambda group, name=name: group[name].id.get_storage_size())
        for name in sequence.channels
    }


def _problem(
    path: str, sequence: str, frame: int | None, channel: str | None, check: str, message: str
) -> Problem:
    return Problem(
        path=path, sequence=sequence, frame=frame, channel=channel, check=check, message=message
    )


def _at(
    sequence: Sequence, frame: int | None, channel: str | None, check: str, message: str
) -> Problem:
    return _problem(str(sequence.path), sequence.name, frame, channel, check, message)


def _verify_shards(folder: Path) -> Iterator[Problem]:
    """The files of a packed folder against SHA256SUMS."""
    sums = folder / SUMS_NAME
    if not (folder / INDEX_NAME).exists():
        return
    if not sums.exists():
        yield _problem(str(sums), "", None, None, "sums", "is missing; pack again")
        return
    for line in sums.read_text().splitlines():
        expected, _, name = line.partition("  ")
        path = folder / name
        if not path.exists():
            yield _problem(str(path), "", None, None, "sums", "is missing")
        elif sha256_file(path) != expected:
            yield _problem(str(path), "", None, None, "sums", f"differs from {SUMS_NAME}")


def _schema(sequence: Sequence) -> Iterator[Problem]:
    """Attributes, tables and channels are there, in the format's types and shapes."""
    missing = {"frames", "width", "height", "fps", "index"} - sequence.attributes.keys()
    if missing:
        yield _at(sequence, None, None, "schema", f"attributes {sorted(missing)} are missing")
        return
    needed = [*TABLES, *(f"checksums/{name}" for name in (*TABLES, *sequence.channels))]
    missing_paths = sequence.fetch(lambda group: [path for path in needed if path not in group])
    for path in missing_paths:
        yield _at(sequence, None, path.removeprefix("checksums/"), "schema", f"{path} is missing")
    for name in sequence.channels:
        yield from _channel_schema(sequence, name)


def _channel_schema(sequence: Sequence, name: str) -> Iterator[Problem]:
    spec = CHANNELS[name]
    frame = spec.stored_shape(sequence.height, sequence.width)
    wanted = (len(sequence), *frame), (1, *frame), np.dtype(spec.dtype)
    found = sequence.fetch(lambda group: (group[name].shape, group[name].chunks, group[name].dtype))
    if found != wanted:
        message = f"shape, chunks and dtype are {found}, not {wanted}"
        yield _at(sequence, None, name, "schema", message)


def _checksums(sequence: Sequence) -> Iterator[Problem]:
    """Chunks and tables have the SHA-256 that was written with them."""
    for name in sequence.channels:
        expected = _expected(sequence, name)
        for number in range(len(sequence)):
            try:
                good = np.array_equal(digest(sequence[name].chunk(number)), expected[number])
                message = "the chunk differs from its SHA-256"
            except (ShardError, IndexError) as error:
                good, message = False, str(error)
            if not good:
                yield _at(sequence, number, name, "checksum", message)
    for name in (*TABLES, *(["attributions"] if sequence.attributions else [])):
        table = np.asarray(sequence.table(name))
        if not np.array_equal(digest(table.tobytes()), *_expected(sequence, name)):
            yield _at(sequence, None, name, "checksum", "the table differs from its SHA-256")


def _expected(sequence: Sequence, name: str) -> Array:
    result: Array = sequence.table(f"checksums/{name}")
    return result


def _credits(sequence: Sequence) -> Iterator[Problem]:
    """Every asset of a bank has its attribution."""
    owed = {row.asset for row in sequence.objects if row.source == "bank"}
    for asset in sorted(owed - {item.asset for item in sequence.attributions}):
        yield _at(sequence, None, None, "attributions", f"asset {asset!r} has no attribution")


def _cameras(sequence: Sequence) -> Iterator[Problem]:
    """Poses are rigid, one per frame; intrinsics are a pinhole's."""
    poses, k = sequence.world_to_camera, sequence.intrinsics
    if poses.shape != (len(sequence), 4, 4):
        yield _at(sequence, None, "world_to_camera", "camera", f"shape is {poses.shape}")
        return
    for number, pose in enumerate(poses):
        turn = pose[:3, :3]
        error = np.abs(turn @ turn.T - np.eye(3)).max() + np.abs(pose[3] - [0, 0, 0, 1]).max()
        if not error < MAX_ROTATION_ERROR or np.linalg.det(turn) < 0:
            message = "the pose is not a rotation and a translation"
            yield _at(sequence, number, "world_to_camera", "camera", message)
    if not (k[0, 0] > 0 and k[1, 1] > 0 and k[0, 1] == k[1, 0] == 0 and (k[2] == [0, 0, 1]).all()):
        message = f"{k.tolist()} is no pinhole without skew"
        yield _at(sequence, None, "intrinsics", "camera", message)


def _repeated(sequence: Sequence) -> Iterator[Problem]:
    """No frame of rgb or depth repeats the one before while the camera moves."""
    moved = np.abs(np.diff(sequence.world_to_camera, axis=0)).max((1, 2), initial=0)
    for name in {"rgb", "depth"}.intersection(sequence.channels):
        same = (np.diff(_expected(sequence, name).astype(int), axis=0) == 0).all(1)
        for number in np.flatnonzero(same & (moved > MOTION_EPSILON)) + 1:
            message = f"is identical to frame {number - 1} though the camera moved"
            yield _at(sequence, int(number), name, "repeated", message)


def _frames(sequence: Sequence, stride: int) -> list[Problem]:
    """Values of every frame; agreement within, and between, every `stride`-th."""
    found: list[Problem] = []
    earlier: checks.Frame | None = None
    for number in range(len(sequence)):
        frame = _load(sequence, number)
        findings = list(checks.run(checks.EVERY_FRAME, frame))
        if number % stride == 0:
            findings += checks.run(checks.DEEP, frame)
            if earlier is not None and "depth" in frame.values:
                findings += checks.frames_reproject(frame, earlier)
            earlier = frame
        found += [_at(sequence, number, *finding) for finding in findings]
    return found


def _load(sequence: Sequence, number: int) -> checks.Frame:
    return checks.Frame(
        number=number,
        values={name: sequence[name][number] for name in sequence.channels},
        pose=sequence.world_to_camera[number],
        intrinsics=sequence.intrinsics,
        objects=sequence.object_table,
        clear_surroundings=_clear_surroundings(sequence.scene),
    )


def _clear_surroundings(scene: dict[str, Any]) -> bool:
    """Whether the settled scene's support or room has a transparent material."""
    spec = scene.get("spec", {})
    materials = [
        material
        for place in ("support", "room")
        for material in spec.get(place, {}).get("materials", {}).values()
    ]
    return any(material.get("optical_class") == "transparent" for material in materials)
