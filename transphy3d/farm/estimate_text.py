"""An estimate in words."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from transphy3d.farm.estimate import Estimate, Figure
from transphy3d.wording import duration, file_size, number, plural

LINE_WIDTH = 88
Words = Callable[[float], str]


def describe(found: Estimate) -> str:
    """Lines for a terminal."""
    table = [
        f"{'':26}{'mean':>10}    95 % interval",
        *(_row(label, figure, words) for label, figure, words in _rows(found) if figure),
    ]
    return "\n".join([*_head(found), "", *table, "", *textwrap.wrap(_basis(found), LINE_WIDTH)])


def _head(found: Estimate) -> list[str]:
    drawn = ", ".join(str(sample.sequence) for sample in found.samples)
    size = f"{plural(found.frames, 'frame')} at {found.width}x{found.height}"
    return [
        f"{found.job}: {plural(found.sequences, 'sequence')} of {size}",
        f"measured: sequences {drawn}, {plural(len(found.samples[0].frames), 'frame')} of each",
        f"on one {found.one_worker}: {found.worker}",
    ]


def _rows(found: Estimate) -> list[tuple[str, Figure | None, Words]]:
    on_gpu = found.core_hours is None
    unit = "GPU" if on_gpu else "worker"
    runs = [(_time_label(run.workers, unit), run.days, number) for run in found.runs]
    return [
        ("seconds a frame", found.seconds_per_frame, number),
        ("seconds a sequence", found.seconds_per_sequence, number),
        (f"{unit}-hours", found.worker_hours, number),
        ("core-hours", found.core_hours, number),
        ("published data", found.bytes, file_size),
        *runs,
        (f"cost at {found.price} a {unit}-hour", found.cost, number),
    ]


def _time_label(workers: int, unit: str) -> str:
    return f"days on {plural(workers, unit)}"


def _row(label: str, figure: Figure, words: Words) -> str:
    interval = "not known from one sequence"
    if figure.low is not None and figure.high is not None:
        interval = f"{words(figure.low)} to {words(figure.high)}"
    return f"{label:<26}{words(figure.mean):>10}    {interval}"


def _basis(found: Estimate) -> str:
    """What the figures rest on, and what they leave out."""
    once = duration(found.once_share * found.seconds_per_sequence.mean)
    lost = f" {found.impossible} more had no acceptable scene." if found.impossible else ""
    return (
        f"Of a sequence, {once} ({100 * found.once_share:.0f} %) are spent once whatever its "
        f"length: scene, start of Blender, first frames.{lost} {found.method}."
    )
