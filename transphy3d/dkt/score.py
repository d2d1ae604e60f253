"""Predictions against the truth of recordings, beside baselines that need no model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.cues import darkness, image_gradient
from transphy3d.dkt.metrics import (
    DELTAS,
    DepthScores,
    Protocol,
    aligned_depth,
    depth_scores,
    known,
    mean_scores,
)
from transphy3d.dkt.normal_metrics import SHARES, NormalScores, mean_normals, normal_scores
from transphy3d.dkt.temporal import temporal_alignment_error
from transphy3d.files import write_text
from transphy3d.shards.recording import Recording

# A recording to (T, H, W) disparity up to scale and shift, or to (T, H, W, 3) normals.
Predictor = Callable[[Recording], NDArray[np.floating[Any]]]
UNKNOWN = "-"


@dataclass(frozen=True)
class Row:
    """One line of a table of depth; tae : percent, None without videos of known poses."""

    heads: ClassVar = ("REL", "RMSE", "MAE", *(f"δ{limit:.2f}" for limit in DELTAS), "TAE %")
    latex_heads: ClassVar = (
        *("REL", "RMSE", "MAE"),
        *(rf"$\delta_{{{limit:.2f}}}$" for limit in DELTAS),
        "TAE",
    )
    name: str
    scores: DepthScores
    tae: float | None

    @property
    def cells(self) -> list[str]:
        """What stands under the heads."""
        s = self.scores
        figures = [f"{figure:.4f}" for figure in (s.rel, s.rmse, s.mae)]
        shares = [f"{100 * share:.2f}" for share in s.delta]
        return [*figures, *shares, UNKNOWN if self.tae is None else f"{self.tae:.2f}"]


@dataclass(frozen=True)
class NormalRow:
    """One line of a table of normals, degrees and percent."""

    heads: ClassVar = ("mean °", "median °", "RMSE °", *(f"<{limit:g}°" for limit in SHARES))
    latex_heads: ClassVar = (
        *("mean", "median", "RMSE"),
        *(rf"${limit:g}^\circ$" for limit in SHARES),
    )
    name: str
    scores: NormalScores

    @property
    def cells(self) -> list[str]:
        """What stands under the heads."""
        s = self.scores
        figures = [f"{figure:.2f}" for figure in (s.mean, s.median, s.rmse)]
        return [*figures, *(f"{100 * share:.2f}" for share in s.under)]


Rows = Sequence[Row] | Sequence[NormalRow]


def constant(sequence: Recording) -> NDArray[np.float64]:
    """The same everywhere: what a model that sees nothing scores."""
    return np.ones(sequence["depth"].shape)


def height_ramp(sequence: Recording) -> NDArray[np.float64]:
    """Near at the bottom, far at the top: what the camera's tilt alone gives away."""
    frames, height, width = sequence["depth"].shape
    ramp = np.linspace(0, 1, height)[:, None]
    return np.broadcast_to(ramp, (frames, height, width)).copy()


BASELINES: dict[str, Predictor] = {
    "constant": constant,
    "height ramp": height_ramp,
    "darkness": darkness,
    "image gradient": image_gradient,
}


def score(sequences: Sequence[Recording], name: str, predict: Predictor, protocol: Protocol) -> Row:
    """The mean scores of a predictor over sequences. Raises ValueError as `depth_scores`."""
    found, errors = [], []
    for sequence in sequences:
        truth, mask = counted(sequence, protocol)
        prediction = predict(sequence)
        found.append(depth_scores(prediction, truth, mask, protocol))
        poses = sequence.world_to_camera
        if len(truth) > 1 and poses is not None:
            depth = aligned_depth(prediction, truth, mask, protocol)
            errors.append(temporal_alignment_error(depth, truth, sequence.intrinsics, poses))
    return Row(name, mean_scores(found), float(np.mean(errors)) if errors else None)


def counted(
    sequence: Recording, protocol: Protocol
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """True depth (T, H, W) and which of its pixels count."""
    truth = sequence["depth"][:]
    objects = sequence["instance"][:] > 0 if protocol.region == "objects" else None
    return truth, known(truth, protocol, objects)


def score_normals(
    sequences: Sequence[Recording], name: str, predict: Predictor, protocol: Protocol
) -> NormalRow:
    """The mean scores of a predictor of normals, where depth counts and a normal is known.

    Raises ValueError as `normal_scores`.
    """
    found = []
    for sequence in sequences:
        truth, mask = sequence["normal"][:], counted(sequence, protocol)[1]
        found.append(normal_scores(predict(sequence), truth, mask & (truth != 0).any(-1)))
    return NormalRow(name, mean_normals(found))


def markdown(rows: Rows, protocol: Protocol, notes: Sequence[str] = ()) -> str:
    """A table with the protocol, and notes on the data, as its caption."""
    heads = ["method", *rows[0].heads]
    caption = [f"Protocol: {protocol.describe()}", *notes]
    lines = ["  \n".join(caption), "", _row(heads), _row(["---"] * len(heads))]
    return "\n".join([*lines, *(_row([row.name, *row.cells]) for row in rows)]) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def latex(rows: Rows, protocol: Protocol, notes: Sequence[str] = ()) -> str:
    """A tabular for a paper, with protocol and notes as comments."""
    heads = ["Method", *rows[0].latex_heads]
    table_rows = [heads, *([row.name, *row.cells] for row in rows)]
    body = " \\\\\n".join(" & ".join(cells) for cells in table_rows)
    columns = "l" + "r" * (len(heads) - 1)
    table = f"\\begin{{tabular}}{{{columns}}}\n{body} \\\\\n\\end{{tabular}}\n"
    return "".join(f"% {line}\n" for line in (protocol.describe(), *notes)) + table


def write_tables(out: Path, rows: Rows, protocol: Protocol, notes: Sequence[str] = ()) -> None:
    """scores.md, scores.tex and scores.json in a folder."""
    write_text(out / "scores.md", markdown(rows, protocol, notes))
    write_text(out / "scores.tex", latex(rows, protocol, notes))
    data = {
        "protocol": asdict(protocol),
        "notes": list(notes),
        "rows": [asdict(row) for row in rows],
    }
    write_text(out / "scores.json", json.dumps(data, indent=1) + "\n")
