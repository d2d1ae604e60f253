from __future__ import annotations

import numpy as np
import pytest
from scenes_things import ROOM_KINDS, palette, solid

from transphy3d.assets.geometry import Mesh
from transphy3d.scenes.obstacles import clearance, obstacle
from transphy3d.scenes.registry import Registry
from transphy3d.scenes.room_kind import RoomKind, Site
from transphy3d.scenes.rooms import ROOMS, build_room, sample_room
from transphy3d.scenes.solids import box
from transphy3d.scenes.spec import RoomSpec

SITE = Site(floor=-0.75, reach=0.5)


def sampled(kind: str, seed: int) -> RoomSpec:
    return sample_room({kind: 1.0}, SITE, palette(), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ROOM_KINDS)
def test_every_body_is_a_closed_solid_with_a_material(kind: str):
    for seed in range(4):
        spec = sampled(kind, seed)
        for body in build_room(spec).bodies:
            mesh = solid(body.mesh)
            assert mesh.is_watertight and mesh.volume > 0, body.name
            assert body.material in spec.materials


@pytest.mark.parametrize("kind", ROOM_KINDS)
def test_names_of_bodies_are_unique(kind: str):
    names = [body.name for body in build_room(sampled(kind, 1)).bodies]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", ROOM_KINDS)
def test_nothing_stands_where_the_support_is(kind: str):
    angles = np.linspace(0, 2 * np.pi, 16)
    for seed in range(6):
        bodies = build_room(sampled(kind, seed)).bodies
        around = SITE.reach * np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])
        solids = [obstacle(hull) for body in bodies for hull in body.hulls]
        assert clearance(around, solids) > 0.1


@pytest.mark.parametrize("kind", ROOM_KINDS)
def test_the_air_for_cameras_is_inside_the_room(kind: str):
    for seed in range(4):
        room = build_room(sampled(kind, seed))
        low, high = np.array(room.bounds[0]), np.array(room.bounds[1])
        corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
        assert (low[:2] < -SITE.reach).all() and (high[:2] > SITE.reach).all()
        assert low[2] > SITE.floor and high[2] > 0.5
        for body in room.bodies:
            if body.name == "backdrop":
                assert np.abs(winding(body.mesh, corners)).max() < 0.5
            if body.name.startswith(("wall", "floor")):
                assert clearance(corners, [obstacle(hull) for hull in body.hulls]) > 0


def winding(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """How often a closed mesh goes around each point: 1 inside, 0 outside.

    Signed solid angles of its triangles (Van Oosterom and Strackee 1983).
    """
    a, b, c = (mesh.vertices[mesh.faces[:, k]] - points[:, None] for k in range(3))
    x, y, z = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    volume = (a * np.cross(b, c)).sum(axis=-1)
    below = x * y * z + (a * b).sum(-1) * z + (b * c).sum(-1) * x + (c * a).sum(-1) * y
    return np.arctan2(volume, below).sum(axis=1) / (2 * np.pi)


def test_the_winding_number_tells_inside_from_outside():
    cube = box((-1, -1, -1), (1, 1, 1), 0.01)
    np.testing.assert_allclose(winding(cube, np.array([[0, 0, 0], [3, 0, 0]])), [1, 0], atol=1e-9)


def test_walls_hide_the_horizon_and_open_ground_does_not():
    assert ROOMS.get("open").horizon(sampled("open", 0)) == 0.0
    for kind in ("room", "backdrop"):
        assert 0.3 < ROOMS.get(kind).horizon(sampled(kind, 0)) < 1.4


def test_a_plugin_adds_a_room_with_one_call():
    registry: Registry[RoomKind] = Registry("rooms.kinds")
    registry.register("mine", ROOMS.get("open"))
    assert registry.draw({"mine": 1.0}, np.random.default_rng(0)) == "mine"
