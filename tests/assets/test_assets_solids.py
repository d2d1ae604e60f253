"""Non-vessel families: closed, of real size, on their base, with hulls that fit."""

import itertools

import manifold3d
import numpy as np
import pytest
import trimesh

from transphy3d.assets.procedural import build, families
from transphy3d.assets.procedural.solid import hull_mesh, to_manifold

SEGMENTS = 32
SEEDS = range(8)
# Longest edge in metres, low and high.
SIZES = {
    "ball": (0.015, 0.09), "bauble": (0.04, 0.17), "lens": (0.03, 0.11),
    "magnifier": (0.08, 0.28), "prism": (0.02, 0.15), "crystal": (0.03, 0.18),
    "ring": (0.025, 0.12), "funnel": (0.06, 0.3), "chess_pawn": (0.03, 0.08),
    "ice_cube": (0.018, 0.05), "superquadric": (0.025, 0.1), "tray": (0.15, 0.32),
    "mirror": (0.07, 0.21), "pipe": (0.03, 0.32), "light_bulb": (0.04, 0.2),
    "salt_shaker": (0.06, 0.13), "spoon": (0.12, 0.22), "fork": (0.14, 0.22),
    "knife": (0.16, 0.25), "can": (0.06, 0.2),
}  # fmt: skip
# Closed or narrow-necked things, whose hulls fill them.
FILLED = {"ball", "bauble", "can", "light_bulb", "salt_shaker"}
CASES = list(itertools.product(SIZES, SEEDS))


def sampled(name, seed):
    return families()[name].sample(np.random.Generator(np.random.PCG64(seed)))


def made(name, seed):
    return build(name, sampled(name, seed), SEGMENTS)


def hull_union(asset):
    hulls = [to_manifold(hull_mesh(hull)) for hull in asset.hulls]
    return manifold3d.Manifold.batch_boolean(hulls, manifold3d.OpType.Add)


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_every_part_is_a_closed_solid_wound_outward(name, seed):
    for part in made(name, seed).parts:
        mesh = trimesh.Trimesh(part.mesh.vertices, part.mesh.faces, process=False)
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.volume > 0
        assert to_manifold(part.mesh).volume() == pytest.approx(mesh.volume, rel=1e-6)
        assert part.mesh.uv is not None
        assert part.mesh.uv.shape == (*part.mesh.faces.shape, 2)
        assert np.isfinite(part.mesh.uv).all()


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_parts_do_not_meet(name, seed):
    solids = [to_manifold(part.mesh) for part in made(name, seed).parts]
    for one, other in itertools.combinations(solids, 2):
        assert one.min_gap(other, 0.01) > 5e-5


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_it_stands_on_its_origin_in_real_size(name, seed):
    points = made(name, seed).points()
    low, high = points.min(axis=0), points.max(axis=0)
    assert abs(low[2]) < 1e-9
    assert np.abs((low + high)[:2] / 2).max() < 0.06 * (high - low).max()
    assert SIZES[name][0] <= (high - low).max() <= SIZES[name][1]


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_hulls_fit_the_material_and_leave_hollows(name, seed):
    asset = made(name, seed)
    volume = hull_union(asset).volume()
    if name in FILLED:
        around = trimesh.convex.convex_hull(asset.points()).volume
        assert 0.6 * around < volume < 1.02 * around
    else:
        solid = sum(to_manifold(part.mesh).volume() for part in asset.parts)
        assert 0.85 <= volume / solid <= 1.25


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_hulls_stay_within_the_bounding_box(name, seed):
    asset = made(name, seed)
    points, corners = asset.points(), np.concatenate(asset.hulls)
    slack = 0.03 * np.ptp(points, axis=0).max()
    assert (corners >= points.min(axis=0) - slack).all()
    assert (corners <= points.max(axis=0) + slack).all()


@pytest.mark.parametrize("name", SIZES)
def test_same_parameters_give_the_same_bytes(name):
    assert sampled(name, 3) == sampled(name, 3)
    one, other = made(name, 3), made(name, 3)
    assert one.points().tobytes() == other.points().tobytes()
    assert np.concatenate(one.hulls).tobytes() == np.concatenate(other.hulls).tobytes()


@pytest.mark.parametrize("name", SIZES)
def test_other_draws_give_another_shape(name):
    assert made(name, 1).points().tobytes() != made(name, 2).points().tobytes()


def test_a_can_weighs_what_its_sheet_metal_weighs():
    for seed in SEEDS:
        volume = to_manifold(made("can", seed).parts[0].mesh).volume()
        assert 0.010 < 2700 * volume < 0.045  # kg of aluminium; drink cans weigh 13 to 20 g


def test_glass_of_lenses_is_clear_whatever_the_frame_is_of():
    for name, part in (("lens", "body"), ("magnifier", "lens"), ("light_bulb", "stem")):
        parts = {item.name: item for item in made(name, 0).parts}
        assert parts[part].optical == ("transparent",)


@pytest.mark.parametrize("section", ["equilateral", "right", "wedge", "dove", "penta", "hexagonal"])
@pytest.mark.parametrize("standing", [False, True])
def test_every_prism_section_is_convex_and_closed(section, standing):
    params = {**sampled("prism", 0), "section": section, "standing": standing}
    part = build("prism", params, SEGMENTS).parts[0]
    mesh = trimesh.Trimesh(part.mesh.vertices, part.mesh.faces, process=False)
    assert mesh.is_watertight
    assert mesh.convex_hull.volume == pytest.approx(mesh.volume, rel=1e-6)


@pytest.mark.parametrize("cut", ["brilliant", "dome", "block", "tower", "iceberg"])
@pytest.mark.parametrize("facets", [6, 8, 10])
def test_every_crystal_cut_stands_on_a_flat_facet(cut, facets):
    params = {**sampled("crystal", 0), "cut": cut, "facets": facets}
    vertices = build("crystal", params, SEGMENTS).parts[0].mesh.vertices
    assert (vertices[:, 2] < 1e-5).sum() >= 3


@pytest.mark.parametrize("tines", [3, 4])
def test_a_fork_is_one_body_with_its_tines(tines):
    fork = build("fork", {**sampled("fork", 0), "tines": tines}, SEGMENTS)
    solid = to_manifold(fork.parts[0].mesh)
    assert len(solid.decompose()) == 1
    assert solid.genus() == 0
    low, high = np.array(solid.bounding_box()).reshape(2, 3)
    tips = solid.split_by_plane((1, 0, 0), high[0] - 0.15 * (high[0] - low[0]))[0]
    assert len(tips.decompose()) == tines


def test_a_spoon_holds_a_pool_and_a_biconvex_lens_is_thickest_in_the_middle():
    spoon = build("spoon", sampled("spoon", 0), SEGMENTS).parts[0].mesh.vertices
    bowl = spoon[spoon[:, 0] > np.quantile(spoon[:, 0], 0.8)]
    middle = bowl[np.abs(bowl[:, 1]) < 0.002]
    assert middle[:, 2].min() < bowl[np.abs(bowl[:, 1]).argmax(), 2] - 0.002
    lens = build("lens", {**sampled("lens", 0), "shape": "biconvex"}, SEGMENTS)
    radius = np.hypot(*lens.points()[:, :2].T)
    centre, edge = lens.points()[radius < 1e-9, 2], lens.points()[radius > 0.99 * radius.max(), 2]
    assert np.ptp(centre) > np.ptp(edge)
