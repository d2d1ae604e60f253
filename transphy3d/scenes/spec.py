"""The scene as data: what was sampled (SceneSpec) and what came to rest (SettledScene).

World frame: right-handed, Z up, metres. z = 0 is the surface that the objects rest on.
Quaternions are (w, x, y, z). All of it goes to JSON and back without losing a bit.
"""

from __future__ import annotations

from typing import Literal

from transphy3d.jsonio import Params, record
from transphy3d.materials.spec import RGB, Material

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]
Row4 = tuple[float, float, float, float]
Matrix4 = tuple[Row4, Row4, Row4, Row4]
Matrix3 = tuple[Vec3, Vec3, Vec3]


@record
class Pose:
    """Object frame to world."""

    position: Vec3
    rotation: Quat


@record
class AssetRef:
    """Which asset: a procedural family with its parameters, or a mesh or bank file by content.

    name : of the family, the file's stem, or the asset's id in the bank
    """

    source: Literal["procedural", "mesh", "bank"]
    name: str
    params: Params
    path: str | None = None
    sha256: str | None = None


@record
class Liquid:
    """A liquid poured into a vessel; `fraction` of the height of its cavity."""

    material: Material
    fraction: float


@record
class ObjectSpec:
    """One object to drop. `upright` ones start standing, the others with `rotation`.

    `materials` maps each part's name to its material. `scale` multiplies the asset's real size.
    """

    id: int
    asset: AssetRef
    scale: float
    materials: dict[str, Material]
    rotation: Quat
    upright: bool
    liquid: Liquid | None = None


@record
class SupportSpec:
    """What the objects lie on or in; `materials` by part name."""

    kind: str
    params: Params
    materials: dict[str, Material]


@record
class RoomSpec:
    """What surrounds the support; `materials` by part name."""

    kind: str
    params: Params
    materials: dict[str, Material]


@record
class Environment:
    """An HDR environment: file, turn about Z in radians, and a factor on its radiance.

    `path` is absolute, or "builtin:<name>" for a file that ships with bpy.
    """

    path: str
    sha256: str
    rotation: float
    strength: float


@record
class AreaLight:
    """A rectangular light; `size` in metres, `power` in watts, `color` linear RGB."""

    position: Vec3
    target: Vec3
    size: tuple[float, float]
    power: float
    color: RGB


@record
class LightSpec:
    """All light of a scene."""

    rig: str
    environment: Environment | None
    areas: tuple[AreaLight, ...]


@record
class Wobble:
    """A sum of sines over the sequence: amplitude (in the wobbled unit), cycles, phase (rad)."""

    amplitudes: tuple[float, ...]
    cycles: tuple[float, ...]
    phases: tuple[float, ...]


@record
class CameraSpec:
    """A circle around the objects' centre with sinusoidal perturbation.

    fov : horizontal field of view, degrees
    radius, height : metres from the centre, horizontally and vertically
    azimuth : start, radians; arc : radians travelled, negative for clockwise
    """

    fov: float
    radius: float
    height: float
    azimuth: float
    arc: float
    radius_wobble: Wobble
    height_wobble: Wobble
    look_wobble: tuple[Wobble, Wobble, Wobble]


@record
class SceneSpec:
    """Everything that was sampled for one attempt at one sequence."""

    seed: int
    index: int
    attempt: int
    frames: int
    objects: tuple[ObjectSpec, ...]
    support: SupportSpec
    room: RoomSpec
    lights: LightSpec


@record
class PhysicsReport:
    """How the scene came to rest; lengths in metres, speeds in m/s and rad/s."""

    settle_seconds: float
    penetration: float
    speed: float
    angular_speed: float
    redropped: int


@record
class SettledScene:
    """A scene at rest, and the camera found for it.

    poses : by object id
    liquids : ids whose liquid is kept, because the vessel stands upright
    world_to_camera : one 4x4 per frame, OpenCV axes
    intrinsics : 3x3, pixels
    """

    spec: SceneSpec
    poses: dict[int, Pose]
    liquids: tuple[int, ...]
    physics: PhysicsReport
    camera: CameraSpec
    intrinsics: Matrix3
    world_to_camera: tuple[Matrix4, ...]
