"""What models and baselines are measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transphy3d.dkt.choice import one_of
from transphy3d.dkt.config import SHARDS, Task
from transphy3d.dkt.evaluation.metrics import Protocol, known
from transphy3d.dkt.sets import open_set, set_kind
from transphy3d.dkt.sets.folder import Note
from transphy3d.dkt.sets.kind import describe
from transphy3d.errors import JobError, ShardError
from transphy3d.shards.excerpt import Excerpt, excerpt
from transphy3d.shards.reader import RUN_SHARDS, open_dataset
from transphy3d.shards.recording import Recording
from transphy3d.wording import plural


@dataclass(frozen=True)
class Trial:
    """Recordings to be measured on.

    title : short name of the data, for tables of several sets
    notes : lines on what they are and what was left out
    """

    title: str
    recordings: tuple[Recording, ...]
    notes: tuple[str, ...]


def make_protocol(
    *,
    align: str = "video",
    domain: str = "disparity",
    region: str = "all",
    max_depth: float | None = None,
    frames: int | None = None,
    stride: int = 1,
    resize: str = "none",
) -> Protocol:
    """A protocol from words of the command line. Raises JobError."""
    return Protocol(
        align=one_of("align", align, ("video", "frame", "none")),
        domain=one_of("domain", domain, ("disparity", "depth")),
        region=one_of("region", region, ("all", "objects")),
        max_depth=max_depth,
        frames=frames,
        stride=stride,
        resize=one_of("resize", resize, ("none", "bilinear")),
    )


def open_trial(
    path: Path,
    name: str,
    split: str | None,
    protocol: Protocol,
    task: Task = "depth",
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Trial:
    """The recordings of shards, or of a part of a public set, whose truth counts.

    Every frame is decoded once; `told` hears how many are, and of how many.
    Frames that cannot be decoded, or in which no pixel's truth counts, are left out with a note.
    Raises ShardError if none is left, JobError for a set that lacks what is asked.
    """
    opened, notes, part = _opened(path, name, split)
    _check_channels(opened[0], path, protocol, task)
    kept, left_out = _usable(
        [excerpt(r, protocol.frames, protocol.stride) for r in opened], protocol, told
    )
    if not kept:
        raise ShardError(f"{path}: no frame can be used; {'; '.join(describe(left_out))}")
    count = f"{plural(len(kept), 'recording')}, {plural(sum(map(len, kept)), 'frame')}"
    first = f"Data: {part.description}: {count}"
    return Trial(part.title, tuple(kept), (first, *describe((*notes, *left_out))))


@dataclass(frozen=True)
class _Part:
    """What was opened, in words; title : of few words."""

    title: str
    description: str


def _opened(
    path: Path, name: str, split: str | None
) -> tuple[Sequence[Recording], tuple[Note, ...], _Part]:
    if name == SHARDS:
        if split:
            raise JobError(f"--split {split}: shards have no parts; name another folder")
        return open_dataset(path), (), _Part(_folder_title(path), str(path))
    kind = set_kind(name)
    part = split or kind.test
    found = open_set(name, path, part)
    return found.recordings, found.notes, _Part(f"{name} {part}", f"{name}, {part}{kind.counted}")


def _folder_title(path: Path) -> str:
    """A shard folder's run, or a file's name."""
    resolved = path.resolve()
    return resolved.parent.name if resolved.name == RUN_SHARDS else resolved.stem


def _check_channels(first: Recording, path: Path, protocol: Protocol, task: Task) -> None:
    if task == "normal" and "normal" not in first.channels:
        raise JobError(f"--task normal: {path} has no normals; choose another set, or depth")
    if protocol.region == "objects" and "instance" not in first.channels:
        raise JobError(f"--region objects: {path} has no masks of objects; choose all")


def _usable(
    recordings: Sequence[Recording], protocol: Protocol, told: Callable[[int, int], None]
) -> tuple[list[Recording], tuple[Note, ...]]:
    kept: list[Recording] = []
    notes: list[Note] = []
    done, total = 0, sum(map(len, recordings))
    for recording in recordings:
        reasons = [_fault(recording, frame, protocol) for frame in range(len(recording))]
        notes += [
            Note(f"{recording.name} {frame}", reason)
            for frame, reason in enumerate(reasons)
            if reason
        ]
        good = tuple(frame for frame, reason in enumerate(reasons) if not reason)
        if good:
            whole = len(good) == len(recording)
            kept.append(recording if whole else Excerpt(recording, good))
        done += len(recording)
        told(done, total)
    return kept, tuple(notes)


def _fault(recording: Recording, frame: int, protocol: Protocol) -> str:
    """Why a frame cannot be measured on; empty if it can."""
    try:
        arrays = recording.read(*recording.channels, frames=[frame])
    except ShardError:
        return "left out: cannot be decoded"
    objects = arrays["instance"] > 0 if protocol.region == "objects" else None
    if not known(arrays["depth"], protocol, objects).any():
        return "left out: no pixel's depth counts"
    return ""
