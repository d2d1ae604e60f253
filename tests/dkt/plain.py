"""What the papers say, written out as loops over single numbers: slow, and plain to read.

Nothing here calls the code that it is held against.
"""

from __future__ import annotations

import math

import numpy as np


def noise_levels(steps, shift=5.0):
    """Evenly from 1 to 0, then shifted toward 1."""
    even = [1 - step / steps for step in range(steps + 1)]
    return [shift * s / (1 + (shift - 1) * s) for s in even]


def window_weight(spans, number, latent):
    """How much a window counts at a latent: rising and falling where it shares with a neighbour."""
    start, end = spans[number]
    weight = 1.0
    if number > 0:
        shared = spans[number - 1][1] - start
        if latent - start < shared:
            weight = min(weight, (latent - start + 0.5) / shared)
    if number + 1 < len(spans):
        shared = end - spans[number + 1][0]
        if end - 1 - latent < shared:
            weight = min(weight, (end - 1 - latent + 0.5) / shared)
    return weight


def blend(spans, said):
    """The weighted mean of what the windows said, latent by latent; said : (C, t, h, w) each."""
    total = spans[-1][1]
    out = np.zeros((said[0].shape[0], total, *said[0].shape[2:]))
    for latent in range(total):
        weights = 0.0
        for number, (start, end) in enumerate(spans):
            if start <= latent < end:
                weight = window_weight(spans, number, latent)
                out[:, latent] += weight * said[number][:, latent - start]
                weights += weight
        out[:, latent] /= weights
    return out


def sample(velocity, picture, x, steps, spans):
    """Euler's steps from noise to data; velocity : of noisy and picture (C, t, h, w) at a level."""
    levels = noise_levels(steps)
    for step in range(steps):
        said = [velocity(x[:, a:b], picture[:, a:b], levels[step]) for a, b in spans]
        x = x + (levels[step + 1] - levels[step]) * blend(spans, said)
    return x


def loss(predicted, data, noise, weight, share):
    """Of clips (B, C, T, h, w): each one's mean over what is known of it, then over clips.

    share : (B, 1, T, h, w) of each latent that is known
    """
    total = 0.0
    for clip in range(len(predicted)):
        top = bottom = 0.0
        for place in np.ndindex(*predicted.shape[1:]):
            known = share[clip, 0][place[1:]]
            wanted = noise[clip][place] - data[clip][place]
            top += known * (predicted[clip][place] - wanted) ** 2
            bottom += known
        total += weight[clip] * top / bottom
    return total / len(predicted)


def counted(mask):
    """Places (t, v, u) that count."""
    return [tuple(place) for place in np.argwhere(mask)]


def scale_and_shift(prediction, target, places):
    """By numpy's least squares over all places at once."""
    p = np.array([prediction[place] for place in places])
    g = np.array([target[place] for place in places])
    return np.linalg.lstsq(np.stack([p, np.ones(len(p))], 1), g, rcond=None)[0]


def aligned(prediction, truth, mask, domain="disparity", by_frame=False):
    """Depth (T, H, W) of a prediction that is fitted to the truth as disparity or depth."""
    target = np.where(mask, 1 / np.where(mask, truth, 1), 0) if domain == "disparity" else truth
    depth = np.zeros(truth.shape)
    for frame in range(len(truth)):
        places = [at for at in counted(mask) if not by_frame or at[0] == frame]
        scale, shift = scale_and_shift(prediction, target, places)
        for v, u in np.ndindex(*truth.shape[1:]):
            fitted = max(scale * prediction[frame, v, u] + shift, 1e-3)
            depth[frame, v, u] = 1 / fitted if domain == "disparity" else fitted
    return depth


def depth_figures(depth, truth, mask):
    """REL, RMSE, MAE and the three shares, each of a frame, then their mean over frames."""
    frames = []
    for frame in range(len(truth)):
        rel, square, absolute, inside = [], [], [], {1.05: [], 1.10: [], 1.25: []}
        for t, v, u in counted(mask):
            if t == frame:
                p, g = depth[t, v, u], truth[t, v, u]
                rel.append(abs(p - g) / g)
                square.append((p - g) ** 2)
                absolute.append(abs(p - g))
                for limit, found in inside.items():
                    found.append(max(p / g, g / p) < limit)
        if rel:
            mean = [sum(each) / len(each) for each in (rel, square, absolute, *inside.values())]
            frames.append([mean[0], math.sqrt(mean[1]), *mean[2:]])
    return [sum(column) / len(frames) for column in zip(*frames, strict=True)]


def drift(depth, truth, mask):
    """Percent: deviation over frames of the median ratio of depth to truth, by their mean."""
    ratios = []
    for frame in range(len(truth)):
        found = sorted(depth[at] / truth[at] for at in counted(mask) if at[0] == frame)
        middle = len(found) // 2
        odd = len(found) % 2
        ratios.append(found[middle] if odd else (found[middle - 1] + found[middle]) / 2)
    mean = sum(ratios) / len(ratios)
    return 100 * math.sqrt(sum((r - mean) ** 2 for r in ratios) / len(ratios)) / mean


def land(z, u, v, k, pose, other):
    """Column, row and depth in another camera of a pixel at depth z."""
    x, y = (u + 0.5 - k[0, 2]) / k[0, 0] * z, (v + 0.5 - k[1, 2]) / k[1, 1] * z
    world = np.linalg.solve(pose, [x, y, z, 1])
    x, y, z, _ = other @ world
    return k[0, 0] * x / z + k[0, 2], k[1, 1] * y / z + k[1, 2], z


def pixel(place, size):
    """The pixel under a place, None outside the frame or behind the camera."""
    column, row, z = place
    inside = 0 <= column < size[1] and 0 <= row < size[0] and z > 0
    return (int(row), int(column)) if inside else None


def temporal_error(depth, truth, k, poses, seen=0.02):
    """Percent: points moved to the neighbouring frame against what is predicted there.

    A point counts if its true place there is what the truth sees there, within `seen` of it.
    """
    means = []
    for t in range(len(truth) - 1):
        for a, b in ((t, t + 1), (t + 1, t)):
            errors = []
            for v, u in zip(*np.nonzero(truth[a]), strict=True):
                true = land(truth[a, v, u], u, v, k, poses[a], poses[b])
                at = pixel(true, truth.shape[1:])
                if at is None or truth[b][at] == 0:
                    continue
                if abs(true[2] - truth[b][at]) >= seen * truth[b][at]:
                    continue
                moved = land(depth[a, v, u], u, v, k, poses[a], poses[b])
                if at := pixel(moved, truth.shape[1:]):
                    errors.append(abs(moved[2] - depth[b][at]) / depth[b][at])
            if errors:
                means.append(sum(errors) / len(errors))
    return 100 * sum(means) / len(means)


def normal_figures(prediction, truth, mask):
    """Mean, median and RMS of the angles in degrees, and the shares within five angles."""
    angles = []
    for at in counted(mask):
        p, g = prediction[at], truth[at]
        cosine = p @ g / math.sqrt((p @ p) * (g @ g))
        angles.append(math.degrees(math.acos(min(max(cosine, -1.0), 1.0))))
    shares = [sum(a < limit for a in angles) / len(angles) for limit in (5, 7.5, 11.25, 22.5, 30)]
    square = math.sqrt(sum(a**2 for a in angles) / len(angles))
    return [sum(angles) / len(angles), float(np.median(angles)), square, *shares]
