"""Objects rest where their meshes touch, and only what stands is stood up."""

import numpy as np
import pytest

from transphy3d.assets.contact import REACH_ERROR, stands, touching
from transphy3d.assets.geometry import Asset, Mesh, Part
from transphy3d.assets.procedural.family import build, families


def drawn(name, seed, segments=48):
    return touching(build(name, families()[name].sample(np.random.default_rng(seed)), segments))


@pytest.mark.parametrize("name", families())
def test_hulls_reach_down_to_the_lowest_point_of_the_mesh(name):
    for seed in range(2):
        asset = drawn(name, seed)
        lowest = min(hull[:, 2].min() for hull in asset.hulls)
        assert lowest - asset.points()[:, 2].min() < 1e-4


def test_a_hull_too_short_is_led_to_the_foot_and_the_others_stay():
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float) - 0.5
    cube = Mesh(corners, np.array([[0, 1, 2]], np.int32))
    low = corners * 0.9 * [1, 1, 0.5] - [0, 0, 0.2]
    high = low + np.array([0, 0, 0.45])
    asset = touching(Asset("cube", "cube", (Part("body", cube, ("glass",)),), (low, high)))
    assert asset.hulls[0][:, 2].min() == -0.5
    reach = np.concatenate(asset.hulls)
    assert np.abs(np.abs(reach).max(axis=0) - 0.5).max() < REACH_ERROR


@pytest.mark.parametrize("name", ["tumbler", "bottle", "bowl", "mug", "can", "plate"])
def test_vessels_stand(name):
    assert stands(drawn(name, 0))


@pytest.mark.parametrize("name", ["ball", "bauble", "test_tube", "light_bulb"])
def test_round_bottoms_do_not(name):
    assert not stands(drawn(name, 0))
