"""Profiles and surfaces of revolution against closed forms."""

import numpy as np
import pytest
import trimesh

from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.lathe import Node, contour, corner
from transphy3d.errors import AssetError


def test_a_right_angled_span_is_a_circular_arc():
    arc = contour([Node(0, 0, heading=0), Node(1, 1, heading=90)])
    assert np.hypot(arc[:, 0], arc[:, 1] - 1) == pytest.approx(np.ones(len(arc)), abs=3e-4)


def test_spans_between_corners_are_straight_and_unsampled():
    assert len(contour([corner(0, 0), corner(1, 0), corner(1, 2)])) == 3


def test_simplifying_keeps_within_the_chord_error():
    theta = np.linspace(0, np.pi / 2, 500)
    path = 0.05 * np.stack([np.sin(theta), 1 - np.cos(theta)], axis=1)
    kept = path[lathe.simplified(path, 1e-5)]
    middles = (kept[1:] + kept[:-1]) / 2
    sagitta = 0.05 - np.hypot(middles[:, 0], 0.05 - middles[:, 1])
    assert len(kept) < 80
    assert sagitta.max() <= 1.01e-5


def test_graded_edges_grow_gently():
    path = lathe.graded(np.array([(0, 0), (0.0001, 0), (0.1, 0)]))
    lengths = np.hypot(*np.diff(path, axis=0).T)
    assert (lengths[1:] / lengths[:-1]).max() <= lathe.GROWTH
    assert (path[0] == (0, 0)).all() and (path[-1] == (0.1, 0)).all()


def test_a_cylinders_volume_is_that_of_the_prism():
    path = np.array([(0, 0), (0.03, 0), (0.03, 0.1), (0, 0.1)])
    mesh = lathe.revolve(path, 24)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(12 * np.sin(np.pi / 12) * 0.03**2 * 0.1, rel=1e-12)
    assert len(lathe.face_rows(path, 24)) == len(mesh.faces)


def test_a_path_off_the_axis_makes_a_torus():
    theta = np.linspace(0, 2 * np.pi, 33)
    path = np.stack([0.05 + 0.01 * np.cos(theta), 0.01 * np.sin(theta)], axis=1)
    path[-1] = path[0]
    mesh = lathe.revolve(path, 64)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight and solid.euler_number == 0
    assert solid.volume == pytest.approx(2 * np.pi**2 * 0.05 * 0.01**2, rel=0.01)


def test_a_vessels_wall_and_floor_are_as_thick_as_asked():
    path = lathe.vessel(contour([corner(0, 0), corner(0.04, 0), corner(0.04, 0.1)]), 0.003, 0.008)
    rim = lathe.rim_of(path)
    middle = path[(path[:, 1] > 0.03) & (path[:, 1] < 0.07)]
    assert path[-1] == pytest.approx((0, 0.008), abs=1e-6)
    assert np.abs(middle[:, 0, None] - (0.037, 0.04)).min(axis=1).max() < 2e-6
    assert np.ptp(middle[:, 0]) == pytest.approx(0.003, abs=2e-6)
    assert path[rim, 1] == pytest.approx(0.1, abs=1e-5)


def test_rounding_a_lip_removes_its_sharp_edges():
    path = lathe.vessel(contour([corner(0, 0), corner(0.04, 0), corner(0.04, 0.1)]), 0.003, 0.008)
    step = np.diff(path[path[:, 1] > 0.05], axis=0)
    turns = np.abs(np.diff(np.unwrap(np.arctan2(step[:, 1], step[:, 0]))))
    assert np.degrees(turns.max()) < 25


def test_a_cap_keeps_its_clearance():
    body = lathe.vessel(contour([corner(0, 0), corner(0.02, 0), corner(0.02, 0.1)]), 0.003, 0.008)
    shell = contour([corner(0, 0.09), corner(0.023, 0.09), corner(0.023, 0.103), corner(0, 0.103)])
    lid = lathe.cap(shell, lathe.filled(body), 0.0002, 0.0003)
    below = lid[(lid[:, 1] < 0.098) & (lid[:, 1] > 0.091)]
    assert below[:, 0].min() == pytest.approx(0.0202, abs=1e-6)


def test_a_wall_thicker_than_the_vessel_is_an_error():
    with pytest.raises(AssetError):
        lathe.path_of(lathe.rounded(lathe.box(0.001, 0, 0.1), 0.002))
