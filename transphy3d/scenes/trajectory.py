"""The camera's path: a circle with sinusoidal perturbation, as matrices in OpenCV axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transphy3d.assets.geometry import FloatArray
from transphy3d.groundtruth.camera import fov_intrinsics
from transphy3d.scenes.spec import CameraSpec, Wobble

UP = np.array([0.0, 0.0, 1.0])


def trajectory(
    camera: CameraSpec, centre: FloatArray, frames: int, width: int, height: int
) -> tuple[FloatArray, FloatArray]:
    """Intrinsics K (3, 3) in pixels and world-to-camera matrices (T, 4, 4), float64.

    With s = frame / (frames - 1), in [0, 1], and W(s) = sum_i a_i sin(2 pi c_i s + phi_i):

        azimuth  = start + arc s
        position = centre + (r cos azimuth, r sin azimuth, h)
        r, h     = radius (1 + W_radius(s)), height (1 + W_height(s))
        target   = centre + (W_x(s), W_y(s), W_z(s)), amplitudes in metres

    The camera looks at `target` with x right, y down, z forward and the world's Z upwards.
    centre : (3,) world, metres; `width`, `height` in pixels
    """
    share = np.arange(frames) / max(frames - 1, 1)
    eyes = positions(camera, centre, share)
    targets = centre + np.column_stack([wobble(part, share) for part in camera.look_wobble])
    return fov_intrinsics(camera.fov, width, height), look_at(eyes, targets)


def wobble(spec: Wobble, share: FloatArray) -> FloatArray:
    """W(s) of the perturbation at each s, (T,)."""
    terms = zip(spec.amplitudes, spec.cycles, spec.phases, strict=True)
    waves = [a * np.sin(2 * np.pi * cycles * share + phase) for a, cycles, phase in terms]
    return np.asarray(np.sum(waves, axis=0)) if waves else np.zeros_like(share)


def positions(camera: CameraSpec, centre: FloatArray, share: FloatArray) -> FloatArray:
    """Where the camera is at each s, (T, 3) world, metres."""
    azimuth = camera.azimuth + camera.arc * share
    radius = camera.radius * (1 + wobble(camera.radius_wobble, share))
    height = camera.height * (1 + wobble(camera.height_wobble, share))
    around = np.column_stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height])
    return np.asarray(centre + around)


def look_at(eyes: FloatArray, targets: FloatArray) -> FloatArray:
    """World-to-camera matrices (T, 4, 4) from `eyes` toward `targets`, each (T, 3).

    No line of sight may be vertical.
    """
    forward = _unit(targets - eyes)
    right = _unit(np.cross(forward, UP))
    down = np.cross(forward, right)
    result: NDArray[np.float64] = np.tile(np.eye(4), (len(eyes), 1, 1))
    result[:, :3, :3] = np.stack([right, down, forward], axis=1)
    result[:, :3, 3] = -np.einsum("tij,tj->ti", result[:, :3, :3], eyes)
    return result


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def project(points: FloatArray, k: FloatArray, world_to_camera: FloatArray) -> FloatArray:
    """Pixel coordinates and depth (T, N, 3) of (N, 3) world points in each of T cameras.

    Points behind a camera have a depth below zero and meaningless pixels.
    """
    local = points @ world_to_camera[:, :3, :3].transpose(0, 2, 1) + world_to_camera[:, None, :3, 3]
    depth = local[..., 2:]
    safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
    pixels = local[..., :2] / safe * (k[0, 0], k[1, 1]) + k[:2, 2]
    return np.concatenate([pixels, depth], axis=-1)
