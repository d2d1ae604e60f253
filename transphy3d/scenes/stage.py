"""The stage: all that Blender is told, as one JSON file and meshes in .npz beside it.

A stage folder:

    stage.json              a `Stage`
    meshes/<name>.npz       vertices, faces and, where present, uv and ior of a `Mesh`
    frames/truth/0000.exr   written by the worker: Depth, Normal (world), IndexOB; 32-bit float
    frames/behind/0000.exr  Depth with every transparent object taken away
    frames/rgb/0000.png     8-bit sRGB
    render.json             device, denoiser, versions, seconds per phase; written at the end
    error.json              type, message, phase, traceback; written when the worker fails
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from transphy3d.config import Channel
from transphy3d.jsonio import record
from transphy3d.materials.spec import Material
from transphy3d.scenes.spec import AreaLight, Environment, Matrix3, Matrix4

STAGE_VERSION = 1
Phase = Literal["truth", "behind", "rgb"]
PHASES: tuple[Phase, ...] = ("truth", "behind", "rgb")
# The phase that each channel is read from.
PHASE_OF: dict[Channel, Phase] = {
    "rgb": "rgb",
    "depth": "truth",
    "depth_behind": "behind",
    "normal": "truth",
    "instance": "truth",
}


def phases_for(channels: Collection[Channel]) -> tuple[Phase, ...]:
    """The phases that these channels need, in the order of rendering."""
    needed = {PHASE_OF[name] for name in channels}
    return tuple(phase for phase in PHASES if phase in needed)


@record
class LightTransport:
    """How far and how finely Cycles follows light.

    samples : per pixel; bounces : by kind; filter_glossy : blur of later glossy hits
    clamp_indirect : in radiance units, 0 = none
    """

    samples: int
    max_bounces: int
    transmission_bounces: int
    transparent_bounces: int
    glossy_bounces: int
    diffuse_bounces: int
    volume_bounces: int
    clamp_indirect: float
    caustics: bool
    filter_glossy: float


@record
class RenderSettings(LightTransport):
    """Cycles' settings with nothing left open but the device; `threads` 0 = all."""

    device: Literal["auto", "gpu", "cpu"]
    denoiser: Literal["auto", "optix", "openimagedenoise", "none"]
    view_transform: str
    exposure: float
    seed: int
    threads: int


@record
class StageObject:
    """One mesh on the stage.

    instance : object index in the ground truth, 0 for surroundings
    matrix : object to world, scale included
    wall : wall thickness in metres after scaling
    shares_interface : see `transphy3d.assets.geometry.Asset`
    """

    name: str
    mesh: str
    instance: int
    matrix: Matrix4
    material: Material
    sharp_angle: float
    wall: float
    shares_interface: bool


@record
class Stage:
    """One sequence to render; `only` restricts it to some of its frames."""

    version: int
    width: int
    height: int
    intrinsics: Matrix3
    world_to_camera: tuple[Matrix4, ...]
    objects: tuple[StageObject, ...]
    environment: Environment | None
    areas: tuple[AreaLight, ...]
    render: RenderSettings
    phases: tuple[Phase, ...]
    only: tuple[int, ...] | None = None
    save_blend: bool = False
