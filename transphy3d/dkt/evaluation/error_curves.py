"""Errors over time and over distance as lines of a chart, ready for the report's template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.evaluation.score import Part
from transphy3d.wording import number

WIDTH, HEIGHT = 1000, 300  # of the drawing, which the page scales
# Bins of distance that hold a smaller share of the pixels are left out as chance.
LEAST_SHARE = 1e-3
Floats = NDArray[np.float64]
Lines = Mapping[str, tuple[Floats, Floats]]  # x and y by predictor


@dataclass(frozen=True)
class Curve:
    """One predictor's line; points : "x,y x,y ..." in the drawing, y downwards."""

    name: str
    points: str


@dataclass(frozen=True)
class Chart:
    """Lines over one axis from `low` to `high`; top : label of the y axis' end, 0 is its foot."""

    title: str
    note: str
    low: str
    high: str
    top: str
    curves: tuple[Curve, ...]


def over_time(parts: Sequence[Part], unit: str, factor: float) -> Chart | None:
    """The mean error of all recordings at each frame's number; None if they have one frame.

    unit, factor : of the errors as they are shown
    """
    lines = {name: _by_frame(own, factor) for name, own in _by_predictor(parts)}
    last = max(float(x[-1]) for x, _ in lines.values())
    if not last:
        return None
    ends = ("first frame", f"frame {last:.0f}")
    return _chart("Error over time", "mean of all recordings", ends, unit, lines)


def _by_frame(parts: Sequence[Part], factor: float) -> tuple[Floats, Floats]:
    length = max(len(part.over_time) for part in parts)
    values = np.full((len(parts), length), np.nan)
    for row, part in zip(values, parts, strict=True):
        row[: len(part.over_time)] = [np.nan if v is None else v for v in part.over_time]
    frames = np.flatnonzero(np.isfinite(values).any(0))
    return frames.astype(np.float64), factor * np.nanmean(values[:, frames], axis=0)


def over_distance(
    parts: Sequence[Part], edges: Sequence[float], unit: str, factor: float
) -> Chart | None:
    """The mean error of pixels by true depth, on a logarithmic axis; None of one bin alone.

    edges : metres, of the parts' bins; unit, factor : of the errors as they are shown
    """
    lines = {name: _by_bin(own, edges, factor) for name, own in _by_predictor(parts)}
    places = np.unique(np.concatenate([x for x, _ in lines.values()]))
    if len(places) < 2:
        return None
    low, high = (f"{number(float(np.exp(place)))} m" for place in (places[0], places[-1]))
    note = "mean of all pixels at a true depth, log scale"
    return _chart("Error over distance", note, (low, high), unit, lines)


def _by_bin(parts: Sequence[Part], edges: Sequence[float], factor: float) -> tuple[Floats, Floats]:
    middles = (np.log(edges[1:]) + np.log(edges[:-1])) / 2
    sums, counts = np.array([part.over_distance for part in parts]).sum(0).T
    kept = counts > LEAST_SHARE * counts.sum()
    return middles[kept], factor * sums[kept] / counts[kept]


def _by_predictor(parts: Sequence[Part]) -> Iterable[tuple[str, list[Part]]]:
    for name in dict.fromkeys(part.predictor for part in parts):
        yield name, [part for part in parts if part.predictor == name]


def _chart(title: str, note: str, ends: tuple[str, str], unit: str, lines: Lines) -> Chart:
    """The lines over what x they span together, from 0 to the greatest y."""
    every = np.concatenate([x for x, _ in lines.values()])
    low, high = float(every.min()), float(every.max())
    top = max(float(y.max(initial=0)) for _, y in lines.values()) or 1.0
    curves = tuple(
        Curve(name, _points((x - low) / (high - low), y / top)) for name, (x, y) in lines.items()
    )
    return Chart(title, note, *ends, number(top) + unit, curves)


def _points(x: Floats, y: Floats) -> str:
    pairs = zip(WIDTH * x, HEIGHT * (1 - y), strict=True)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in pairs)
