"""Poured liquids: closed, level, of the right volume, and seamless with their vessel."""

import functools

import numpy as np
import pytest
import trimesh

from transphy3d.assets.geometry import Asset
from transphy3d.assets.liquid import fill, level_of
from transphy3d.assets.procedural import build, families
from transphy3d.assets.procedural.assembly import Turned, vessel_asset
from transphy3d.assets.procedural.lathe import contour, corner, vessel
from transphy3d.assets.procedural.solid import signed_volume
from transphy3d.errors import AssetError

WATER, GLASS = 1.33, 1.52
HOLDING = (
    "tumbler", "wine_glass", "champagne_flute", "coupe", "bottle", "beaker", "erlenmeyer_flask",
    "test_tube", "vase", "bowl", "jar", "mug", "pitcher", "teapot", "carafe", "decanter", "pan",
)  # fmt: skip


@functools.cache
def sampled(name: str, seed: int) -> Asset:
    return build(name, families()[name].sample(np.random.default_rng(seed)), 16)


def straight_glass(segments: int) -> Asset:
    """Radius 40 mm, height 100 mm, wall 3 mm, floor 5 mm."""
    outer = contour([corner(0, 0), corner(0.04, 0), corner(0.04, 0.1)])
    body = Turned(vessel(outer, 0.003, 0.005), 0.003)
    return vessel_asset("glass", "glass", body, segments, ("glass",))


def is_sealed(vertices, faces):
    """Whether every directed edge meets its reverse, comparing coordinates bit for bit."""
    index = np.unique(vertices, axis=0, return_inverse=True)[1].reshape(-1)[faces]
    edges = index[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    return sorted(map(tuple, edges)) == sorted(map(tuple, edges[:, ::-1]))


@pytest.mark.parametrize("name", HOLDING)
def test_the_liquid_is_a_closed_body_below_its_level(name):
    for seed in range(3):
        asset = sampled(name, seed)
        liquid = fill(asset, 0.6, WATER, GLASS).parts[-1].mesh
        mesh = trimesh.Trimesh(liquid.vertices, liquid.faces, process=False)
        assert mesh.is_watertight and mesh.is_winding_consistent
        assert mesh.volume > 0
        assert mesh.bounds[1, 2] == level_of(asset, 0.6)
        assert mesh.bounds[0, 2] == pytest.approx(asset.cavity.floor)


@pytest.mark.parametrize("name", HOLDING)
def test_wall_and_liquid_share_their_interface_exactly(name):
    asset = sampled(name, 1)
    before = signed_volume(asset.parts[0].mesh)
    wet = fill(asset, 0.5, WATER, GLASS)
    body, liquid = wet.parts[0].mesh, wet.parts[-1].mesh
    wall = liquid.faces[liquid.ior == np.float32(WATER / GLASS)][:, ::-1]
    vertices = np.concatenate([body.vertices, liquid.vertices])
    faces = np.concatenate([body.faces, wall + len(body.vertices)])
    assert wet.shares_interface
    assert is_sealed(vertices, faces)
    triangles = vertices[faces]
    volume = np.einsum("ij,ij->", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])) / 6
    assert volume == pytest.approx(before, rel=1e-9)


def test_the_level_faces_up_and_carries_the_liquids_own_index():
    liquid = fill(sampled("teapot", 0), 0.7, WATER, GLASS).parts[-1].mesh
    top = liquid.ior == np.float32(WATER)
    corners = liquid.vertices[liquid.faces[top]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert top.any()
    assert (normals[:, 2] > 0).all()
    assert np.ptp(corners[..., 2]) == 0
    assert set(liquid.ior) == {np.float32(WATER), np.float32(WATER / GLASS)}


@pytest.mark.parametrize("fraction", (0.1, 0.5, 1.0))
def test_the_volume_is_that_of_the_prism_it_fills(fraction):
    segments = 48
    asset = straight_glass(segments)
    height = level_of(asset, fraction) - 0.005
    area = segments / 2 * np.sin(2 * np.pi / segments) * 0.037**2
    liquid = fill(asset, fraction, WATER, GLASS).parts[-1].mesh
    assert signed_volume(liquid) == pytest.approx(area * height, rel=2e-3)


def test_a_liquid_stays_below_the_lowest_point_of_the_rim():
    asset = sampled("teapot", 2)
    tip = asset.parts[0].mesh.vertices[np.argmax(asset.parts[0].mesh.vertices[:, 0])]
    assert asset.cavity.brim < tip[2]


def test_texture_coordinates_survive_the_cut():
    asset = straight_glass(24)
    body = fill(asset, 0.37, WATER, GLASS).parts[0].mesh
    inside = body.vertices[body.faces][:, :, 2].min(axis=1) >= level_of(asset, 0.37)
    assert np.isfinite(body.uv).all()
    # v is arc length: on the straight wall its spread is the face's height.
    heights = np.ptp(body.vertices[body.faces][inside][:, :, 2], axis=1)
    assert np.allclose(
        np.ptp(body.uv[inside][:, :, 1], axis=1)[heights > 0.005],
        heights[heights > 0.005],
        atol=1e-5,
    )


def test_a_thing_without_a_cavity_cannot_be_filled():
    with pytest.raises(AssetError, match="plate"):
        fill(sampled("plate", 0), 0.5, WATER, GLASS)


@pytest.mark.parametrize("fraction", (0.0, 1.5))
def test_the_fraction_must_make_sense(fraction):
    with pytest.raises(AssetError, match="fraction"):
        fill(straight_glass(8), fraction, WATER, GLASS)
