from __future__ import annotations

import numpy as np
import pytest
from scenes_things import SUPPORT_KINDS, palette, solid

from transphy3d.errors import JobError
from transphy3d.scenes.geometry import Support
from transphy3d.scenes.obstacles import obstacle
from transphy3d.scenes.spec import SupportSpec
from transphy3d.scenes.support_kind import Footprint
from transphy3d.scenes.supports import SUPPORTS, build_support, sample_support

SEEDS = range(6)
OBJECTS = Footprint(area=0.05, reach=0.09, tallest=0.15)


def sampled(kind: str, seed: int, footprint: Footprint = OBJECTS) -> SupportSpec:
    return sample_support({kind: 1.0}, footprint, palette(), np.random.default_rng(seed))


def solid_height(support: Support, x: float, y: float) -> float:
    """Height of the highest point that is inside a hull above (x, y), by bisection-free scan."""
    heights = np.linspace(-0.1, 0.3, 4001)
    line = np.column_stack([np.full_like(heights, x), np.full_like(heights, y), heights])
    inside = np.zeros(len(heights), dtype=bool)
    for body in support.bodies:
        for hull in body.hulls:
            if hull[:, 2].max() < -0.1:
                continue
            planes = obstacle(hull)
            inside |= (line @ planes.normals.T + planes.offsets <= 1e-9).all(axis=1)
    return float(heights[inside].max())


@pytest.mark.parametrize("kind", SUPPORT_KINDS)
def test_every_body_is_a_closed_solid(kind: str):
    for seed in SEEDS:
        for body in build_support(sampled(kind, seed)).bodies:
            mesh = solid(body.mesh)
            assert mesh.is_watertight and mesh.is_winding_consistent, body.name
            assert mesh.volume > 0, body.name


@pytest.mark.parametrize("kind", SUPPORT_KINDS)
def test_the_floor_is_at_zero_for_picture_and_physics(kind: str):
    for seed in SEEDS[:2]:
        support = build_support(sampled(kind, seed))
        half_x, half_y = support.half_extents
        share = 0.3 if support.round else 0.95
        for x, y in ((0, 0), (share * half_x, 0), (0, -share * half_y)):
            assert solid_height(support, x, y) == pytest.approx(0.0, abs=2e-4)


@pytest.mark.parametrize("kind", SUPPORT_KINDS)
def test_what_objects_touch_collides_where_it_is_seen(kind: str):
    for body in build_support(sampled(kind, 1)).bodies:
        seen = body.mesh.vertices[body.mesh.vertices[:, 2] > -1e-6]
        gaps = [outside(hull, seen) for hull in body.hulls]
        if len(seen):  # but for the fillet under a flange, which nothing reaches
            assert np.min(gaps, axis=0).max() < 0.002, body.name


def outside(hull: np.ndarray, points: np.ndarray) -> np.ndarray:
    planes = obstacle(hull)
    return (points @ planes.normals.T + planes.offsets).max(axis=1)


@pytest.mark.parametrize("kind", SUPPORT_KINDS)
def test_hulls_reach_no_further_than_the_mesh(kind: str):
    for body in build_support(sampled(kind, 1)).bodies:
        points, vertices = np.vstack(body.hulls), body.mesh.vertices
        assert (points >= vertices.min(axis=0) - 1e-6).all()
        assert (points <= vertices.max(axis=0) + 1e-6).all()


@pytest.mark.parametrize("kind", ["tray", "bin", "box"])
def test_containers_have_walls_as_high_as_they_say(kind: str):
    for seed in SEEDS[:2]:
        support = build_support(sampled(kind, seed))
        top = max(body.mesh.vertices[:, 2].max() for body in support.bodies)
        assert top == pytest.approx(support.rim, abs=1e-6)
        hull_top = max(hull[:, 2].max() for body in support.bodies for hull in body.hulls)
        assert hull_top == pytest.approx(support.rim, abs=1e-6)


@pytest.mark.parametrize("kind", SUPPORT_KINDS)
def test_the_largest_object_fits_and_crowding_is_kept(kind: str):
    for seed in SEEDS:
        half = build_support(sampled(kind, seed)).half_extents
        assert min(half) >= OBJECTS.reach
        assert OBJECTS.area / (4 * half[0] * half[1]) <= SUPPORTS.get(kind).crowding[1] * 1.01


def test_more_objects_get_a_larger_table():
    def area(footprint: Footprint) -> float:
        half = build_support(sampled("table", 0, footprint)).half_extents
        return half[0] * half[1]

    assert area(Footprint(0.5, 0.1, 0.2)) > 2 * area(Footprint(0.1, 0.1, 0.2))


def test_supports_too_small_for_the_objects_are_left_out():
    crowd = Footprint(area=1.5, reach=0.15, tallest=0.2)
    rng = np.random.default_rng(0)
    spec = sample_support({"bowl": 0.99, "table": 0.01}, crowd, palette(), rng)
    assert spec.kind == "table"
    with pytest.raises(JobError, match="table"):
        sample_support({"bowl": 1.0}, crowd, palette(), np.random.default_rng(0))


def test_every_part_has_a_material():
    for kind in SUPPORT_KINDS:
        spec = sampled(kind, 0)
        assert {body.material for body in build_support(spec).bodies} == set(spec.materials)
