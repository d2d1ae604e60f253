from __future__ import annotations

import numpy as np
import pytest
from scenes_things import at_rest, job, scene, solid

from transphy3d.assets.geometry import Mesh
from transphy3d.config import RenderConfig
from transphy3d.jsonio import from_json
from transphy3d.rng import Streams
from transphy3d.scenes.camera import place_camera
from transphy3d.scenes.render_settings import resolve
from transphy3d.scenes.stage import Stage
from transphy3d.scenes.stage_build import build_stage, object_rows, pieces
from transphy3d.scenes.surface_points import surface_points
from transphy3d.shards.schema import POINTS_PER_OBJECT, object_table

VESSELS = job(
    frames=3,
    objects={
        "count": (3, 3),
        "segments": 24,
        "upright": 1.0,
        "filled": 1.0,
        "families": {"include": ["tumbler", "jar"]},
        "optical": {"transparent": 1.0},
    },
    supports={"kinds": {"table": 1}},
    rooms={"kinds": {"open": 1}},
)


@pytest.fixture(scope="module")
def filmed():
    spec = scene(VESSELS)
    geometry, rest = at_rest(spec)
    return place_camera(VESSELS, spec, rest, geometry, Streams(0, 0)), geometry


@pytest.fixture(scope="module")
def stage(filmed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    settings = resolve(RenderConfig(), 7, 1)
    return build_stage(*filmed, VESSELS, settings, folder), folder


def test_the_stage_on_disk_is_the_stage_returned(stage):
    built, folder = stage
    assert from_json(Stage, (folder / "stage.json").read_bytes()) == built
    assert not list(folder.rglob("*.part"))


def test_every_mesh_is_there_in_full(stage):
    built, folder = stage
    for item in built.objects:
        with np.load(folder / "meshes" / f"{item.mesh}.npz") as arrays:
            assert arrays["vertices"].dtype == np.float32
            assert arrays["faces"].max() < len(arrays["vertices"])
            assert ("ior" in arrays) == item.name.endswith("_liquid")


def test_instances_count_every_part_from_one_and_surroundings_are_zero(stage, filmed):
    built, _ = stage
    settled, geometry = filmed
    instances = [item.instance for item in built.objects if item.instance]
    assert instances == list(range(1, len(instances) + 1))
    statics = len(geometry.support.bodies) + len(geometry.room)
    assert len(built.objects) - len(instances) == statics
    assert [row.instance for row in object_rows(settled, geometry)] == instances


def test_names_on_the_stage_are_unique(stage):
    names = [item.name for item in stage[0].objects]
    assert len(set(names)) == len(names)


def test_kept_liquids_are_pieces_and_spilled_ones_are_not(filmed):
    settled, geometry = filmed
    assert settled.liquids
    wet = [p.part.name for p in pieces(settled, geometry)]
    assert wet.count("liquid") == len(settled.liquids)
    from dataclasses import replace

    dry = [p.part.name for p in pieces(replace(settled, liquids=()), geometry)]
    assert "liquid" not in dry


def test_only_the_wetted_body_shares_its_interface(stage, filmed):
    settled, _ = filmed
    sharing = [item.name for item in stage[0].objects if item.shares_interface]
    assert sharing == [f"object{key:03d}_body" for key in sorted(settled.liquids)]


def test_matrices_carry_the_scale_and_rows_do_not(stage, filmed):
    settled, geometry = filmed
    rows = {row.instance: row for row in object_rows(settled, geometry)}
    for item in stage[0].objects:
        if item.instance:
            row = rows[item.instance]
            rigid = np.array(row.object_to_world)
            assert np.linalg.det(rigid[:3, :3]) == pytest.approx(1.0)
            scaled = np.array(item.matrix)[:3, :3]
            np.testing.assert_allclose(scaled, rigid[:3, :3] * row.scale, atol=1e-15)


def test_rows_tell_bounds_and_points_of_the_scaled_piece(filmed):
    settled, geometry = filmed
    for row, piece in zip(object_rows(settled, geometry), pieces(settled, geometry), strict=True):
        vertices = piece.part.mesh.vertices * piece.spec.scale
        np.testing.assert_array_equal(row.bounds_low, vertices.min(axis=0))
        np.testing.assert_array_equal(row.bounds_high, vertices.max(axis=0))
        points = np.array(row.points)
        assert points.shape == (POINTS_PER_OBJECT, 3)
        assert (points >= np.array(row.bounds_low) - 1e-6).all()
        assert (points <= np.array(row.bounds_high) + 1e-6).all()


def test_the_table_accepts_the_rows(filmed):
    assert len(object_table(object_rows(*filmed))) == len(list(pieces(*filmed)))


def test_surface_points_lie_on_the_mesh_and_spread_by_area():
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions=3)
    points = surface_points(sphere.vertices, sphere.faces, 512)
    away = trimesh.proximity.closest_point_naive(sphere, points)[1]
    assert away.max() < 1e-6
    assert np.abs(points.mean(axis=0)).max() < 0.05
    octant = (points > 0).all(axis=1).mean()
    assert octant == pytest.approx(1 / 8, abs=0.03)


def test_large_faces_get_points_in_proportion():
    low, high = np.zeros(3), np.array([1.0, 1.0, 0.0])
    vertices = np.array([low, (1, 0, 0), high, (2, 0, 0), (2, 3, 0), (1, 3, 0)], dtype=float)
    faces = np.array([[0, 1, 2], [1, 3, 4]], dtype=np.int32)  # areas 0.5 and 1.5
    points = surface_points(vertices, faces, 400)
    assert (points[:, 0] > 1).mean() == pytest.approx(0.75, abs=0.01)


def test_surface_points_repeat_exactly():
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]], dtype=np.int32))
    again = [surface_points(mesh.vertices, mesh.faces, 64).tobytes() for _ in range(2)]
    assert again[0] == again[1]
    assert not solid(mesh).is_watertight  # an open mesh has a surface too
