"""Imported vessels stay hollow for what falls into them, and stand where they are put."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from bank_things import cylinder, tumbler, without_top
from physics_things import ball, box_points, thing
from scipy.spatial.transform import Rotation

from transphy3d.assets.bank import AssetRecord, Licence
from transphy3d.assets.contact import touching
from transphy3d.assets.geometry import Asset, Mesh
from transphy3d.assets.importing import assembled
from transphy3d.assets.meshfile import Piece
from transphy3d.assets.parts import make_parts
from transphy3d.assets.procedural.solid import from_manifold, to_manifold
from transphy3d.physics.bodies import Frame, RigidBody, Surface, rigid_body
from transphy3d.physics.world import STEPS_PER_SECOND, World

ROUGH = Surface(0.4, 0.2)
FLOOR = box_points((1, 1, 0.1), (0, 0, -0.1))
RECORD = AssetRecord(
    id="cup", source="local", source_id="cup", name="cup", licence=Licence(name="own")
)


def mug() -> Mesh:
    """A tumbler with a handle, one body."""
    ring = trimesh.creation.torus(0.025, 0.004)
    ring.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    ring.apply_translation((0.05, 0, 0.06))
    handle = to_manifold(Mesh(np.asarray(ring.vertices), np.asarray(ring.faces, np.int32)))
    return from_manifold(to_manifold(tumbler()) + (handle - to_manifold(cylinder(0.034, 0.2))))


def dish() -> Mesh:
    """A square dish, which has no profile."""
    outer, inner = trimesh.creation.box((0.12, 0.12, 0.05)), trimesh.creation.box((0.1, 0.1, 0.05))
    inner.apply_translation((0, 0, 0.01))
    solids = [
        to_manifold(Mesh(np.asarray(s.vertices), np.asarray(s.faces, np.int32)))
        for s in (outer, inner)
    ]
    return from_manifold(solids[0] - solids[1])


def imported(mesh: Mesh, cache: Path) -> Asset:
    made = make_parts([Piece("cup", mesh, "glass")], {"glass": "clear"}, None)
    return assembled(RECORD, made, cache)[0]


def body_of(asset: Asset, place: tuple[float, float, float]) -> tuple[RigidBody, Frame]:
    """A body upright with its origin at `place`."""
    body = rigid_body(thing(1), asset)
    return body, Frame(np.array(place) + body.center, Rotation.identity() * body.axes)


@pytest.mark.parametrize(
    "mesh",
    [tumbler(), mug(), dish(), without_top(cylinder(0.035, 0.1))],
    ids=["tumbler", "mug with a handle", "square dish", "sheet"],
)
def test_a_ball_falls_to_the_ground_of_an_imported_vessel(mesh: Mesh, tmp_path: Path) -> None:
    asset = touching(imported(mesh, tmp_path))
    with World() as world:
        world.add_static([FLOOR], ROUGH)
        vessel = world.add(*body_of(asset, (0, 0, 0.001)))
        dropped = world.add(*body_of(ball(0.007), (0.002, 0, 0.15)))
        for _ in range(int(1.5 * STEPS_PER_SECOND)):
            world.step()
        place, stood = world.frame(dropped).position, world.frame(vessel)
    assert place[2] < 0.025
    assert place[2] > 0.007
    assert np.hypot(*place[:2]) < 0.06
    lifted = stood.position[2] - body_of(asset, (0, 0, 0))[1].position[2]
    assert -1e-4 < lifted < 5e-4
