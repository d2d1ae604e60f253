"""Counts as bars and numbers as histograms, ready for the report's template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from transphy3d.preview.facts import DEPTH_EDGES, Facts
from transphy3d.wording import duration, number

MAX_BARS = 12
BINS = 25


@dataclass(frozen=True)
class Bar:
    """One bar; `length` is its share of the longest, `text` the value as shown."""

    label: str
    text: str
    length: float


@dataclass(frozen=True)
class BarChart:
    """Bars from long to short; `omitted` says what was left off, "" for nothing."""

    title: str
    bars: tuple[Bar, ...]
    omitted: str = ""


@dataclass(frozen=True)
class Histogram:
    """Counts per bin; `low`, `high` label the axis, `summary` gives median and quantiles.

    labels : per bin, its range and count in words
    """

    title: str
    counts: tuple[int, ...]
    heights: tuple[float, ...]
    labels: tuple[str, ...]
    low: str
    high: str
    summary: str


def bar_chart(title: str, counts: Counter[str]) -> BarChart:
    """The most frequent labels; the rest as one remark."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ordered[:MAX_BARS], ordered[MAX_BARS:]
    longest = max((count for _, count in shown), default=1)
    bars = tuple(Bar(label, f"{count:,}", count / longest) for label, count in shown)
    total = sum(count for _, count in rest)
    return BarChart(title, bars, f"and {len(rest)} more, together {total:,}" if rest else "")


def stage_chart(title: str, seconds: dict[str, float]) -> BarChart:
    """Time by stage, in words."""
    ordered = sorted(seconds.items(), key=lambda item: -item[1])
    longest = max(seconds.values(), default=1.0) or 1.0
    return BarChart(title, tuple(Bar(name, duration(s), s / longest) for name, s in ordered))


def histogram(title: str, unit: str, values: Iterable[float]) -> Histogram:
    """Even bins over all values; whole numbers in a small range get a bin each."""
    data = np.asarray(list(values), np.float64)
    if data.size == 0:
        return Histogram(title, (), (), (), "", "", "no data")
    counts, edges = np.histogram(data, bin_edges(data))
    low, middle, high = np.quantile(data, (0.05, 0.5, 0.95))
    whole = is_whole(data)
    summary = spread_words(low, middle, high, unit)
    return binned(title, unit, counts, edges + 0.5 if whole else edges, summary, whole=whole)


def spread_words(low: float, middle: float, high: float, unit: str) -> str:
    """Median and the range of the middle 90% in words."""
    ends, centre = (number(low), number(high)), number(middle)
    if ends[0] == ends[1]:
        return f"practically always {centre}{unit}"
    return f"median {centre}{unit}, 90% within {ends[0]} to {ends[1]}{unit}"


def is_whole(data: npt.NDArray[np.float64]) -> bool:
    """Whether values are integers few enough for a bin each."""
    return bool(np.all(data == np.rint(data)) and np.ptp(data) < BINS)


def bin_edges(data: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Edges of even bins that hold all values."""
    low, high = float(data.min()), float(data.max())
    if is_whole(data):
        return np.arange(low - 0.5, high + 1.0)
    # A spread that three digits cannot show is one value: do not blow up rounding noise.
    size = max(abs(low), abs(high)) or 1.0
    margin = 0.0 if high - low > 0.005 * size else 0.05 * size
    return np.linspace(low - margin, high + margin, BINS + 1)


def depth_histogram(counts: npt.NDArray[np.int64]) -> Histogram:
    """Pixels over the fixed, logarithmic depth bins, without the empty ends."""
    filled = np.flatnonzero(counts)
    title = "Depth of pixels (log scale)"
    if filled.size == 0:
        return Histogram(title, (), (), (), "", "", "no data")
    first, last = int(filled[0]), int(filled[-1]) + 1
    running = np.cumsum(counts) / counts.sum()
    low, middle, high = (
        DEPTH_EDGES[int(np.searchsorted(running, share)) + 1] for share in (0.05, 0.5, 0.95)
    )
    summary = spread_words(low, middle, high, " m")
    return binned(title, " m", counts[first:last], DEPTH_EDGES[first : last + 1], summary)


def binned(
    title: str,
    unit: str,
    counts: npt.NDArray[np.int64],
    edges: npt.NDArray[np.float64],
    summary: str,
    *,
    whole: bool = False,
) -> Histogram:
    """A histogram of ready counts; `whole` names a bin by its one number, edges[bin]."""
    tallest = max(int(counts.max()), 1)
    names = [number(edge) for edge in edges]
    spans = names[:-1] if whole else [f"{a} to {b}" for a, b in pairwise(names)]
    return Histogram(
        title=title,
        counts=tuple(map(int, counts)),
        heights=tuple(float(count) / tallest for count in counts),
        labels=tuple(f"{s}{unit}: {c:,}" for s, c in zip(spans, counts, strict=True)),
        low=names[0] + unit,
        high=names[-2 if whole else -1] + unit,
        summary=summary,
    )


def added(facts: Iterable[Counter[str]]) -> Counter[str]:
    """The sum of counters."""
    total: Counter[str] = Counter()
    for counter in facts:
        total.update(counter)
    return total


def content_charts(facts: Sequence[Facts]) -> list[BarChart]:
    """What is in the scenes."""
    return [
        bar_chart("Objects by family", added(item.families for item in facts)),
        bar_chart("Pieces by material", added(item.materials for item in facts)),
        bar_chart("Pieces by kind of material", added(item.kinds for item in facts)),
        bar_chart("Pieces by optical class", added(item.optical for item in facts)),
        bar_chart("Scenes by support", Counter(item.support for item in facts)),
        bar_chart("Scenes by surroundings", Counter(item.room for item in facts)),
        bar_chart("Scenes by light rig", Counter(item.rig for item in facts)),
        bar_chart("Scenes by environment", Counter(item.environment for item in facts)),
    ]


def geometry_charts(facts: Sequence[Facts]) -> list[Histogram]:
    """How much is seen of it, and from where."""
    pixels = [item.pixels for item in facts if item.pixels is not None]
    cameras = [item.camera for item in facts]
    empty = np.zeros(len(DEPTH_EDGES) - 1, np.int64)
    share = [100 * value for item in pixels for value in item.share]
    visible = [100 * value for item in pixels for value in item.visible]
    return [
        histogram("Objects per scene", "", (item.objects for item in facts)),
        depth_histogram(sum((item.depth for item in pixels), start=empty)),
        histogram("Share of the picture per object", "%", share),
        histogram("Frames that show an object", "%", visible),
        histogram("Camera distance", " m", np.concatenate([c.distance for c in cameras])),
        histogram("Camera elevation", "°", np.concatenate([c.elevation for c in cameras])),
        histogram("Field of view", "°", (camera.fov for camera in cameras)),
        histogram("Camera speed", " m/s", np.concatenate([c.speed for c in cameras])),
    ]


def making_charts(facts: Sequence[Facts]) -> list[BarChart]:
    """What it cost, and what was thrown away."""
    seconds: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for item in facts:
        for stage, value in item.provenance.seconds.items():
            seconds[stage] += value  # type: ignore[assignment]
        reasons.update(rejection.reason for rejection in item.provenance.rejections)
    return [
        stage_chart("Time by stage", dict(seconds)),
        bar_chart("Rejected scenes by reason", reasons),
    ]
