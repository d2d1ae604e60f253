"""From a video on disk to files of what was seen in it."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from pathlib import Path

from transphy3d.dkt.choice import one_of
from transphy3d.dkt.cloud import Sensor
from transphy3d.dkt.config import Task
from transphy3d.dkt.infer import Settings, estimate
from transphy3d.dkt.model import Model
from transphy3d.dkt.outputs import FORMATS, Format, writers
from transphy3d.dkt.video import open_video
from transphy3d.dkt.windows import Windows
from transphy3d.errors import JobError
from transphy3d.progress import Progress

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
        task=one_of("task", task, typing.get_args(Task)),
        size=read_size(size),
        steps=steps,
        windows=windows,
        seed=seed,
        parity=one_of("parity", parity, PARITIES),
    )


def read_size(text: str) -> tuple[int, int]:
    """(height, width) of "480x832". Raises JobError unless both are multiples of 16."""
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()) or 0 in (int(height), int(width)):
        raise JobError(f"--size {text!r}: is not HEIGHTxWIDTH, as in 480x832")
    if int(height) % STEP or int(width) % STEP:
        raise JobError(f"--size {text}: height and width go in steps of {STEP}")
    return int(height), int(width)


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
    chosen: list[Format] = [one_of("formats", name, FORMATS) for name in formats]
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
