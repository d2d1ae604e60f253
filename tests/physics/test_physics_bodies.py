"""Mass, centre of mass and inertia against what integration by hand gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from physics_things import GLASS, WATER, WOOD, box, cup, scene, table, thing
from scipy.spatial.transform import Rotation

from transphy3d.assets.geometry import Asset, Cavity, Mesh, Part
from transphy3d.errors import AssetError
from transphy3d.physics.bodies import Frame, RigidBody, combine, rigid_body, solid_inertia
from transphy3d.scenes.rotations import pose_matrix
from transphy3d.scenes.spec import Liquid

RADIUS, HEIGHT, WALL, BASE = 0.04, 0.09, 0.006, 0.012


def own_tensor(body: RigidBody) -> np.ndarray:
    """The inertia tensor in the object's axes."""
    axes = body.axes.as_matrix()
    return axes @ np.diag(body.inertia) @ axes.T


def cylinder(radius: float, low: float, high: float) -> tuple[float, float, float, float]:
    """Volume, centre height, and moments per density about the centre: across and along Z."""
    length = high - low
    volume = np.pi * radius**2 * length
    across = volume * (3 * radius**2 + length**2) / 12
    return volume, (low + high) / 2, across, volume * radius**2 / 2


def analytic_cup(density: float) -> tuple[float, float, float, float]:
    """Mass, centre height and moments of the full cylinder less its cavity."""
    full, full_z, full_x, full_axis = cylinder(RADIUS, 0, HEIGHT)
    hole, hole_z, hole_x, hole_axis = cylinder(RADIUS - WALL, BASE, HEIGHT)
    volume = full - hole
    z = (full * full_z - hole * hole_z) / volume
    across = full_x + full * (full_z - z) ** 2 - hole_x - hole * (hole_z - z) ** 2
    return density * volume, z, density * across, density * (full_axis - hole_axis)


def test_a_box_has_the_inertia_of_a_cuboid() -> None:
    a, b, c = 0.06, 0.05, 0.04
    body = rigid_body(thing(1), box((a, b, c)))
    mass = GLASS.density * a * b * c
    moments = mass / 12 * np.array([b * b + c * c, a * a + c * c, a * a + b * b])
    assert body.mass == pytest.approx(mass)
    assert body.center == pytest.approx([0, 0, c / 2], abs=1e-12)
    assert own_tensor(body) == pytest.approx(np.diag(moments), abs=1e-9 * moments.max())


def test_a_thick_cup_weighs_its_wall_alone() -> None:
    body = rigid_body(thing(1), cup(RADIUS, HEIGHT, WALL, BASE))
    mass, z, across, axial = analytic_cup(GLASS.density)
    tensor = own_tensor(body)
    # The mesh's 96-gon has 0.07 % less area than its circle.
    assert body.mass == pytest.approx(mass, rel=2e-3)
    assert body.center == pytest.approx([0, 0, z], abs=1e-5)
    assert np.diag(tensor) == pytest.approx([across, across, axial], rel=3e-3)


def test_scale_multiplies_mass_by_its_cube_and_inertia_by_its_fifth_power() -> None:
    one = rigid_body(thing(1), cup(RADIUS, HEIGHT, WALL, BASE))
    two = rigid_body(thing(1, scale=2.0), cup(RADIUS, HEIGHT, WALL, BASE))
    assert two.mass == pytest.approx(8 * one.mass)
    assert two.inertia == pytest.approx(32 * one.inertia)
    assert np.ptp(two.points(), axis=0) == pytest.approx(2 * np.ptp(one.points(), axis=0))


def test_parts_keep_their_own_densities() -> None:
    lower, upper = box((0.04, 0.04, 0.02)), box((0.04, 0.04, 0.02))
    lid = upper.parts[0].mesh
    raised = Mesh(lid.vertices + np.array([0, 0, 0.02]), lid.faces)
    asset = replace(lower, parts=(lower.parts[0], Part("lid", raised, ("plastic",))))
    spec = replace(thing(1), materials={"body": GLASS, "lid": WOOD})
    body = rigid_body(spec, asset)
    share = WOOD.density / (GLASS.density + WOOD.density)
    assert body.mass == pytest.approx(0.04 * 0.04 * 0.02 * (GLASS.density + WOOD.density))
    assert body.center[2] == pytest.approx(0.01 + 0.02 * share)
    assert body.surface.restitution == GLASS.restitution


def test_layers_combine_to_the_whole() -> None:
    thin, thick, whole = (box((0.08, 0.03, height)).parts[0].mesh for height in (0.02, 0.03, 0.05))
    lifted = Mesh(thick.vertices + np.array([0, 0, 0.02]), thick.faces)
    found = combine([solid_inertia(thin, 1.0, 900.0), solid_inertia(lifted, 1.0, 900.0)])
    expected = solid_inertia(whole, 1.0, 900.0)
    assert found.mass == pytest.approx(expected.mass)
    assert found.center == pytest.approx(expected.center, abs=1e-12)
    assert found.tensor == pytest.approx(expected.tensor, abs=1e-12)


def filled_cup() -> Asset:
    """A cup that knows its cavity: faces that look at the axis, and the inner floor."""
    asset = cup(RADIUS, HEIGHT, WALL, BASE)
    mesh = asset.parts[0].mesh
    radii = np.hypot(*mesh.vertices[:, :2].T)[mesh.faces]
    inside = (radii < RADIUS - WALL / 2).all(axis=1) & (
        mesh.vertices[mesh.faces, 2] > BASE / 2
    ).all(axis=1)
    return replace(asset, cavity=Cavity(inside, BASE, HEIGHT))


def test_a_liquid_adds_its_mass_to_the_vessel() -> None:
    fraction = 0.5
    dry = rigid_body(thing(1), filled_cup())
    wet = rigid_body(thing(1, liquid=Liquid(material=WATER, fraction=fraction)), filled_cup())
    depth = fraction * (HEIGHT - BASE)
    mass = WATER.density * np.pi * (RADIUS - WALL) ** 2 * depth
    assert wet.mass - dry.mass == pytest.approx(mass, rel=2e-3)
    height = (dry.mass * dry.center[2] + mass * (BASE + depth / 2)) / (dry.mass + mass)
    assert wet.center[2] == pytest.approx(height, rel=1e-3)


def test_a_pose_puts_every_point_where_the_body_has_it() -> None:
    asset = box((0.06, 0.05, 0.04))
    body = rigid_body(thing(1, scale=1.5), asset)
    frame = Frame(np.array([0.1, -0.2, 0.3]), Rotation.from_rotvec([0.3, 1.0, -0.5]))
    matrix = pose_matrix(body.pose(frame))
    own = asset.hulls[0] * 1.5
    by_pose = own @ matrix[:3, :3].T + matrix[:3, 3]
    assert by_pose == pytest.approx(frame.rotation.apply(body.hulls[0]) + frame.position)


def test_a_mesh_turned_inside_out_is_refused() -> None:
    asset = box((0.06, 0.05, 0.04))
    mesh = asset.parts[0].mesh
    inverted = replace(asset.parts[0], mesh=Mesh(mesh.vertices, mesh.faces[:, ::-1]))
    with pytest.raises(AssetError, match="closed mesh"):
        rigid_body(thing(1), replace(asset, parts=(inverted,)))


def test_helpers_make_closed_meshes() -> None:
    spec, geometry = scene(table(), [(thing(1), cup(RADIUS, HEIGHT, WALL, BASE))])
    mesh = geometry.assets[spec.objects[0].id].parts[0].mesh
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).is_watertight
