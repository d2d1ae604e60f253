"""Sequences without a renderer: spheres on a floor, cast by numpy, exact in every channel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transphy3d.shards.schema import (
    POINTS_PER_OBJECT,
    ObjectRow,
    Provenance,
    SequenceMeta,
)
from transphy3d.shards.writer import SequenceWriter

CHANNELS = ("rgb", "depth", "depth_behind", "normal", "instance")


@dataclass(frozen=True)
class Ball:
    """A sphere that stands on the floor z = 0 at (x, y), metres."""

    x: float
    y: float
    radius: float
    optical_class: str = "opaque"

    @property
    def centre(self) -> np.ndarray:
        return np.array([self.x, self.y, self.radius])


BALLS = (
    Ball(-0.12, 0.02, 0.06, "transparent"),
    Ball(0.10, -0.05, 0.05, "reflective"),
    Ball(0.0, 0.14, 0.07, "opaque"),
)


def intrinsics(width: int, height: int, fov: float = 50.0) -> np.ndarray:
    """(3, 3) pixels, from a horizontal field of view in degrees."""
    focal = width / 2 / np.tan(np.radians(fov) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """World to camera, (4, 4), OpenCV axes, Z up."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, -rotation @ eye
    return pose


def orbit(frames: int, radius: float = 0.6, height: float = 0.35, arc: float = 0.25) -> np.ndarray:
    """(T, 4, 4) poses on an arc (radians) around the balls."""
    angles = np.linspace(0, arc, frames)
    target = np.array([0.0, 0.0, 0.04])
    return np.stack(
        [
            look_at(np.array([radius * np.sin(a), -radius * np.cos(a), height]), target)
            for a in angles
        ]
    )


