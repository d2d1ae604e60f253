"""Convex pieces: they are convex, they cover the solid, and they are cached by content."""

import numpy as np
import pytest
import trimesh
from manifold3d import CrossSection
from scipy.spatial import ConvexHull

from transphy3d.assets import collision
from transphy3d.assets.geometry import Mesh
from transphy3d.assets.procedural.lathe import contour, corner, filled, vessel
from transphy3d.errors import AssetError

CUP = vessel(contour([corner(0, 0), corner(0.04, 0), corner(0.04, 0.1)]), 0.003, 0.005)


def area(loop):
    x, y = loop.T
    return (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def extruded_l():
    """An L of 2 cm limbs, 5 cm thick."""
    section = CrossSection([[(0, 0), (10, 0), (10, 2), (2, 2), (2, 10), (0, 10)]])
    mesh = section.extrude(5).to_mesh64()
    vertices = np.array(mesh.vert_properties[:, :3]) / 100
    return Mesh(vertices, np.array(mesh.tri_verts, np.int32))


def test_convex_pieces_tile_an_l_with_two():
    loop = np.array([(0, 0), (2, 0), (2, 1), (1, 1), (1, 3), (0, 3.0)])
    pieces = collision.convex_pieces(loop)
    assert len(pieces) == 2
    assert sum(map(area, pieces)) == pytest.approx(area(loop))
    assert all(ConvexHull(piece).volume == pytest.approx(area(piece)) for piece in pieces)


def test_wall_hulls_have_the_walls_volume_and_leave_the_inside_open():
    hulls = collision.wall_hulls(CUP, 0.003)
    exact = np.pi * (0.04**2 * 0.1 - 0.037**2 * 0.095)
    assert collision.hull_volume(hulls) == pytest.approx(exact, rel=0.05)
    assert max(hull[:, 2].max() for hull in hulls) == pytest.approx(0.1, abs=3e-4)
    for hull in hulls:
        radius = np.hypot(*hull.mean(axis=0)[:2])
        assert radius > 0.034 or hull[:, 2].max() <= 0.0051


def test_a_filled_cylinder_is_one_hull():
    (hull,) = collision.filled_hulls(filled(CUP), 0.001)
    assert ConvexHull(hull).volume == pytest.approx(np.pi * 0.04**2 * 0.1, rel=0.02)


def test_an_hourglass_is_cut_into_slabs():
    waist = contour([corner(0, 0), corner(0.04, 0), corner(0.01, 0.05), corner(0.04, 0.1)])
    hulls = collision.filled_hulls(filled(waist), 0.0005)
    exact = 2 * np.pi * 0.05 * (0.04**2 + 0.04 * 0.01 + 0.01**2) / 3
    assert len(hulls) >= 2
    assert collision.hull_volume(hulls) == pytest.approx(exact, rel=0.1)


def test_a_facetted_body_has_facetted_hulls():
    square = lambda theta, z: 1 + 0.2 * np.cos(4 * theta)  # noqa: E731
    plain, shaped = (
        collision.filled_hulls(filled(CUP), 0.001, 32, radial) for radial in (None, square)
    )
    assert np.hypot(*shaped[0][:, :2].T).max() > 1.1 * np.hypot(*plain[0][:, :2].T).max()


def test_mesh_hulls_are_computed_once_and_read_back(tmp_path, monkeypatch):
    mesh = extruded_l()
    first = collision.mesh_hulls(mesh, tmp_path)
    monkeypatch.setattr(collision, "_coacd", lambda mesh: pytest.fail("computed again"))
    second = collision.mesh_hulls(mesh, tmp_path)
    assert 2 <= len(first) <= collision.MAX_HULLS
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_another_mesh_has_another_place_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(collision, "_coacd", lambda mesh: [mesh.vertices])
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    for scale in (1.0, 2.0):
        mesh = Mesh(np.array(box.vertices) * scale, np.array(box.faces, np.int32))
        assert np.array_equal(collision.mesh_hulls(mesh, tmp_path)[0], mesh.vertices)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_empty_mesh_is_refused(tmp_path):
    with pytest.raises(AssetError, match="without faces"):
        collision.mesh_hulls(Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32)), tmp_path)
