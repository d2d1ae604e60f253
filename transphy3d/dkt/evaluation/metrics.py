"""Depth metrics as the DKT paper's tables use them, and the alignment before them.

Every choice that moves a figure is a field of `Protocol` and is printed with every table.
Arrays are numpy, computed in float64; depths are metres along the camera's z.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Domain = Literal["disparity", "depth"]
DELTAS = (1.05, 1.10, 1.25)
MIN_DISPARITY = 1e-3  # 1/m: aligned predictions are held within 1 km
MIN_DEPTH = 1e-3  # m: the same for depth that is fitted as depth, which may become negative


@dataclass(frozen=True)
class Protocol:
    """How predictions are compared with the truth.

    align : over what one scale and shift are fitted; "none" takes the prediction as it is
    domain : what is fitted: disparity (1/m) or depth (m)
    region : pixels that count: all, or those of objects
    max_depth : metres; truth beyond is left out, None counts all
    frames, stride : how many frames of each video, and every which; None takes all
    min_disparity, min_depth : 1/m and m; what is fitted as one of them is held at or above it
    resize : how predictions from files get the truth's size; "none" refuses another size
    """

    align: Literal["video", "frame", "none"] = "video"
    domain: Domain = "disparity"
    region: Literal["all", "objects"] = "all"
    max_depth: float | None = None
    frames: int | None = None
    stride: int = 1
    min_disparity: float = MIN_DISPARITY
    min_depth: float = MIN_DEPTH
    resize: Literal["none", "bilinear"] = "none"

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
    """(scale, shift) that bring 1-D `prediction` closest to `truth` by least squares."""
    return _fit_parts(lambda: [(prediction, truth)])


def _fit_parts(parts: Callable[[], Iterable[tuple[Floats, Floats]]]) -> tuple[float, float]:
    """(scale, shift) over pairs of 1-D arrays, which are asked for twice and never joined.

    The normal equations in closed form, in float64: first the means, then the products of what
    differs from them. A constant prediction gets scale 0, none at all scale 1.
    """
    sums = [(p.size, p.sum(dtype=np.float64), g.sum(dtype=np.float64)) for p, g in parts()]
    count, p_sum, g_sum = np.sum(sums, axis=0)
    if count == 0:
        return 1.0, 0.0
    p_mean, g_mean = p_sum / count, g_sum / count
    variance = covariance = 0.0
    for p, g in parts():
        centred = p.astype(np.float64) - p_mean
        variance += float(centred @ centred)
        covariance += float(centred @ (g.astype(np.float64) - g_mean))
    scale = covariance / variance if variance > 0 else 0.0
    return scale, float(g_mean - scale * p_mean)


def aligned_depth(
    prediction: Floats, truth: Floats, mask: Mask, protocol: Protocol
) -> NDArray[np.float64]:
    """Predictions (T, H, W) as depth in metres, aligned as the protocol says.

    prediction : disparity up to scale and shift, or depth, as `protocol.domain` names it
    mask : pixels whose truth is known
    """
    depth = np.empty(prediction.shape)
    for frames in _groups(len(prediction), protocol.align):
        scale, shift = _fitted(prediction, truth, mask, frames, protocol)
        for t in frames:
            depth[t] = scale * prediction[t].astype(np.float64) + shift
    if protocol.domain == "depth":
        return np.maximum(depth, protocol.min_depth, out=depth)
    np.maximum(depth, protocol.min_disparity, out=depth)
    return np.divide(1, depth, out=depth)


def _groups(frames: int, align: str) -> list[range]:
    return [range(t, t + 1) for t in range(frames)] if align == "frame" else [range(frames)]


def _fitted(
    prediction: Floats, truth: Floats, mask: Mask, frames: range, protocol: Protocol
) -> tuple[float, float]:
    """Scale and shift that some frames share."""
    if protocol.align == "none":
        return 1.0, 0.0
    return _fit_parts(
        lambda: (
            (prediction[t][mask[t]], in_domain(truth[t][mask[t]], "depth", protocol))
            for t in frames
        )
    )


def in_domain(values: Floats, kind: Domain, protocol: Protocol) -> Floats:
    """Disparity or depth as what the protocol aligns.

    Inverted where it is the other one, from the least value on that the protocol allows.
    """
    if kind == protocol.domain:
        return values
    lowest = protocol.min_disparity if kind == "disparity" else protocol.min_depth
    return 1 / np.maximum(values.astype(np.float64), lowest)


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
    check_finite(prediction, mask)
    return scores_of(aligned_depth(prediction, truth, mask, protocol), truth, mask)


def check_finite(prediction: NDArray[Any], mask: Mask) -> None:
    """Raises ValueError, naming the frame, if a prediction that counts is NaN or infinite."""
    for t in range(len(mask)):
        if not np.isfinite(prediction[t][mask[t]]).all():
            raise ValueError(
                f"prediction: holds values that are not finite where truth is known, in frame {t}"
            )


def scores_of(depth: Floats, truth: Floats, mask: Mask) -> DepthScores:
    """Scores of aligned depth (T, H, W), metres above 0. Raises ValueError if no pixel counts."""
    frames = np.flatnonzero(mask.any((1, 2)))
    if not len(frames):
        raise ValueError("truth: no pixel counts under this protocol")
    rows = [frame_scores(depth[t][mask[t]], truth[t][mask[t]]) for t in frames]
    rel, rmse, mae, *delta = np.mean(rows, axis=0).tolist()
    return DepthScores(rel, rmse, mae, tuple(delta), len(rows))


def frame_scores(predicted: Floats, truth: Floats) -> list[float]:
    """REL, RMSE, MAE and the shares of DELTAS over pixels (N,) of one frame, metres above 0."""
    g = truth.astype(np.float64)
    error = np.abs(predicted - g)
    ratio = np.maximum(predicted / g, g / predicted)
    return [
        float((error / g).mean()),
        float(np.sqrt((error**2).mean())),
        float(error.mean()),
        *(float((ratio < limit).mean()) for limit in DELTAS),
    ]


def scale_drift(depth: Floats, truth: Floats, mask: Mask) -> float | None:
    """Percent by which the size of the world changes from frame to frame; None for one frame.

    The standard deviation over frames of each frame's median ratio of aligned depth to truth, in
    percent of their mean.
    """
    frames = np.flatnonzero(mask.any((1, 2)))
    if len(frames) < 2:
        return None
    ratios = [float(np.median(depth[t][mask[t]] / truth[t][mask[t]])) for t in frames]
    return 100 * float(np.std(ratios) / np.mean(ratios))