def hit_ball(ball: Ball, eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ray parameter (H, W), inf where missed, and outward world normals (H, W, 3)."""
    offset = eye - ball.centre
    a = (rays**2).sum(-1)
    half_b = rays @ offset
    root = half_b**2 - a * (offset @ offset - ball.radius**2)
    t = np.where(root >= 0, (-half_b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    point = eye + np.where(np.isfinite(t), t, 0)[..., None] * rays
    return t, (point - ball.centre) / ball.radius


def cast(pose: np.ndarray, k: np.ndarray, size: tuple[int, int], balls: tuple[Ball, ...]):
    """First hit of each pixel: planar depth, world normal, instance, world point."""
    height, width = size
    v, u = np.mgrid[:height, :width] + 0.5
    rays = np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], np.ones_like(u)], -1)
    rays = rays @ pose[:3, :3]
    eye = -pose[:3, :3].T @ pose[:3, 3]
    with np.errstate(divide="ignore"):
        depth = np.where(rays[..., 2] < 0, -eye[2] / rays[..., 2], np.inf)
    depth = np.where(depth < 5, depth, np.inf)
    normal = np.broadcast_to([0.0, 0.0, 1.0], rays.shape)
    instance = np.zeros(size, np.uint16)
    for number, ball in enumerate(balls, 1):
        t, outward = hit_ball(ball, eye, rays)
        closer = t < depth
        depth = np.where(closer, t, depth)
        normal = np.where(closer[..., None], outward, normal)
        instance = np.where(closer, number, instance).astype(np.uint16)
    hit = np.isfinite(depth)
    depth = np.where(hit, depth, 0)
    return depth, np.where(hit[..., None], normal, 0), instance, eye + depth[..., None] * rays


def colour(normal: np.ndarray, instance: np.ndarray, point: np.ndarray, noise: np.random.Generator):
    """Lambert over a checkered floor, with noise as a renderer leaves it, (H, W, 3) uint8."""
    light = np.clip(normal @ np.array([0.3, -0.4, 0.87]), 0, 1) * 0.8 + 0.2
    checker = (np.floor(point[..., 0] * 20) + np.floor(point[..., 1] * 20)) % 2 * 60 + 120
    palette = np.array([[1, 1, 1], [0.6, 0.9, 1], [0.9, 0.8, 0.7], [1, 0.5, 0.4]])
    albedo = np.where(instance == 0, checker, 200)[..., None] * palette[instance % 4]
    return (
        (albedo * light[..., None] + noise.normal(0, 1.5, normal.shape)).clip(0, 255).astype("u1")
    )


def frame(pose, k, size, balls=BALLS, noise=None) -> dict[str, np.ndarray]:
    """All channels of one frame, as users read them."""
    depth, normal, instance, point = cast(pose, k, size, balls)
    solid = tuple(ball for ball in balls if ball.optical_class != "transparent")
    return {
        "rgb": colour(normal, instance, point, noise or np.random.default_rng(0)),
        "depth": depth.astype("f4"),
        "depth_behind": cast(pose, k, size, solid)[0].astype("f4"),
        "normal": (normal @ pose[:3, :3].T).astype("f4"),
        "instance": instance,
    }


def surface_points(radius: float) -> np.ndarray:
    """A Fibonacci lattice on a sphere that stands on the origin, (64, 3)."""
    i = np.arange(POINTS_PER_OBJECT) + 0.5
    z = 1 - 2 * i / POINTS_PER_OBJECT
    turn = np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - z**2)
    return radius * np.stack([ring * np.cos(turn), ring * np.sin(turn), z + 1], -1)


def object_row(number: int, ball: Ball) -> ObjectRow:
    """The object table's row of a ball."""
    pose = np.eye(4)
    pose[:2, 3] = ball.x, ball.y
    kinds = {"transparent": "glass", "reflective": "metal", "opaque": "ceramic"}
    return ObjectRow(
        instance=number,
        object=number - 1,
        part="body",
        asset="ball",
        source="procedural",
        category="ball",
        material=f"{kinds[ball.optical_class]}_plain",
        kind=kinds[ball.optical_class],
        optical_class=ball.optical_class,
        scale=1.0,
        object_to_world=tuple(map(tuple, pose.tolist())),
        bounds_low=(-ball.radius, -ball.radius, 0.0),
        bounds_high=(ball.radius, ball.radius, 2 * ball.radius),
        points=tuple(map(tuple, surface_points(ball.radius).tolist())),
    )


def provenance() -> Provenance:
    """Of a sequence that numpy made."""
    return Provenance(
        transphy3d="0.1.0",
        versions={"numpy": np.__version__},
        host="nowhere",
        device="cpu",
        denoiser="none",
        seconds={"rgb": 1.5},
        cpu_seconds=2.0,
        attempts=1,
        rejections=(),
        job={"name": "balls", "seed": 7},
    )


def meta(frames: int = 4, size: tuple[int, int] = (72, 96), index: int = 0, balls=BALLS):
    """The record of a sequence of balls; `size` is (height, width)."""
    return SequenceMeta(
        job="balls",
        job_sha256="0" * 64,
        index=index,
        seed=7,
        fps=24.0,
        width=size[1],
        height=size[0],
        intrinsics=tuple(map(tuple, intrinsics(size[1], size[0]).tolist())),
        world_to_camera=tuple(tuple(map(tuple, pose)) for pose in orbit(frames).tolist()),
        objects=tuple(object_row(number, ball) for number, ball in enumerate(balls, 1)),
        view_transform="Standard",
        scene={"balls": len(balls), "seed": 7},
        provenance=provenance(),
    )


def render(record: SequenceMeta, balls=BALLS) -> list[dict[str, np.ndarray]]:
    """Every frame of a sequence, as users read them."""
    noise = np.random.default_rng(record.index)
    k = np.array(record.intrinsics)
    size = (record.height, record.width)
    return [frame(np.array(pose), k, size, balls, noise) for pose in record.world_to_camera]


def write(path: Path, record: SequenceMeta, frames, channels=CHANNELS) -> Path:
    """Write frames with the package's writer."""
    with SequenceWriter(path, record, channels) as writer:
        for values in frames:
            writer.append({name: values[name] for name in channels})
    return path


def make(path: Path, frames: int = 4, size: tuple[int, int] = (72, 96), index: int = 0) -> Path:
    """One good sequence file."""
    record = meta(frames, size, index)
    return write(path, record, render(record))
