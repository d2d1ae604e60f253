"""A held-out clip as people look at it: picture, truth, prediction and error side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from transphy3d.dkt.evaluation.metrics import Protocol, aligned_depth
from transphy3d.files import replacing
from transphy3d.preview.colour import (
    BACKGROUND,
    LEVELS,
    Picture,
    depth_picture,
    depth_range,
    normal_picture,
)
from transphy3d.preview.panels import spread, tag
from transphy3d.preview.video import even, reduced, write_frames

Floats = NDArray[np.floating[Any]]
# Pictures (T, H, W, 3) by name, in the order in which they are shown.
Panels = Mapping[str, Picture]

# Errors from which the brightest colour is shown.
MAX_REL = 0.25
MAX_DEGREES = 45.0
ERROR_MAP = "viridis"
# Smaller panels are enlarged by a whole factor, so that their name plate leaves them visible.
MIN_WIDTH, MAX_WIDTH = 240, 480
NAME_SHARE = 10  # of a panel's height is its name's
STRIP_FRAMES = 5
QUALITY = 90


def depth_panels(rgb: Picture, truth: Floats, predicted: Floats) -> Panels:
    """Panels of a clip, depth in the colours of the previews over the truth's range.

    rgb : (T, H, W, 3); truth : (T, H, W) metres, 0 = unknown; predicted : (T, H, W) disparity up to
    scale and shift, which are fitted over the clip. The error is |p - g| / g.
    """
    known = truth > 0
    depth = aligned_depth(predicted, truth, known, Protocol())
    near, far = depth_range(truth)
    error = np.abs(depth - truth) / np.where(known, truth, 1)
    return {
        "RGB": rgb,
        "truth": depth_picture(truth, near, far),
        "predicted": depth_picture(depth, near, far),
        "error": error_picture(error / MAX_REL, known),
    }


def normal_panels(rgb: Picture, truth: Floats, predicted: Floats) -> Panels:
    """Panels of a clip, normals (T, H, W, 3) in camera axes, 0 = unknown. The error is an angle."""
    known = np.any(truth != 0, axis=-1)
    unit = _unit(predicted)
    angle = np.degrees(np.arccos((unit * truth).sum(-1).clip(-1, 1)))
    return {
        "RGB": rgb,
        "truth": normal_picture(truth),
        "predicted": normal_picture(unit),
        "error": error_picture(angle / MAX_DEGREES, known),
    }


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-6))


def error_picture(share: Floats, known: NDArray[np.bool_]) -> Picture:
    """(..., H, W, 3) colours of errors from 0, dark, to 1 and more, bright; grey where unknown."""
    colours = np.rint(colormaps[ERROR_MAP](np.linspace(0, 1, LEVELS))[:, :3] * 255).astype(np.uint8)
    level = np.rint(share.clip(0, 1) * (LEVELS - 1)).astype(np.intp)
    return np.where(known[..., None], colours[level], BACKGROUND)


def write_strip(path: Path, panels: Panels) -> None:
    """A JPEG: a row for each panel, a column for each of a few frames spread over the clip."""
    frames = spread(len(next(iter(panels.values()))), STRIP_FRAMES)
    rows = [
        np.concatenate([_panel(name, pictures[frame]) for frame in frames], axis=1)
        for name, pictures in panels.items()
    ]
    with replacing(path) as scratch:
        Image.fromarray(np.concatenate(rows)).save(scratch, format="JPEG", quality=QUALITY)


def write_clip(path: Path, panels: Panels, fps: float) -> None:
    """An MP4 of all panels side by side, at the rate of the recording."""
    count = len(next(iter(panels.values())))
    write_frames(path, (_row(panels, frame) for frame in range(count)), fps)


def _row(panels: Panels, frame: int) -> Picture:
    row = [_panel(name, pictures[frame]) for name, pictures in panels.items()]
    return even(np.concatenate(row, axis=1))


def _panel(name: str, picture: Picture) -> Picture:
    """A picture at a size for people, with its name."""
    factor = math.ceil(MIN_WIDTH / picture.shape[1])
    sized = reduced(picture.repeat(factor, axis=0).repeat(factor, axis=1), MAX_WIDTH)
    plate = tag(name, max(sized.shape[0] // NAME_SHARE, 11))
    sized = sized.copy()
    sized[: plate.shape[0], : plate.shape[1]] = plate
    return sized
