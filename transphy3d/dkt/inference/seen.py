"""A video frame by frame with what a model sees in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from transphy3d.dkt.inference.infer import Settings, Told, estimate, silent
from transphy3d.dkt.inference.lens import Lens
from transphy3d.dkt.inference.metres import Known, Sensor, check_sensor, check_track, find_scale
from transphy3d.dkt.inference.track import Track
from transphy3d.dkt.inference.video import Video
from transphy3d.dkt.inference.view import Stage, View
from transphy3d.dkt.model.model import Model
from transphy3d.errors import JobError, ModelError


def views(
    model: Model,
    video: Video,
    settings: Settings,
    lens: Lens,
    known: Known | None = None,
    told: Told = silent,
) -> Iterator[tuple[Stage, View]]:
    """Every frame of a video with what was seen in it, and what all of them share.

    known : what gives metres; its scale, of the first frame, holds for all
    Raises ModelError where the model sees NaN, JobError where `known` does not fit.
    """
    _check(known, settings, video)
    scale = None
    seen = enumerate(estimate(model, video, settings, told))
    for (number, values), (seconds, picture) in zip(seen, video.timed(), strict=False):
        if not np.isfinite(values).all():
            raise ModelError(
                f"{video.name}: the model gives NaN in frame {number + 1}; try --dtype float32"
            )
        if not number and known:
            scale = find_scale(values, lens.matrix, known, video)
        depth = scale.depth(values) if scale else None
        stage = Stage(settings.task, video.fps, video.size, lens.matrix, scale)
        yield stage, View(number, seconds, picture, values, depth)


def _check(known: Known | None, settings: Settings, video: Video) -> None:
    """Before the work: can what is known give metres?"""
    if known and settings.task != "depth":
        raise JobError(
            "--sensor, --camera-height and --poses: metres are of depth; use --task depth"
        )
    if isinstance(known, Sensor):
        check_sensor(known.depth, video.size)
    if isinstance(known, Track):
        check_track(known, video.announced)
