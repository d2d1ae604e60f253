"""From a video on disk to files of what was seen in it."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.cloud import Sensor
from transphy3d.dkt.config import Task
from transphy3d.dkt.infer import Settings, estimate
from transphy3d.dkt.metrics import Protocol
from transphy3d.dkt.model import Model
from transphy3d.dkt.outputs import FORMATS, Format, writers
from transphy3d.dkt.score import Predictor
from transphy3d.dkt.video import open_video
from transphy3d.dkt.windows import Windows
from transphy3d.errors import JobError
from transphy3d.progress import Progress
from transphy3d.shards.recording import Recording
from transphy3d.wording import suggest

PARITIES = ("ours", "dkt")
STEP = 16


def make_settings(
    *, task: str, size: str, steps: int, window: int, overlap: int, parity: str, seed: int
) -> Settings:
    """Settings from words of the command line. Raises JobError naming option, value and remedy."""
    try:
        windows = Windows(window, overlap)
    except ValueError as error:
        raise JobError(f"--{error}") from None
    return Settings(
        task=_one_of("task", task, typing.get_args(Task)),
        size=read_size(size),
        steps=steps,
        windows=windows,
        seed=seed,
        parity=_one_of("parity", parity, PARITIES),
    )


def make_protocol(
    align: str, region: str, max_depth: float | None, frames: int | None = None, stride: int = 1
) -> Protocol:
    """A protocol from words of the command line. Raises JobError."""
    return Protocol(
        align=_one_of("align", align, ("video", "frame", "none")),
        region=_one_of("region", region, ("all", "objects")),
        max_depth=max_depth,
        frames=frames,
        stride=stride,
    )


def sequence_predictor(model: Model, settings: Settings) -> Predictor:
    """A predictor that looks at a sequence's pictures."""

    def predict(recording: Recording) -> NDArray[np.floating[Any]]:
        video = open_video(recording["rgb"][:], recording.fps)
        return np.stack(list(estimate(model, video, settings)))

    return predict


def read_size(text: str) -> tuple[int, int]:
    """(height, width) of "480x832". Raises JobError unless both are multiples of 16."""
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()) or 0 in (int(height), int(width)):
        raise JobError(f"--size {text!r}: is not HEIGHTxWIDTH, as in 480x832")
    if int(height) % STEP or int(width) % STEP:
        raise JobError(f"--size {text}: height and width go in steps of {STEP}")
    return int(height), int(width)


def _one_of(option: str, value: str, known: Sequence[str]) -> typing.Any:
    if value in known:
        return value
    raise JobError(f"--{option} {value!r}: is not known; {suggest(value, known)}")


def look(
    model: Model,
    source: Path,
    out: Path,
    settings: Settings,
    formats: Sequence[str],
    progress: Progress,
    sensor: Sensor | None = None,
) -> Path:
    """See every frame of a video and write it in each format; returns the folder.

    sensor : of the first frame, for point clouds
    """
    chosen: list[Format] = [_one_of("formats", name, FORMATS) for name in formats]
    video = open_video(source)

    def told(stage: str, done: int, total: int) -> None:
        if stage == "denoise":
            progress.event("denoised", step=done, of=total)
        if stage == "decode":
            progress.frames(done, total)

    with writers(out, chosen, video, sensor) as opened:
        for frame in estimate(model, video, settings, told):
            for writer in opened:
                writer.add(frame)
    return out
