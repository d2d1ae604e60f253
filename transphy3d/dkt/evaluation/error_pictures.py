"""Where a prediction is wrong: picture, truth, prediction and error side by side."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from transphy3d.dkt.config import Task
from transphy3d.dkt.evaluation.score import Outcome
from transphy3d.dkt.training.panels import error_picture
from transphy3d.files import replacing
from transphy3d.preview.colour import (
    BACKGROUND,
    Picture,
    depth_picture,
    depth_range,
    normal_picture,
)
from transphy3d.preview.panels import font, shortened
from transphy3d.shards.recording import Recording

PANEL_WIDTH = 416
GAP = 6
HEADER = 26
BAR = 14
TICKS = 20
TEXT_SIZE = 13
INK = (240, 240, 242)
# The error at which the colours end: the paper's widest share of depth is within 1.25.
WORST: dict[Task, float] = {"depth": 0.25, "normal": 45.0}


def file_name(recording: Recording, frame: int, predictor: str, key: str) -> str:
    """Of safe characters only; the part's key keeps other protocols' pictures apart."""
    words = f"{recording.name}-{frame:06d}-{predictor}-{key[:8]}"
    return re.sub(r"[^A-Za-z0-9._-]+", "_", words) + ".png"


def write_picture(path: Path, outcome: Outcome, frame: int, predictor: str) -> None:
    """A PNG of one frame: picture, truth, prediction and error, and a colour bar below."""
    titles = ("Picture", "Truth", f"Prediction: {predictor}", "Error")
    panels = [_scaled(panel) for panel in panels_of(outcome, frame)]
    canvas = _canvas(panels, titles)
    _draw_bar(canvas, panels[0].shape[1], outcome.truth.task)
    with replacing(path) as scratch:
        canvas.save(scratch, format="PNG")


def panels_of(outcome: Outcome, frame: int) -> list[Picture]:
    """Picture, truth, prediction and error of a frame, (H, W, 3) each.

    Truth and prediction share their colours; grey is what is unknown or does not count.
    """
    truth = outcome.truth
    picture = truth.recording["rgb"][frame]
    mask = truth.mask[frame]
    error = error_picture(np.where(mask, outcome.error[frame], 0) / WORST[truth.task], mask)
    if truth.task == "normal":
        return [
            picture,
            normal_picture(truth.normal[frame]),
            normal_picture(outcome.shown[frame]),
            error,
        ]
    depth = truth.depth[frame]
    span = depth_range([np.where(mask, depth, 0)])
    shown = depth_picture(outcome.shown[frame], *span)
    return [picture, depth_picture(depth, *span), shown, error]


def _scaled(panel: Picture) -> Picture:
    height, width = panel.shape[:2]
    size = (PANEL_WIDTH, max(round(height * PANEL_WIDTH / width), 1))
    method = Image.Resampling.BOX if width > PANEL_WIDTH else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(panel).resize(size, method))


def _canvas(panels: list[Picture], titles: tuple[str, ...]) -> Image.Image:
    height, width = panels[0].shape[:2]
    size = (len(panels) * (width + GAP) - GAP, HEADER + height + GAP + BAR + TICKS)
    canvas = Image.new("RGB", size, tuple(BACKGROUND.tolist()))
    draw, face = ImageDraw.Draw(canvas), font(TEXT_SIZE)
    for number, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        left = number * (width + GAP)
        canvas.paste(Image.fromarray(panel), (left, HEADER))
        text = shortened(title, face, width - 12)
        draw.text((left + 6, HEADER / 2), text, fill=INK, font=face, anchor="lm")
    return canvas


def _draw_bar(canvas: Image.Image, width: int, task: Task) -> None:
    """The scale of the error's colours, below its panel."""
    left, top = canvas.width - width, canvas.height - BAR - TICKS
    ramp = np.broadcast_to(np.linspace(0, 1, width), (BAR, width))
    canvas.paste(Image.fromarray(error_picture(ramp, ramp >= 0)), (left, top))
    draw, face = ImageDraw.Draw(canvas), font(TEXT_SIZE - 1)
    for share, anchor in ((0.0, "lm"), (0.5, "mm"), (1.0, "rm")):
        place = (left + GAP + share * (width - 2 * GAP), top + BAR + TICKS / 2)
        draw.text(place, tick(share, task), fill=INK, font=face, anchor=anchor)
    words = "relative error |p - g| / g" if task == "depth" else "angle to the true normal"
    draw.text((left - GAP - 6, top + BAR / 2), words, fill=INK, font=face, anchor="rm")


def tick(share: float, task: Task) -> str:
    """A number at the colour bar."""
    value = f"{100 * share * WORST[task]:g} %" if task == "depth" else f"{share * WORST[task]:g}°"
    return f"≥ {value}" if share == 1 else value
