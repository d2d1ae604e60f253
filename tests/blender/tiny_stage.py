"""Small stages whose geometry is known in closed form, and the worker that renders them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from blender_faults import BlenderFaults, blender_faults

from transphy3d.assets.geometry import Mesh
from transphy3d.config import RenderConfig
from transphy3d.groundtruth.raycast import Body
from transphy3d.jsonio import to_json
from transphy3d.materials.spec import Material
from transphy3d.scenes.render_settings import resolve
from transphy3d.scenes.spec import AreaLight
from transphy3d.scenes.stage import STAGE_VERSION, Stage, StageObject

WIDTH, HEIGHT = 64, 48
SHARP_ANGLE = 35.0
LIGHT = AreaLight(
    position=(0.5, -0.5, 1.5), target=(0, 0, 0), size=(0.5, 0.5), power=30.0, color=(1, 1, 1)
)
PHYSICAL: dict[str, Any] = {"density": 2500.0, "friction": 0.4, "restitution": 0.3}
GLASS = Material(
    name="glass", kind="glass", optical_class="transparent", model="dielectric", **PHYSICAL
)
CLAY = Material(
    name="clay",
    kind="ceramic",
    optical_class="opaque",
    model="principled",
    roughness=0.5,
    **PHYSICAL,
)


def sphere(radius: float, subdivisions: int = 4) -> Mesh:
    """A sphere of 20 * 4**subdivisions triangles around the origin."""
    shape = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(np.asarray(shape.vertices), np.asarray(shape.faces, np.int32))


def box(size: float) -> Mesh:
    """A cube around the origin."""
    shape = trimesh.creation.box(extents=(size, size, size))
    return Mesh(np.asarray(shape.vertices), np.asarray(shape.faces, np.int32))


def floor(half: float) -> Mesh:
    """A square in the plane z = 0, seen from above."""
    corners = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], float) * half
    return Mesh(corners, np.array([(0, 1, 2), (0, 2, 3)], np.int32))


def at(x: float, y: float, z: float, turn: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Object to world: scaled, turned about Z by `turn` radians, then moved to (x, y, z)."""
    cosine, sine = np.cos(turn), np.sin(turn)
    matrix = np.eye(4)
    matrix[:3, :3] = scale * np.array([(cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1)])
    matrix[:3, 3] = x, y, z
    return matrix


def looking(position: Any, target: Any) -> np.ndarray:
    """World to camera in OpenCV axes for a camera at `position` that looks at `target`."""
    forward = np.subtract(target, position).astype(float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ position
    return matrix


def intrinsics(
    fx: float = 70.0, fy: float = 70.0, cx: float = 32.0, cy: float = 24.0
) -> np.ndarray:
    """K in pixels."""
    return np.array([(fx, 0, cx), (0, fy, cy), (0, 0, 1)], float)


def rows(matrix: np.ndarray) -> Any:
    """Nested tuples of a matrix, as records hold them."""
    return tuple(tuple(map(float, row)) for row in matrix)


BODIES = (
    Body(floor(2.0), np.eye(4), 0),
    Body(sphere(0.1), at(0, 0, 0.1, scale=1.2), 1, SHARP_ANGLE),
    Body(box(0.15), at(0.22, 0.1, 0.075, turn=0.5), 2, SHARP_ANGLE),
)
MATERIALS = (CLAY, GLASS, CLAY)
CAMERAS = tuple(
    looking((0.6 * np.cos(a), 0.6 * np.sin(a), 0.45), (0.05, 0, 0.08)) for a in (-2.0, -1.6, -1.2)
)
SETTINGS = resolve(RenderConfig(preset="preview", device="cpu"), seed=7, threads=1)
STAGE = Stage(
    version=STAGE_VERSION,
    width=WIDTH,
    height=HEIGHT,
    intrinsics=rows(intrinsics()),
    world_to_camera=tuple(map(rows, CAMERAS)),
    objects=tuple(
        StageObject(
            name=f"body{i}",
            mesh=f"mesh{i}",
            instance=body.instance,
            matrix=rows(body.matrix),
            material=material,
            sharp_angle=body.sharp_angle,
            wall=0.0,
            shares_interface=False,
        )
        for i, (body, material) in enumerate(zip(BODIES, MATERIALS, strict=True))
    ),
    environment=None,
    areas=(LIGHT,),
    render=SETTINGS,
    phases=("truth", "behind", "rgb"),
)


def truth_only(stage: Stage = STAGE, **changes: Any) -> Stage:
    """The stage without its costly phase."""
    return replace(stage, phases=("truth", "behind"), **changes)


def write(stage: Stage, folder: Path, bodies: tuple[Body, ...] = BODIES) -> Path:
    """Write a stage folder; returns it."""
    (folder / "meshes").mkdir(parents=True)
    for i, body in enumerate(bodies):
        np.savez(folder / f"meshes/mesh{i}.npz", vertices=body.mesh.vertices, faces=body.mesh.faces)
    (folder / "stage.json").write_text(to_json(stage))
    return folder


def start(folder: Path, faults: BlenderFaults | None = None) -> subprocess.Popen[str]:
    """A worker on `folder`."""
    command = [sys.executable, "-m", "transphy3d.blender.worker", str(folder)]
    environment = os.environ | (faults.environment if faults else {})
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment
    )


def render(folder: Path, code: int = 0) -> str:
    """Run a worker to its end, which must be exit code `code`; what it printed."""
    worker = start(folder)
    output, _ = worker.communicate(timeout=300)
    assert worker.returncode == code, output
    return output


def interrupt(folder: Path, made: int, number: signal.Signals) -> int:
    """Start a worker, send it a signal while it waits with the frame after so many; its code."""
    faults = blender_faults(folder.with_name("faults"), hold_if=f"made >= {made}")
    worker = start(folder, faults)
    deadline = time.monotonic() + 120
    while not faults.has_held(folder):
        assert worker.poll() is None and time.monotonic() < deadline, worker.communicate()[0]
        time.sleep(0.02)
    os.kill(worker.pid, number)
    worker.communicate(timeout=120)
    return worker.returncode
