"""Sets of things are told from single things with parts."""

import numpy as np
import trimesh

from transphy3d.assets.apart import separate_things
from transphy3d.assets.geometry import Mesh


def box(at, size=0.1):
    made = trimesh.creation.box((size,) * 3)
    return Mesh(np.asarray(made.vertices) + at, np.asarray(made.faces, np.int32))


def test_a_lid_that_all_but_touches_belongs_to_its_pot():
    assert separate_things([box((0, 0, 0)), box((0, 0, 0.1005))]) == 1


def test_things_that_lie_apart_are_counted():
    assert separate_things([box((0, 0, 0)), box((0.3, 0, 0)), box((0, 0.3, 0))]) == 3


def test_bodies_within_one_mesh_count_too():
    left, right = box((0, 0, 0)), box((0.5, 0, 0))
    both = Mesh(
        np.concatenate([left.vertices, right.vertices]),
        np.concatenate([left.faces, right.faces + len(left.vertices)]),
    )
    assert separate_things([both]) == 2


def test_a_chain_of_neighbours_is_one_thing():
    assert separate_things([box((0.1 * k, 0, 0)) for k in range(5)]) == 1
