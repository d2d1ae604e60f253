"""A run's figures over its steps, as charts."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from transphy3d.files import replacing

Line = Mapping[str, Any]  # of the log: a step and its figures
# Share of the steps that the bold line of a noisy figure is averaged over.
SMOOTHED = 0.05
MANY_POINTS = 40
SIZE = (3.8, 2.7)  # inches
DPI = 110
COLOURS = ("#2f6fde", "#8a919e", "#c27c0e", "#24a148")
# Legible on white and on black.
GREY = "#7b8290"
STYLE: dict[Any, Any] = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "svg.fonttype": "none",
    "svg.hashsalt": "transphy3d",
    "font.size": 9,
}


@dataclass(frozen=True)
class Curve:
    """One figure over steps; level : it is what a baseline scores, the same at every step."""

    label: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    level: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves that share their axes."""

    title: str
    curves: tuple[Curve, ...]


# Titles, and the log's names with their labels.
CHARTS = {
    "Training loss": {"loss": "loss"},
    "Loss at fixed noise, held out": {"validation_loss": "loss"},
    "REL, held out (lower is better)": {
        "rel": "model",
        "rel_constant": "constant",
        "rel_image_gradient": "image gradient",
    },
    "Share of pixels, held out": {"delta_1.25": "δ < 1.25", "delta_1.05": "δ < 1.05"},
    "Mean angle, held out, degrees": {
        "mean_angle": "model",
        "mean_angle_constant": "constant",
    },
}
LEVELS = ("rel_constant", "rel_image_gradient", "mean_angle_constant")


def charts(log: Sequence[Line]) -> list[Chart]:
    """What a log has to show; charts without a figure are left out."""
    found = [Chart(title, tuple(_curves(log, names))) for title, names in CHARTS.items()]
    return [chart for chart in found if chart.curves]


def _curves(log: Sequence[Line], names: Mapping[str, str]) -> Iterable[Curve]:
    for name, label in names.items():
        told = [line for line in log if name in line]
        if told:
            steps = np.array([line["step"] for line in told])
            values = np.array([line[name] for line in told], np.float64)
            yield Curve(label, steps, values, name in LEVELS)


@rc_context(STYLE)
def svg(chart: Chart) -> str:
    """The chart as an <svg> element for a page."""
    buffer = io.StringIO()
    _figure([chart]).savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


@rc_context(STYLE)
def write_picture(path: Path, shown: Sequence[Chart]) -> None:
    """A PNG of charts side by side."""
    with replacing(path) as scratch:
        _figure(shown).savefig(scratch, format="png", dpi=DPI)


def _figure(shown: Sequence[Chart]) -> Figure:
    figure = Figure((SIZE[0] * len(shown), SIZE[1]), layout="constrained")
    for chart, axes in zip(shown, figure.subplots(1, len(shown), squeeze=False)[0], strict=True):
        _draw(chart, axes)
    return figure


def _draw(chart: Chart, axes: Axes) -> None:
    axes.set_title(chart.title, fontsize=10)
    axes.set_xlabel("step")
    for curve, colour in zip(chart.curves, COLOURS, strict=False):
        _draw_curve(curve, axes, colour)
    if len(chart.curves) > 1:
        axes.legend(frameon=False)
    if any(curve.level for curve in chart.curves):
        axes.set_ylim(bottom=0)  # how far below a baseline is to be seen
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def _draw_curve(curve: Curve, axes: Axes, colour: str) -> None:
    if curve.level:
        axes.axhline(curve.values[-1], color=colour, linestyle="--", label=curve.label)
        return
    many = len(curve.steps) > MANY_POINTS
    width = max(round(SMOOTHED * len(curve.steps)), 1) if many else 1
    if width > 1:
        axes.plot(curve.steps, curve.values, color=colour, alpha=0.25, linewidth=0.8)
    marker = "" if many else "o"
    steps, values = smoothed(curve, width)
    axes.plot(steps, values, color=colour, marker=marker, markersize=3.5, label=curve.label)


def smoothed(curve: Curve, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(steps, means) over every `width` neighbouring points."""
    kernel = np.ones(width) / width
    return (
        np.convolve(curve.steps, kernel, mode="valid"),
        np.convolve(curve.values, kernel, mode="valid"),
    )
