"""Box mapping: lengths stay metres, and nothing is seen mirrored."""

import numpy as np
import trimesh

from transphy3d.assets.geometry import Asset, Mesh, Part
from transphy3d.assets.uv import box_uv, with_uv


def cuboid():
    shape = trimesh.creation.box((0.1, 0.2, 0.3))
    return Mesh(np.asarray(shape.vertices), np.asarray(shape.faces, np.int32))


def test_faces_along_the_axes_keep_their_areas_and_their_sense_of_turning():
    mesh = cuboid()
    first, second, third = np.moveaxis(box_uv(mesh).astype(float), 1, 0)
    across, up = second - first, third - first
    areas = (across[:, 0] * up[:, 1] - across[:, 1] * up[:, 0]) / 2
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    assert np.allclose(areas, np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def test_coordinates_that_are_there_stay():
    mesh = cuboid()
    own = Mesh(mesh.vertices, mesh.faces, np.zeros((12, 3, 2), np.float32))
    asset = Asset("x", "x", (Part("a", own, ("metal",)), Part("b", mesh, ("metal",))), ())
    first, second = with_uv(asset).parts
    assert first.mesh.uv is own.uv
    assert np.ptp(second.mesh.uv) > 0
