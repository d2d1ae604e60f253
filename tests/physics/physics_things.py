"""Simple objects, supports and scenes to drop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trimesh

from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.materials.spec import Material
from transphy3d.scenes.geometry import Geometry, StaticBody, Support
from transphy3d.scenes.spec import (
    AssetRef,
    LightSpec,
    Liquid,
    ObjectSpec,
    Quat,
    RoomSpec,
    SceneSpec,
    SupportSpec,
)

GLASS = Material(
    name="glass", kind="glass", optical_class="transparent", model="dielectric",
    density=2500.0, friction=0.4, restitution=0.5,
)  # fmt: skip
WOOD = Material(
    name="wood", kind="surface", optical_class="opaque", model="principled",
    density=700.0, friction=0.4, restitution=0.3,
)  # fmt: skip
WATER = Material(
    name="water", kind="liquid", optical_class="transparent", model="dielectric",
    density=998.0, friction=0.0, restitution=0.0,
)  # fmt: skip
LEVEL: Quat = (1.0, 0.0, 0.0, 0.0)
SIDEWAYS: Quat = (np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0)


def box_points(size: Sequence[float], base: Sequence[float] = (0, 0, 0)) -> FloatArray:
    """The corners of a box whose bottom face is centred on `base`, (8, 3)."""
    corners = np.stack(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [0, 1], indexing="ij"), -1)
    return corners.reshape(-1, 3) * size + base


def _mesh(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(np.array(solid.vertices, np.float64), np.array(solid.faces, np.int32))


def _asset(name: str, solid: trimesh.Trimesh, hulls: Sequence[FloatArray]) -> Asset:
    return Asset(name, name, (Part("body", _mesh(solid), ("glass",)),), tuple(hulls))


def box(size: Sequence[float]) -> Asset:
    points = box_points(size)
    return _asset("box", trimesh.PointCloud(points).convex_hull, [points])


def ball(radius: float) -> Asset:
    solid = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    solid.apply_translation((0, 0, radius))
    return _asset("ball", solid, [np.array(solid.vertices)])


def cup(radius: float, height: float, wall: float, base: float, sectors: int = 16) -> Asset:
    """A straight cup: a wall of `sectors` staves on a round base of thickness `base`."""
    inner = radius - wall
    profile = [(0, 0), (radius, 0), (radius, height), (inner, height), (inner, base), (0, base)]
    solid = trimesh.creation.revolve(profile, sections=96)
    angle = np.arange(sectors + 1) / sectors * 2 * np.pi
    circle = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(sectors + 1)])
    up = np.array([0, 0, 1.0])
    rings = [
        (circle * r) + up * z for r, z in ((radius, base), (radius, height), (inner, base),
                                           (inner, height))
    ]  # fmt: skip
    staves = [np.concatenate([ring[k : k + 2] for ring in rings]) for k in range(sectors)]
    disc = np.concatenate([circle[:-1] * radius, circle[:-1] * radius + up * base])
    return _asset("cup", solid, [disc, *staves])


def thing(
    key: int, rotation: Quat = LEVEL, upright: bool = True, scale: float = 1.0,
    material: Material = GLASS, liquid: Liquid | None = None,
) -> ObjectSpec:  # fmt: skip
    """An object of the scene; its asset is told to `scene`."""
    ref = AssetRef(source="procedural", name="test", params={})
    return ObjectSpec(
        id=key, asset=ref, scale=scale, materials={"body": material}, rotation=rotation,
        upright=upright, liquid=liquid,
    )  # fmt: skip


def _static(name: str, *pieces: FloatArray) -> StaticBody:
    solids = [trimesh.PointCloud(points).convex_hull for points in pieces]
    return StaticBody(name, _mesh(trimesh.util.concatenate(solids)), "body", pieces)


def table(half_x: float = 0.3, half_y: float = 0.3) -> Support:
    top = box_points((2 * half_x, 2 * half_y, 0.03), (0, 0, -0.03))
    return Support((_static("top", top),), (half_x, half_y), False, 0.0)


def tilted_table(half: float, degrees: float) -> Support:
    """A square slab turned about Y, on which things slide."""
    slab = box_points((4 * half, 4 * half, 0.03), (0, 0, -0.03))
    turn = trimesh.transformations.rotation_matrix(np.radians(degrees), (0, 1, 0))
    return Support((_static("slope", slab @ turn[:3, :3].T),), (half, half), False, 0.0)


def bin_of(half_x: float, half_y: float, height: float, wall: float = 0.01) -> Support:
    """A box without a lid; its floor is z = 0."""
    floor = box_points((2 * (half_x + wall), 2 * (half_y + wall), wall), (0, 0, -wall))
    x, y = half_x + wall / 2, half_y + wall / 2
    long, short = (2 * half_x + 2 * wall, wall, height), (wall, 2 * half_y, height)
    walls = [
        box_points(long, (0, -y, 0)), box_points(long, (0, y, 0)),
        box_points(short, (-x, 0, 0)), box_points(short, (x, 0, 0)),
    ]  # fmt: skip
    return Support((_static("bin", floor, *walls),), (half_x, half_y), False, height)


def scene(
    support: Support, pairs: Sequence[tuple[ObjectSpec, Asset]]
) -> tuple[SceneSpec, Geometry]:
    """A scene of objects with their assets, and its geometry."""
    spec = SceneSpec(
        seed=0, index=0, attempt=0, frames=1,
        objects=tuple(item for item, _ in pairs),
        support=SupportSpec(kind="test", params={}, materials={"body": WOOD}),
        room=RoomSpec(kind="test", params={}, materials={}),
        lights=LightSpec(rig="test", environment=None, areas=()),
    )  # fmt: skip
    assets = {item.id: asset for item, asset in pairs}
    return spec, Geometry(assets, support, (), ((-1, -1, -1), (1, 1, 1)))
