"""Predictors measured on recordings; what is done is kept, so that a stopped evaluation goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import transphy3d
from transphy3d.dkt.config import Task
from transphy3d.dkt.evaluation.error_pictures import file_name, write_picture
from transphy3d.dkt.evaluation.metrics import Protocol
from transphy3d.dkt.evaluation.predictors import Predictor, stamp
from transphy3d.dkt.evaluation.results import Results, group_tables, rows_of, worst_first
from transphy3d.dkt.evaluation.score import DISTANCE_EDGES, Part, Truth, compare, part_of
from transphy3d.dkt.evaluation.trial import Trial
from transphy3d.files import canonical_json, sha256_text, write_json
from transphy3d.jsonio import from_json, to_data
from transphy3d.preview.panels import spread
from transphy3d.progress import Progress
from transphy3d.shards.excerpt import origin
from transphy3d.shards.recording import Recording

PARTS = "parts"
PICTURES = "pictures"


@dataclass(frozen=True)
class Evaluation:
    """What is measured and how.

    pictures : how many frames are painted for each predictor, evenly chosen over all recordings
    """

    trial: Trial
    predictors: Sequence[Predictor]
    protocol: Protocol
    task: Task
    pictures: int = 0


def evaluate(what: Evaluation, out: Path, progress: Progress) -> Results:
    """Measure every predictor on every recording.

    out : folder that keeps finished parts and the pictures; a part is used again as long as the
        recording, the prediction and the protocol are the same
    """
    total = sum(map(len, what.trial.recordings)) * len(what.predictors)
    parts: list[Part] = []
    for part in measured(what, out):
        parts.append(part)
        progress.frames(sum(each.frames for each in parts), total)
    return results(what, parts)


def measure(what: Evaluation) -> Results:
    """Measure in memory alone: no part is kept, and no picture painted."""
    return results(what, list(measured(what, None)))


def results(what: Evaluation, parts: Sequence[Part]) -> Results:
    """The parts and their means."""
    return Results(
        task=what.task,
        title=what.trial.title,
        protocol=asdict(what.protocol),
        notes=(*what.trial.notes, *(_note(each) for each in what.predictors if each.about)),
        methods={each.name: dict(each.about) for each in what.predictors},
        rows=rows_of(parts),
        groups=group_tables(parts),
        parts=worst_first(parts, what.task),
        distance_edges=tuple(DISTANCE_EDGES.tolist()),
    )


def _note(predictor: Predictor) -> str:
    facts = (f"{key} {value}" for key, value in predictor.about.items() if isinstance(value, str))
    return f"{predictor.name}: {', '.join(facts)}"


def measured(what: Evaluation, out: Path | None) -> Iterator[Part]:
    """Every predictor's part on every recording, recording by recording."""
    chosen = chosen_frames(what.trial.recordings, what.pictures)
    stamps = {path: stamp(path) for path in {origin(r)[0].path for r in what.trial.recordings}}
    for recording, frames in zip(what.trial.recordings, chosen, strict=True):
        truth = Truth(recording, what.protocol, what.task)
        for predictor in what.predictors:
            key = part_key(recording, predictor, what, frames, stamps)
            yield _kept(out, key) or _measure(truth, predictor, frames, out, key)


def chosen_frames(recordings: Sequence[Recording], wanted: int) -> list[list[int]]:
    """For each recording, its frames among `wanted` that are evenly chosen over all of them."""
    places = [(n, frame) for n, each in enumerate(recordings) for frame in range(len(each))]
    found: list[list[int]] = [[] for _ in recordings]
    for slot in spread(len(places), wanted):
        number, frame = places[slot]
        found[number].append(frame)
    return found


def part_key(
    recording: Recording,
    predictor: Predictor,
    what: Evaluation,
    frames: Sequence[int],
    stamps: Mapping[Path, str],
) -> str:
    """The name of a part: the hash of everything that it depends on.

    frames : that are painted; stamps : by the recordings' paths
    """
    stored, numbers = origin(recording)
    identity: dict[str, Any] = {
        "version": transphy3d.__version__,
        "protocol": asdict(what.protocol),
        "task": what.task,
        "recording": [stamps[stored.path], stored.name, numbers],
        "predictor": [predictor.name, predictor.kind, predictor.about, predictor.state(recording)],
        "pictures": list(frames),
    }
    return sha256_text(canonical_json(identity))


def _kept(out: Path | None, key: str) -> Part | None:
    """A part that an earlier evaluation finished, with its pictures."""
    if out is None:
        return None
    try:
        part = from_json(Part, (out / PARTS / f"{key}.json").read_bytes())
    except (OSError, ValidationError):
        return None
    whole = all((out / PICTURES / name).is_file() for name in part.pictures.values())
    return part if whole else None


def _measure(
    truth: Truth, predictor: Predictor, frames: Sequence[int], out: Path | None, key: str
) -> Part:
    outcome = compare(truth, predictor)
    if out is None:
        return part_of(outcome, predictor, {})
    names = {frame: file_name(truth.recording, frame, predictor.name, key) for frame in frames}
    for frame, name in names.items():
        write_picture(out / PICTURES / name, outcome, frame, predictor.name)
    part = part_of(outcome, predictor, names)
    write_json(out / PARTS / f"{key}.json", to_data(part))
    return part
