"""A video for people: what went in beside what was seen, with a legend."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.inference.view import Stage, View
from transphy3d.preview.colour import depth_colours, normal_picture
from transphy3d.preview.panels import tag
from transphy3d.preview.video import MAX_PANEL_WIDTH, add_stream, encodable, even, reduced

CLOCK = Fraction(1, 90_000)  # MPEG's
MIN_TEXT, TEXT_SHARE = 10, 28  # pixels; a text is so many times lower than the picture
NORMAL_LEGEND = "red: right   green: up   blue: toward the camera"
ABOUT = "H.264 for people: the video, what was seen in it and a legend; each frame at its time"


class FilmWriter:
    """H.264 in the colours of the previews; wide videos are reduced by a whole factor."""

    def __init__(self, path: Path, stage: Stage) -> None:
        self._stage = stage
        self._container = av.open(str(path), "w", options={"movflags": "faststart"})
        blank = np.zeros((*stage.size, 3), np.uint8)
        self._legend = legend(stage, 2 * reduced(blank, MAX_PANEL_WIDTH).shape[1])
        self._stream = add_timed_stream(self._container, self._frame(blank, blank), stage.fps)

    def _frame(self, left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
        panels = [reduced(picture, MAX_PANEL_WIDTH) for picture in (left, right)]
        return even(np.concatenate([np.concatenate(panels, 1), self._legend]))

    def add(self, view: View) -> None:
        picture = self._frame(view.picture, coloured(view.seen))
        self._container.mux(self._stream.encode(timed_frame(view.seconds, picture)))

    def close(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()

    def describe(self) -> dict[str, Any]:
        return {"film": ABOUT}


def add_timed_stream(
    container: av.container.OutputContainer, picture: NDArray[np.uint8], fps: float = 30.0
) -> av.VideoStream:
    """An H.264 stream whose frames come at times of their own, about `fps` of them a second."""
    stream = add_stream(container, picture, fps)
    stream.codec_context.time_base = CLOCK
    return stream


def timed_frame(seconds: float, picture: NDArray[np.uint8]) -> av.VideoFrame:
    """A picture for such a stream."""
    frame = encodable(picture)
    frame.time_base, frame.pts = CLOCK, round(seconds / CLOCK)
    return frame


def coloured(seen: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 3) colours of (H, W) disparity in [0, 1] or (H, W, 3) normals."""
    if seen.ndim == 3:
        return normal_picture(seen)
    picked: NDArray[np.uint8] = depth_colours()[np.rint(seen.clip(0, 1) * 255).astype(np.intp)]
    return picked


def legend(stage: Stage, width: int) -> NDArray[np.uint8]:
    """A strip (h, width, 3) that says what the colours mean."""
    size = max(stage.size[0] // TEXT_SHARE, MIN_TEXT)
    if stage.task == "normal":
        return _strip([(NORMAL_LEGEND, 0.5)], np.zeros((width, 3), np.uint8), size)
    colours = depth_colours()[np.linspace(0, 255, width).round().astype(np.intp)]
    if stage.scale is None:
        return _strip([("far", 0.0), ("disparity", 0.5), ("near", 1.0)], colours, size)
    ticks = np.array([0.0, 0.5, 1.0], np.float32)
    metres = stage.scale.depth(ticks)
    return _strip(
        [(f"{m:.3g} m", float(t)) for t, m in zip(ticks, metres, strict=True)], colours, size
    )


def _strip(
    texts: list[tuple[str, float]], colours: NDArray[np.uint8], size: int
) -> NDArray[np.uint8]:
    """A bar of colours with texts at shares of its width."""
    plates = [tag(text, size) for text, _ in texts]
    strip = np.repeat(colours[None], plates[0].shape[0], 0)
    for plate, (_, share) in zip(plates, texts, strict=True):
        plate = plate[:, : strip.shape[1]]
        left = round(share * (strip.shape[1] - plate.shape[1]))
        strip[:, left : left + plate.shape[1]] = plate
    return strip
