"""A sequence as an MP4 that browsers play: its channels in a grid."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence as Items
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from transphy3d.files import replacing
from transphy3d.preview.colour import Picture
from transphy3d.preview.panels import TITLES, Painter, painter, tag
from transphy3d.shards.reader import Sequence

# Wider panels are reduced by a whole factor: a preview needs no more, and H.264 decoders of
# phones stop at 4096 pixels.
MAX_PANEL_WIDTH = 960
# x264: "veryfast" costs a third of the default; at quality 20 coding losses are not visible.
ENCODER = {"preset": "veryfast", "crf": "20"}
BT709 = 1
LIMITED_RANGE = 1


def grid_columns(panels: int, width: int, height: int) -> int:
    """Columns of the grid: all in a row if a panel is taller than wide, else about square."""
    return panels if height > width else math.ceil(math.sqrt(panels))


def arrange(panels: Items[Picture], columns: int) -> Picture:
    """Panels of one size (H, W, 3) row by row into one picture; empty cells are black."""
    height, width, _ = panels[0].shape
    rows = math.ceil(len(panels) / columns)
    grid = np.zeros((rows, height, columns, width, 3), np.uint8)
    for slot, panel in enumerate(panels):
        grid[slot // columns, :, slot % columns] = panel
    return grid.reshape(rows * height, columns * width, 3)


def even(picture: Picture) -> Picture:
    """The picture with its last row or column repeated where its size is odd, as 4:2:0 needs."""
    height, width, _ = picture.shape
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def reduced(picture: Picture, width: int) -> Picture:
    """The picture averaged over whole blocks until it is at most `width` wide."""
    factor = math.ceil(picture.shape[1] / width)
    return picture if factor == 1 else np.asarray(Image.fromarray(picture).reduce(factor))


def labelled(picture: Picture, text: str) -> Picture:
    """A copy with a small name plate in the top left corner."""
    plate = tag(text, max(picture.shape[0] // 20, 9))
    height, width = (min(a, b) for a, b in zip(plate.shape[:2], picture.shape[:2], strict=True))
    result = picture.copy()
    result[:height, :width] = plate[:height, :width]
    return result


def grid_frame(paint: Painter, frame: int, width: int = MAX_PANEL_WIDTH) -> Picture:
    """All channels of one frame in a grid, each at most `width` wide, sizes even."""
    panels = [
        labelled(reduced(paint.paint(name, frame), width), TITLES[name]) for name in paint.channels
    ]
    height, width, _ = panels[0].shape
    return even(arrange(panels, grid_columns(len(panels), width, height)))


def add_stream(
    container: av.container.OutputContainer, picture: Picture, fps: float
) -> av.VideoStream:
    """An H.264 stream of the picture's size, 4:2:0, tagged BT.709 so that players agree."""
    rate = Fraction(fps).limit_denominator(1001)
    stream = container.add_stream("libx264", rate=rate, options=dict(ENCODER))
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE
    return stream


def encodable(picture: Picture) -> av.VideoFrame:
    """The picture in the stream's colours."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709")


def write_frames(path: Path, frames: Iterable[Picture], fps: float) -> None:
    """Write pictures of one even size as an MP4, whole or not at all.

    The index stands at the front of the file (fast start), so that it plays while it loads.
    """
    with (
        replacing(path) as scratch,
        av.open(str(scratch), "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        stream = None
        for picture in frames:
            stream = stream or add_stream(container, picture, fps)
            container.mux(stream.encode(encodable(picture)))
        if stream:
            container.mux(stream.encode(None))


def write_video(sequence: Sequence, path: Path) -> None:
    """Write RGB, depth, normals and instances side by side as an MP4, at the sequence's rate."""
    paint = painter(sequence)
    write_frames(path, (grid_frame(paint, t) for t in range(len(sequence))), sequence.fps)
