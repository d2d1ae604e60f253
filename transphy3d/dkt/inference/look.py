"""From a video on disk to files of what was seen in it."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transphy3d import __version__
from transphy3d.dkt.choice import one_of
from transphy3d.dkt.config import Task
from transphy3d.dkt.inference.infer import Settings
from transphy3d.dkt.inference.lens import Lens
from transphy3d.dkt.inference.metres import Known
from transphy3d.dkt.inference.outputs import (
    MAKER,
    Outputs,
    check_space,
    pick_formats,
    workplace,
    write_info,
)
from transphy3d.dkt.inference.seen import views
from transphy3d.dkt.inference.video import Video
from transphy3d.dkt.inference.view import Stage
from transphy3d.dkt.model.model import Model
from transphy3d.dkt.model.windows import Windows
from transphy3d.errors import JobError
from transphy3d.progress import Progress

PARITIES = ("ours", "dkt")
STEP = 16


def make_settings(
    *,
    task: str,
    size: str,
    steps: int,
    window: int,
    overlap: int,
    parity: str,
    seed: int,
    batch: int = 1,
) -> Settings:
    """Settings from words of the command line. Raises JobError naming option, value and remedy."""
    if seed < 0:
        raise JobError(f"--seed {seed}: is negative; name 0 or more")
    try:
        windows = Windows(window, overlap)
    except ValueError as error:
        raise JobError(f"--{error}") from None
    return Settings(
        task=read_task(task),
        size=read_size(size),
        steps=steps,
        windows=windows,
        seed=seed,
        batch=batch,
        parity=one_of("parity", parity, PARITIES),
    )


def read_task(text: str) -> Task:
    """A task by its name. Raises JobError with the nearest one."""
    task: Task = one_of("task", text, typing.get_args(Task))
    return task


def read_size(text: str) -> tuple[int, int]:
    """(height, width) of "480x832". Raises JobError unless both are multiples of 16."""
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()) or 0 in (int(height), int(width)):
        raise JobError(f"--size {text!r}: is not HEIGHTxWIDTH, as in 480x832")
    if int(height) % STEP or int(width) % STEP:
        raise JobError(f"--size {text}: height and width go in steps of {STEP}")
    return int(height), int(width)


@dataclass(frozen=True)
class Wish:
    """What is to be written of a video.

    known : what gives metres; ply_every : of how many frames one becomes a point cloud
    about : plain data on the model for `info.json`
    """

    formats: Sequence[str]
    lens: Lens
    known: Known | None = None
    ply_every: int = 1
    about: Mapping[str, Any] = field(default_factory=dict)


def look(
    model: Model, video: Video, out: Path, settings: Settings, wish: Wish, progress: Progress
) -> Path:
    """See every frame of a video and write it in each format; returns the folder.

    Stopped, it begins anew; what an earlier run wrote stays until the new files are whole.
    """
    chosen = pick_formats(wish.formats, settings.task, wish.known is not None)

    def told(stage: str, done: int, total: int) -> None:
        if stage == "denoise":
            progress.event("denoised", step=done, of=total)
        if stage == "decode":
            progress.frames(done, total)

    with workplace(out) as folder:
        values = 3 if settings.task == "normal" else 1 + (wish.known is not None)
        check_space(out, chosen, video.size, video.announced or 1, values)
        seen = views(model, video, settings, wish.lens, wish.known, told)
        first = next(seen)
        stage = first[0]
        outputs = Outputs(folder, chosen, stage, wish.ply_every)
        for _, view in itertools.chain([first], seen):
            outputs.add(view)
        outputs.close()
        write_info(folder, outputs, facts(video, view.number + 1, settings, wish, stage))
    return out


def facts(
    video: Video, frames: int, settings: Settings, wish: Wish, stage: Stage
) -> dict[str, Any]:
    """How a folder's files were made, as JSON values."""
    lens = wish.lens
    return {
        "made_by": f"{MAKER}{__version__}",
        "video": {"source": video.name, "frames": frames, "size": video.size, "fps": video.fps},
        "model": dict(wish.about),
        "settings": asdict(settings),
        "intrinsics": {
            "matrix": lens.matrix.tolist(),
            "source": lens.source,
            "assumed": lens.assumed,
        },
        "metres": asdict(stage.scale) if stage.scale else None,
        "axes": "OpenCV camera: x right, y down, z forward",
    }
