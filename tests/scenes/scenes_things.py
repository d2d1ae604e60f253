"""Small jobs, and scenes at rest without a physics engine."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import trimesh

from transphy3d.assets.geometry import Mesh
from transphy3d.config import Job
from transphy3d.materials.library import Library, load_library
from transphy3d.rng import Streams
from transphy3d.scenes.build import build_geometry
from transphy3d.scenes.geometry import Geometry
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.sample import sample_scene
from transphy3d.scenes.spec import PhysicsReport, Pose, SceneSpec

SUPPORT_KINDS = ("table", "tray", "bin", "box", "bowl", "shelf")
ROOM_KINDS = ("room", "backdrop", "open")
NO_CACHE = Path("unused")
CALM = PhysicsReport(settle_seconds=1.0, penetration=0.0, speed=0.0, angular_speed=0.0, redropped=0)


@cache
def library() -> Library:
    return load_library()


def palette() -> Palette:
    return Palette(library(), Job(name="t", sequences=1).materials)


def job(**sections: Any) -> Job:
    data = {"name": "t", "sequences": 4, "frames": 24, "objects": {"count": (2, 4), "segments": 24}}
    return Job.model_validate(data | sections)


def scene(job: Job, index: int = 0, attempt: int = 0) -> SceneSpec:
    return sample_scene(job, Streams(job.seed, index, attempt), library(), NO_CACHE)


def at_rest(spec: SceneSpec) -> tuple[Geometry, Any]:
    """Objects side by side on the support's floor, as they were built: a rest for cameras."""
    geometry = build_geometry(spec, 24, NO_CACHE)
    half_x, half_y = geometry.support.half_extents
    poses = {}
    for number, item in enumerate(spec.objects):
        angle = 2 * np.pi * number / len(spec.objects)
        place = (0.4 * half_x * np.cos(angle), 0.4 * half_y * np.sin(angle), 0.0)
        poses[item.id] = Pose(position=place, rotation=item.rotation if item.upright else _FLAT)
    filled = tuple(item.id for item in spec.objects if item.liquid is not None)
    return geometry, SimpleNamespace(poses=poses, liquids=filled, report=CALM)


_FLAT = (1.0, 0.0, 0.0, 0.0)


def solid(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
