"""Every vessel family, over many seeds: closed solids of real size with usable collision hulls."""

import functools

import manifold3d
import numpy as np
import pytest
import trimesh
from scipy.spatial import ConvexHull

from transphy3d.assets.collision import hull_fit, hull_volume
from transphy3d.assets.liquid import fill
from transphy3d.assets.procedural import build, families
from transphy3d.assets.procedural.solid import signed_volume

SEGMENTS = 16
SEEDS = range(3)
OPEN = (
    "tumbler",
    "wine_glass",
    "champagne_flute",
    "coupe",
    "beaker",
    "vase",
    "bowl",
    "mug",
    "pitcher",
    "pan",
)
CLOSED = ("bottle", "teapot", "test_tube", "decanter")
EITHER = ("jar", "carafe", "erlenmeyer_flask")
HOLDING = OPEN + CLOSED + EITHER
OTHERS = ("plate", "ashtray", "candlestick", "tealight_holder", "lampshade")
# Least and greatest extent of the whole object in metres, height last.
SIZES = {
    "tumbler": ((0.05, 0.10), (0.07, 0.16)), "wine_glass": ((0.06, 0.11), (0.14, 0.25)),
    "champagne_flute": ((0.05, 0.09), (0.17, 0.27)), "coupe": ((0.08, 0.12), (0.10, 0.18)),
    "beaker": ((0.04, 0.13), (0.05, 0.17)), "vase": ((0.05, 0.15), (0.13, 0.29)),
    "bowl": ((0.10, 0.22), (0.02, 0.09)), "mug": ((0.09, 0.14), (0.07, 0.12)),
    "pitcher": ((0.12, 0.20), (0.14, 0.25)), "pan": ((0.22, 0.46), (0.02, 0.16)),
    "bottle": ((0.04, 0.11), (0.17, 0.33)), "teapot": ((0.18, 0.29), (0.08, 0.18)),
    "test_tube": ((0.01, 0.04), (0.09, 0.19)), "decanter": ((0.08, 0.19), (0.16, 0.29)),
    "jar": ((0.05, 0.12), (0.07, 0.17)), "carafe": ((0.08, 0.13), (0.18, 0.28)),
    "erlenmeyer_flask": ((0.05, 0.11), (0.09, 0.20)), "plate": ((0.16, 0.29), (0.01, 0.035)),
    "ashtray": ((0.08, 0.16), (0.02, 0.05)),
    "candlestick": ((0.07, 0.11), (0.08, 0.23)), "tealight_holder": ((0.06, 0.10), (0.04, 0.09)),
    "lampshade": ((0.13, 0.29), (0.10, 0.21)),
}  # fmt: skip


def fresh(name, seed):
    return build(name, families()[name].sample(np.random.default_rng(seed)), SEGMENTS)


sampled = functools.cache(fresh)


def as_trimesh(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def as_solid(mesh):
    return manifold3d.Manifold(
        manifold3d.Mesh64(mesh.vertices, np.ascontiguousarray(mesh.faces, np.uint64))
    )


def contains(hull, point):
    equations = ConvexHull(hull).equations
    return bool((equations[:, :3] @ point + equations[:, 3] <= 0).all())


@pytest.mark.parametrize("name", HOLDING + OTHERS)
def test_every_part_is_a_closed_solid_facing_outward(name):
    for seed in SEEDS:
        for part in sampled(name, seed).parts:
            mesh = as_trimesh(part.mesh)
            assert mesh.is_watertight and mesh.is_winding_consistent
            assert mesh.volume > 0
            assert mesh.body_count == 1


@pytest.mark.parametrize("name", HOLDING + OTHERS)
def test_it_is_of_real_size_and_stands_on_zero(name):
    (narrow, wide), (low, high) = SIZES[name]
    for seed in SEEDS:
        points = sampled(name, seed).points()
        across, height = np.ptp(points[:, :2], axis=0).max(), np.ptp(points[:, 2])
        assert narrow < across < wide
        assert low < height < high
        assert points[:, 2].min() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", HOLDING + OTHERS)
def test_texture_coordinates_cover_every_face(name):
    for part in sampled(name, 0).parts:
        assert part.mesh.uv.shape == (len(part.mesh.faces), 3, 2)
        assert np.isfinite(part.mesh.uv).all()


@pytest.mark.parametrize("name", ("bottle", "jar", "teapot", "decanter"))
def test_a_lid_does_not_intersect_its_body(name):
    lidded = [asset for asset in (sampled(name, seed) for seed in range(6)) if len(asset.parts) > 1]
    assert lidded
    for asset in lidded:
        body, lid = (as_solid(part.mesh) for part in asset.parts)
        assert (body ^ lid).volume() == 0
        assert body.min_gap(lid, 0.01) == pytest.approx(0.00015, abs=0.00012)


@pytest.mark.parametrize("name", OPEN + OTHERS)
def test_hulls_have_the_volume_of_the_wall(name):
    family = families()[name]
    for seed in SEEDS:
        asset = family.build(family.sample(np.random.default_rng(seed)), SEGMENTS)
        assert 0.85 < hull_fit(asset) < 1.25


@pytest.mark.parametrize("name", CLOSED)
def test_hulls_of_closed_vessels_have_the_volume_of_the_outside(name):
    for seed in SEEDS:
        asset = sampled(name, seed)
        filled = fill(asset, 1.0, 1.33, 1.5).parts[-1].mesh
        whole = sum(signed_volume(part.mesh) for part in asset.parts) + signed_volume(filled)
        assert 0.85 < hull_volume(asset.hulls) / whole < 1.2


@pytest.mark.parametrize("name", OPEN)
def test_the_inside_of_open_vessels_is_in_no_hull(name):
    for seed in SEEDS:
        asset = sampled(name, seed)
        for share in (0.3, 0.6, 0.95):
            z = asset.cavity.floor + share * (asset.cavity.brim - asset.cavity.floor)
            point = np.array([0, 0, z])
            assert not any(contains(hull, point) for hull in asset.hulls)


@pytest.mark.parametrize("name", ("mug", "pitcher", "pan"))
def test_a_handle_is_united_with_the_body(name):
    for seed in SEEDS:
        body = sampled(name, seed).parts[0].mesh
        assert as_solid(body).genus() == (0 if name == "pan" else 1)


def test_a_teapot_has_an_open_spout():
    for seed in SEEDS:
        body = sampled("teapot", seed).parts[0].mesh
        assert as_solid(body).genus() == 2  # handle and spout


@pytest.mark.parametrize("name", ("tumbler", "vase", "mug", "teapot"))
def test_the_same_parameters_give_the_same_arrays(name):
    first, second = fresh(name, 7), fresh(name, 7)
    for a, b in zip(first.parts, second.parts, strict=True):
        assert np.array_equal(a.mesh.vertices, b.mesh.vertices)
        assert np.array_equal(a.mesh.faces, b.mesh.faces)
        assert np.array_equal(a.mesh.uv, b.mesh.uv)
    assert all(np.array_equal(a, b) for a, b in zip(first.hulls, second.hulls, strict=True))


def test_walls_are_as_thick_as_asked():
    params = families()["tumbler"].sample(np.random.default_rng(0))
    params |= {"pattern": "plain", "taper": 1.0, "belly": 0.0, "wall": 0.002, "height": 0.1}
    body = as_solid(build("tumbler", params, 64).parts[0].mesh)
    loops = body.slice(0.06).to_polygons()
    outside, inside = sorted((np.hypot(*np.array(loop).T).max() for loop in loops), reverse=True)
    assert outside - inside == pytest.approx(0.002, abs=1e-5)
