"""One channel of one frame as a picture, with a depth range that holds for the sequence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from transphy3d.preview.colour import (
    Picture,
    depth_picture,
    depth_range,
    instance_picture,
    normal_picture,
)
from transphy3d.shards.reader import Sequence

TITLES = {
    "rgb": "RGB",
    "depth": "Depth",
    "normal": "Normals",
    "instance": "Instances",
    "depth_behind": "Depth behind",
}
# Frames and pixels that the depth range is taken from: quantiles need no more.
RANGE_FRAMES = 6
RANGE_STRIDE = 3


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` indices below `count`, evenly spread; all of them if there are fewer."""
    if wanted >= count:
        return list(range(count))
    return [int((slot + 0.5) * count / wanted) for slot in range(wanted)]


@dataclass(frozen=True)
class Painter:
    """Paints frames of one sequence; depth colours span `near` to `far` metres throughout."""

    sequence: Sequence
    near: float
    far: float

    @property
    def channels(self) -> list[str]:
        """The channels that are shown, in their order; depth behind only where it is alone."""
        stored = [name for name in TITLES if name in self.sequence.channels]
        return [name for name in stored if name != "depth_behind"] or stored

    def paint(self, channel: str, frame: int) -> Picture:
        """(H, W, 3) picture of a channel; one of `channels`."""
        values = self.sequence[channel][frame]
        if channel in ("depth", "depth_behind"):
            return depth_picture(values, self.near, self.far)
        if channel == "normal":
            return normal_picture(values)
        if channel == "instance":
            return instance_picture(values)
        return np.asarray(values, np.uint8)


def painter(sequence: Sequence) -> Painter:
    """A painter whose depth range comes from a few frames of the sequence."""
    stored = [name for name in ("depth", "depth_behind") if name in sequence.channels]
    if not stored:
        return Painter(sequence, 1.0, 2.0)
    frames = spread(len(sequence), RANGE_FRAMES)
    step = slice(None, None, RANGE_STRIDE)
    near, far = depth_range(sequence[stored[0]][frame][step, step] for frame in frames)
    return Painter(sequence, near, far)


@lru_cache(maxsize=16)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib ships and which has most alphabets."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf" / name), size)


def shortened(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, or as much of its start as fits `width` pixels with an ellipsis."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(maxsize=16)
def tag(text: str, size: int) -> Picture:
    """A small dark plate with the text in white, (h, w, 3)."""
    face = font(size)
    padding = max(size // 2, 2)
    extent = (int(face.getlength(text)) + 2 * padding, size + padding)
    plate = Image.new("RGB", extent, (20, 21, 24))
    ImageDraw.Draw(plate).text(
        (extent[0] / 2, extent[1] / 2), text, fill=(240, 240, 242), font=face, anchor="mm"
    )
    return np.asarray(plate)
