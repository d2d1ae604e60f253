"""Depth metrics as the DKT paper's tables use them, and the alignment before them.

Every choice that moves a figure is a field of `Protocol` and is printed with every table.
Arrays are numpy, computed in float64; depths are metres along the camera's z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
DELTAS = (1.05, 1.10, 1.25)
MIN_DISPARITY = 1e-3  # 1/m: aligned predictions are held within 1 km


@dataclass(frozen=True)
class Protocol:
    """How predictions are compared with the truth.

    align : over what one scale and shift are fitted; "none" takes the prediction as it is
    domain : what is fitted: disparity (1/m) or depth (m)
    region : pixels that count: all, or those of objects
    max_depth : metres; truth beyond is left out, None counts all
    frames, stride : how many frames of each video, and every which; None takes all
    """

    align: Literal["video", "frame", "none"] = "video"
    domain: Literal["disparity", "depth"] = "disparity"
    region: Literal["all", "objects"] = "all"
    max_depth: float | None = None
    frames: int | None = None
    stride: int = 1

    def describe(self) -> str:
        """One line for a table's caption."""
        return ", ".join(f"{key} {value}" for key, value in asdict(self).items())


@dataclass(frozen=True)
class DepthScores:
    """Figures of one video, each the mean over its frames.

    rel : mean |p - g| / g; rmse, mae : metres; delta : share of pixels with
    max(p/g, g/p) below each of DELTAS
    """

    rel: float
    rmse: float
    mae: float
    delta: tuple[float, ...]
    frames: int


def fit(prediction: Floats, truth: Floats) -> tuple[float, float]:
    """(scale, shift) that bring 1-D `prediction` closest to `truth` by least squares.

    The normal equations in closed form; a constant prediction gets scale 0.
    """
    p, g = prediction.astype(np.float64), truth.astype(np.float64)
    if p.size == 0:
        return 1.0, 0.0
    centred = p - p.mean()
    variance = float(centred @ centred)
    scale = float(centred @ (g - g.mean())) / variance if variance > 0 else 0.0
    return scale, float(g.mean() - scale * p.mean())


def aligned_depth(
    prediction: Floats, truth: Floats, mask: Mask, protocol: Protocol
) -> NDArray[np.float64]:
    """Predictions (T, H, W) as depth in metres, aligned as the protocol says.

    prediction : disparity up to scale and shift, or depth, as `protocol.domain` names it
    mask : pixels whose truth is known
    """
    target = _inverse(truth, mask) if protocol.domain == "disparity" else truth.astype(np.float64)
    scaled = np.empty(prediction.shape)
    for frames in _groups(len(prediction), protocol.align):
        scale, shift = 1.0, 0.0
        if protocol.align != "none":
            scale, shift = fit(prediction[frames][mask[frames]], target[frames][mask[frames]])
        scaled[frames] = scale * prediction[frames] + shift
    if protocol.domain == "depth":
        return scaled
    return 1 / np.maximum(scaled, MIN_DISPARITY)


def _groups(frames: int, align: str) -> list[slice]:
    return [slice(t, t + 1) for t in range(frames)] if align == "frame" else [slice(frames)]


def _inverse(depth: Floats, mask: Mask) -> NDArray[np.float64]:
    inverse = np.zeros(depth.shape)
    inverse[mask] = 1 / depth[mask].astype(np.float64)
    return inverse


def known(truth: Floats, protocol: Protocol, objects: Mask | None = None) -> Mask:
    """(T, H, W) pixels that count: truth is finite, positive, near enough and in the region."""
    mask = np.isfinite(truth) & (truth > 0)
    if protocol.max_depth is not None:
        mask &= truth <= protocol.max_depth
    if protocol.region == "objects":
        if objects is None:
            raise ValueError("region: objects asks for object masks, and the data set has none")
        mask &= objects
    return np.asarray(mask)


def depth_scores(prediction: Floats, truth: Floats, mask: Mask, protocol: Protocol) -> DepthScores:
    """Scores of one video, (T, H, W) each; frames without a counting pixel are left out.

    Raises ValueError if no pixel counts or a counted prediction is not finite.
    """
    if not np.isfinite(prediction[mask]).all():
        raise ValueError("prediction: holds values that are not finite where truth is known")
    depth = aligned_depth(prediction, truth, mask, protocol)
    rows = [_frame(depth[t][mask[t]], truth[t][mask[t]]) for t in np.flatnonzero(mask.any((1, 2)))]
    if not rows:
        raise ValueError("truth: no pixel counts under this protocol")
    rel, rmse, mae, *delta = np.mean(rows, axis=0).tolist()
    return DepthScores(rel, rmse, mae, tuple(delta), len(rows))


def _frame(predicted: Floats, truth: Floats) -> list[float]:
    g = truth.astype(np.float64)
    error = np.abs(predicted - g)
    with np.errstate(divide="ignore"):
        ratio = np.maximum(predicted / g, g / np.maximum(predicted, 1e-12))
    return [
        float((error / g).mean()),
        float(np.sqrt((error**2).mean())),
        float(error.mean()),
        *(float((ratio < limit).mean()) for limit in DELTAS),
    ]


def mean_scores(scores: Sequence[DepthScores]) -> DepthScores:
    """The mean over videos, each counting once."""
    columns = np.array([[s.rel, s.rmse, s.mae, *s.delta] for s in scores])
    rel, rmse, mae, *delta = columns.mean(0).tolist()
    return DepthScores(rel, rmse, mae, tuple(delta), sum(s.frames for s in scores))
