"""A training run as one HTML page; it needs no network and no server.

Videos stand beside it in the run's folder and are linked; all else is in the page.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transphy3d
from transphy3d.dkt.config import Task, TrainingJob
from transphy3d.dkt.training import checkpoint, gallery
from transphy3d.dkt.training.curves import Line, charts, svg
from transphy3d.dkt.training.log import read_log
from transphy3d.dkt.training.panels import MAX_DEGREES, MAX_REL
from transphy3d.files import write_text
from transphy3d.templates import open_templates

PAGE_NAME = "report.html"
# The figure that checkpoints are ranked by, as the log and as people call it.
RANKED: dict[Task, tuple[str, str]] = {
    "depth": ("rel", "REL"),
    "normal": ("mean_angle", "mean angle, °"),
}
ERRORS: dict[Task, str] = {
    "depth": f"Error: |p - g| / g, bright from {MAX_REL:.0%} on; grey is unknown.",
    "normal": f"Error: angle, bright from {MAX_DEGREES:g}° on; grey is unknown.",
}


@dataclass(frozen=True)
class Figure:
    """A figure with its label."""

    label: str
    text: str


@dataclass(frozen=True)
class Clip:
    """One held-out clip; strip : data URI; video : address relative to the page."""

    strip: str
    video: str


@dataclass(frozen=True)
class Look:
    """What a checkpoint saw; title : which one it is."""

    title: str
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class Setting:
    """One key of the job with its value."""

    key: str
    value: str


def write_report(root: Path, job: TrainingJob) -> Path:
    """Write report.html into a run's folder and return its path.

    Pictures and videos of validations whose checkpoint is gone are removed.
    """
    gallery.prune(root, [c.step for c in checkpoint.found(root)])
    environment = open_templates("transphy3d.dkt", "transphy3d.preview")
    path = root / PAGE_NAME
    write_text(path, environment.get_template("training.html.j2").render(page(root, job)))
    return path


def page(root: Path, job: TrainingJob) -> dict[str, Any]:
    """Everything that the template shows."""
    log, kept = read_log(root), checkpoint.found(root)
    return {
        "job": job,
        "figures": key_figures(log, job, checkpoint.best(kept)),
        "charts": [svg(chart) for chart in charts(log)],
        "ranked": RANKED[job.task][1],
        "checkpoints": rows(kept),
        "looks": looks(root, kept),
        "errors": ERRORS[job.task],
        "settings": settings(job.model_dump(mode="json")),
        "version": transphy3d.__version__,
    }


def key_figures(
    log: Sequence[Line], job: TrainingJob, best: Sequence[checkpoint.Checkpoint]
) -> list[Figure]:
    """The figures at the top."""
    step = log[-1]["step"] if log else 0
    found = [Figure(f"of {job.run.steps:,} steps", f"{step:,}")]
    found += [
        Figure(label, f"{v:.3f}")
        for label, v in (
            ("training loss", _last(log, "loss")),
            ("held-out loss", _last(log, "validation_loss")),
            (f"last {RANKED[job.task][1]}", _last(log, RANKED[job.task][0])),
        )
        if v is not None
    ]
    if best:
        label = f"best {RANKED[job.task][1]}, after step {best[0].step:,}"
        found.append(Figure(label, f"{best[0].score:.3f}"))
    return found


def _last(log: Sequence[Line], name: str) -> float | None:
    return next((float(line[name]) for line in reversed(log) if name in line), None)


def rows(kept: Sequence[checkpoint.Checkpoint]) -> list[dict[str, Any]]:
    """The checkpoints on disk, best first, then those without a score."""
    best = checkpoint.best(list(kept))
    ordered = [*best, *(c for c in kept if c.score is None)]
    return [
        {
            "step": c.step,
            "score": "–" if c.score is None else f"{c.score:.4f}",
            "note": _note(c, kept, best),
            "path": f"{checkpoint.FOLDER}/{c.path.name}",
        }
        for c in ordered
    ]


def _note(
    c: checkpoint.Checkpoint,
    kept: Sequence[checkpoint.Checkpoint],
    best: Sequence[checkpoint.Checkpoint],
) -> str:
    words = ["last"] if c == kept[-1] else []
    return " and ".join(["best", *words] if best and c == best[0] else words)


def looks(root: Path, kept: Sequence[checkpoint.Checkpoint]) -> list[Look]:
    """What the last checkpoint with pictures saw, and the best one if it is another."""
    seen = [c for c in kept if gallery.strips(root, c.step)]
    best = checkpoint.best(seen)[:1]
    chosen = {c.step: c for c in [*seen[-1:], *best]}
    return [
        Look(f"After step {step:,} ({_note(c, kept, best)})".replace(" ()", ""), _clips(root, step))
        for step, c in chosen.items()
    ]


def _clips(root: Path, step: int) -> tuple[Clip, ...]:
    return tuple(
        Clip(_inlined(strip), strip.with_suffix(".mp4").relative_to(root).as_posix())
        for strip in gallery.strips(root, step)
    )


def _inlined(picture: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")


def settings(values: dict[str, Any], prefix: str = "") -> list[Setting]:
    """The job's keys as a list, sections written as `section.key`."""
    found: list[Setting] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found += settings(value, f"{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, each in enumerate(value):
                found += settings(each, f"{name}[{number}].")
        else:
            found.append(Setting(name, "null" if value is None else str(value)))
    return found
