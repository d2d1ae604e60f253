"""What models and baselines are measured on, and against what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transphy3d.dkt.config import SHARDS, Task
from transphy3d.dkt.metrics import Protocol, known
from transphy3d.dkt.score import BASELINES, Predictor, Rows, score, score_normals
from transphy3d.dkt.sensor import METHOD, facing, sensor_disparity, sensor_normals
from transphy3d.dkt.sets import open_set, set_kind
from transphy3d.dkt.sets.folder import Note
from transphy3d.dkt.sets.kind import describe
from transphy3d.errors import JobError, ShardError
from transphy3d.shards.excerpt import Excerpt, excerpt
from transphy3d.shards.reader import open_dataset
from transphy3d.shards.recording import Recording


@dataclass(frozen=True)
class Trial:
    """Recordings to be measured on; notes : lines on what they are and what was left out."""

    recordings: tuple[Recording, ...]
    notes: tuple[str, ...]


def open_trial(
    path: Path, name: str, split: str | None, protocol: Protocol, task: Task = "depth"
) -> Trial:
    """The recordings of shards, or of a part of a public set, whose truth counts.

    Frames that cannot be decoded, or in which no pixel's truth counts, are left out with a note.
    Raises ShardError if none is left, JobError for a set that lacks what is asked.
    """
    opened, notes, title = _opened(path, name, split)
    _check_channels(opened[0], path, protocol, task)
    kept, left_out = _usable(
        [excerpt(r, protocol.frames, protocol.stride) for r in opened], protocol
    )
    if not kept:
        raise ShardError(f"{path}: no frame can be used; {'; '.join(describe(left_out))}")
    count = f"{len(kept)} recordings, {sum(map(len, kept))} frames"
    return Trial(tuple(kept), (f"{title}: {count}", *describe((*notes, *left_out))))


def _opened(
    path: Path, name: str, split: str | None
) -> tuple[Sequence[Recording], tuple[Note, ...], str]:
    if name == SHARDS:
        if split:
            raise JobError(f"--split {split}: shards have no parts; name another folder")
        return open_dataset(path), (), f"Data: {path}"
    kind = set_kind(name)
    part = split or kind.test
    found = open_set(name, path, part)
    return found.recordings, found.notes, f"Data: {name}, {part}{kind.counted}"


def _check_channels(first: Recording, path: Path, protocol: Protocol, task: Task) -> None:
    if task == "normal" and "normal" not in first.channels:
        raise JobError(f"--task normal: {path} has no normals; choose another set, or depth")
    if protocol.region == "objects" and "instance" not in first.channels:
        raise JobError(f"--region objects: {path} has no masks of objects; choose all")


def _usable(
    recordings: Sequence[Recording], protocol: Protocol
) -> tuple[list[Recording], tuple[Note, ...]]:
    kept: list[Recording] = []
    notes: list[Note] = []
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


def baselines(trial: Trial, task: Task) -> dict[str, Predictor]:
    """What needs no model: for depth and normals, with a sensor where all recordings have one."""
    sensed = all("sensor" in recording.channels for recording in trial.recordings)
    found: dict[str, Predictor] = dict(BASELINES)
    if task == "normal":
        found = {"toward the camera": facing}
    if sensed:
        found[METHOD] = sensor_normals if task == "normal" else sensor_disparity
    return found


def rows(trial: Trial, predictors: dict[str, Predictor], protocol: Protocol, task: Task) -> Rows:
    """A row of the table for each predictor."""
    if task == "normal":
        return [score_normals(trial.recordings, n, p, protocol) for n, p in predictors.items()]
    return [score(trial.recordings, n, p, protocol) for n, p in predictors.items()]
