"""The reference ray caster itself, held against closed forms."""

from __future__ import annotations

import numpy as np
import trimesh

from transphy3d.assets.geometry import Mesh
from transphy3d.groundtruth.camera import pixel_rays
from transphy3d.groundtruth.raycast import Body, cast, corner_normals

INTRINSICS = np.array([(20.0, 0, 8), (0, 20, 6), (0, 0, 1)])


def mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(shape.vertices), np.asarray(shape.faces, np.int32))


def ahead(z: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[2, 3] = z
    return matrix


def test_a_sphere_has_its_closed_form_depth_and_normal() -> None:
    ball = Body(mesh(trimesh.creation.icosphere(subdivisions=4)), ahead(5.0), 9)
    hits = cast([ball], INTRINSICS, np.eye(4), 16, 12)
    rays = pixel_rays(INTRINSICS, 12, 16)
    a, b = np.sum(rays**2, -1), rays[..., 2] * 5
    root = b**2 - a * 24
    inside = root > 0.2
    expected = (b - np.sqrt(np.maximum(root, 0))) / a
    assert inside.sum() > 20
    assert np.abs(hits.depth - expected)[inside].max() < 4e-3
    normal = rays * expected[..., None] - (0, 0, 5)
    assert np.sum(hits.normal * normal, -1)[inside].min() > np.cos(np.radians(0.3))
    assert np.all(hits.instance[inside] == 9)
    assert not hits.depth[root < 0].any()
    assert np.all(hits.body[root < 0] == -1)


def test_the_nearer_body_hides_the_farther() -> None:
    near = Body(mesh(trimesh.creation.box(extents=(1, 1, 1))), ahead(3.0), 1)
    far = Body(mesh(trimesh.creation.box(extents=(9, 9, 1))), ahead(6.0), 2)
    hits = cast([far, near], INTRINSICS, np.eye(4), 16, 12)
    assert (hits.instance[6, 8], hits.depth[6, 8]) == (1, 2.5)
    assert (hits.instance[0, 0], hits.depth[0, 0]) == (2, 5.5)


def test_a_surface_seen_from_behind_still_faces_the_camera() -> None:
    box = Body(mesh(trimesh.creation.box(extents=(20, 20, 20))), np.eye(4), 1, sharp_angle=35.0)
    hits = cast([box], INTRINSICS, np.eye(4), 16, 12)
    assert np.allclose(hits.normal, (0, 0, -1))


def test_corner_normals_are_flat_across_sharp_edges_and_mean_across_smooth_ones() -> None:
    box = mesh(trimesh.creation.box(extents=(1, 1, 1)))
    corners = box.vertices[box.faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.allclose(corner_normals(box, 35.0), flat[:, None], atol=1e-12)
    # Three right angles meet at each corner of a cube, so the mean is its diagonal.
    assert np.allclose(corner_normals(box, 180.0), corners * 2 / np.sqrt(3))
