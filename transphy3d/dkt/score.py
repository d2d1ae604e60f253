"""Predictions against the truth of shards, beside baselines that need no model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.metrics import (
    DELTAS,
    DepthScores,
    Protocol,
    aligned_depth,
    depth_scores,
    known,
    mean_scores,
)
from transphy3d.dkt.temporal import temporal_alignment_error
from transphy3d.files import write_text
from transphy3d.shards.reader import Sequence

# A sequence to (T, H, W) disparity up to scale and shift.
Predictor = Callable[[Sequence], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Row:
    """One line of a table; tae : percent."""

    name: str
    scores: DepthScores
    tae: float


def constant(sequence: Sequence) -> NDArray[np.float64]:
    """The same everywhere: what a model that sees nothing scores."""
    return np.ones(sequence["depth"].shape)


def height_ramp(sequence: Sequence) -> NDArray[np.float64]:
    """Near at the bottom, far at the top: what the camera's tilt alone gives away."""
    frames, height, width = sequence["depth"].shape
    ramp = np.linspace(0, 1, height)[:, None]
    return np.broadcast_to(ramp, (frames, height, width)).copy()


BASELINES: dict[str, Predictor] = {"constant": constant, "height ramp": height_ramp}


def score(sequences: list[Sequence], name: str, predict: Predictor, protocol: Protocol) -> Row:
    """The mean scores of a predictor over sequences. Raises ValueError as `depth_scores`."""
    found, errors = [], []
    for sequence in sequences:
        truth = sequence["depth"][:]
        objects = sequence["instance"][:] > 0 if protocol.region == "objects" else None
        mask = known(truth, protocol, objects)
        prediction = predict(sequence)
        found.append(depth_scores(prediction, truth, mask, protocol))
        if len(truth) > 1:
            depth = aligned_depth(prediction, truth, mask, protocol)
            errors.append(
                temporal_alignment_error(
                    depth, truth, sequence.intrinsics, sequence.world_to_camera
                )
            )
    return Row(name, mean_scores(found), float(np.mean(errors)) if errors else float("nan"))


def markdown(rows: list[Row], protocol: Protocol) -> str:
    """A table with the protocol as its caption."""
    heads = ["method", "REL", "RMSE", "MAE", *(f"δ{limit:.2f}" for limit in DELTAS), "TAE %"]
    lines = [f"Protocol: {protocol.describe()}", "", _row(heads), _row(["---"] * len(heads))]
    return "\n".join([*lines, *(_row(_cells(row)) for row in rows)]) + "\n"


def _cells(row: Row) -> list[str]:
    s = row.scores
    shares = [f"{100 * share:.2f}" for share in s.delta]
    return [row.name, f"{s.rel:.4f}", f"{s.rmse:.4f}", f"{s.mae:.4f}", *shares, f"{row.tae:.2f}"]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def latex(rows: list[Row], protocol: Protocol) -> str:
    """A tabular for a paper, with the protocol as a comment."""
    heads = ["Method", "REL", "RMSE", "MAE", *(rf"$\delta_{{{d:.2f}}}$" for d in DELTAS), "TAE"]
    body = " \\\\\n".join(" & ".join(cells) for cells in [heads, *map(_cells, rows)])
    columns = "l" + "r" * (len(heads) - 1)
    table = f"\\begin{{tabular}}{{{columns}}}\n{body} \\\\\n\\end{{tabular}}\n"
    return f"% {protocol.describe()}\n{table}"


def write_tables(out: Path, rows: list[Row], protocol: Protocol) -> None:
    """scores.md, scores.tex and scores.json in a folder."""
    write_text(out / "scores.md", markdown(rows, protocol))
    write_text(out / "scores.tex", latex(rows, protocol))
    data = {"protocol": asdict(protocol), "rows": [asdict(row) for row in rows]}
    write_text(out / "scores.json", json.dumps(data, indent=1) + "\n")
