"""A slow and obvious ray caster: the reference that tests hold Blender's ground truth against.

Every ray is tried on every triangle. Nothing here is shared with the production path but the
definition of a pixel's central ray.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from transphy3d.assets.geometry import Mesh
from transphy3d.groundtruth.camera import pixel_rays
from transphy3d.groundtruth.passes import facing

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RAYS_AT_ONCE = 64


@dataclass(frozen=True)
class Body:
    """A mesh in the world.

    matrix : (4, 4) object to world, a similarity
    sharp_angle : degrees; edges between faces that meet at a greater angle stay sharp
    """

    mesh: Mesh
    matrix: Floats
    instance: int
    sharp_angle: float = 180.0


@dataclass(frozen=True)
class Hits:
    """What the pixels' central rays meet first; fields as in `FrameTruth`, in float64.

    body, triangle : (H, W) which body and which of its triangles, -1 for nothing
    """

    depth: Floats
    normal: Floats
    instance: npt.NDArray[np.uint16]
    body: Ints
    triangle: Ints


@dataclass(frozen=True)
class _Soup:
    """All bodies' triangles in the camera frame: corners and corner normals (T, 3, 3)."""

    corners: Floats
    normals: Floats
    body: Ints
    triangle: Ints


def cast(
    bodies: Sequence[Body], intrinsics: Floats, world_to_camera: Floats, width: int, height: int
) -> Hits:
    """Depth, smooth normal and instance of the first surface for every pixel.

    intrinsics : (3, 3) pixels; world_to_camera : (4, 4), OpenCV axes
    """
    soup = _soup(bodies, world_to_camera)
    rays = pixel_rays(intrinsics, height, width).reshape(-1, 3)
    blocks = [
        _first_hits(soup, rays[i : i + RAYS_AT_ONCE]) for i in range(0, len(rays), RAYS_AT_ONCE)
    ]
    depth, index, weights = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    hit = np.isfinite(depth)
    normal = _shading_normals(soup, rays, index, weights)
    instances = np.array([body.instance for body in bodies])[soup.body[index]]
    shape = (height, width)
    return Hits(
        depth=np.where(hit, depth, 0.0).reshape(shape),
        normal=np.where(hit[:, None], normal, 0.0).reshape(*shape, 3),
        instance=np.where(hit, instances, 0).astype(np.uint16).reshape(shape),
        body=np.where(hit, soup.body[index], -1).reshape(shape),
        triangle=np.where(hit, soup.triangle[index], -1).reshape(shape),
    )


def _first_hits(soup: _Soup, rays: Floats) -> tuple[Floats, Ints, Floats]:
    """Planar depth (inf for none), triangle and barycentric weights of (R, 3) rays with z = 1.

    Moeller and Trumbore, "Fast, Minimum Storage Ray/Triangle Intersection", 1997, with the
    camera at the origin; the ray's parameter is the depth, because its z is one.
    """
    first, second, third = soup.corners.transpose(1, 0, 2)
    edge1, edge2 = second - first, third - first
    across = np.cross(rays[:, None], edge2[None])
    determinant = np.einsum("rti,ti->rt", across, edge1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.einsum("rti,ti->rt", across, -first) / determinant
        turned = np.cross(-first, edge1)
        v = rays @ turned.T / determinant
        depth = np.einsum("ti,ti->t", turned, edge2)[None] / determinant
    inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0)
    depth = np.where(inside, depth, np.inf)
    index = depth.argmin(axis=1)
    row = np.arange(len(rays))
    u, v = u[row, index], v[row, index]
    return depth[row, index], index, np.stack([1 - u - v, u, v], -1)


def _shading_normals(soup: _Soup, rays: Floats, index: Ints, weights: Floats) -> Floats:
    """Interpolated unit normals; both sides of a surface count as its front."""
    corners = soup.corners[index]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    smooth = np.einsum("rc,rci->ri", weights, soup.normals[index])
    away = np.sum(flat * rays, axis=-1, keepdims=True) > 0
    return facing(np.where(away, -smooth, smooth), rays)


def _soup(bodies: Sequence[Body], world_to_camera: Floats) -> _Soup:
    corners, normals = [], []
    for body in bodies:
        matrix = world_to_camera @ body.matrix
        points = body.mesh.vertices @ matrix[:3, :3].T + matrix[:3, 3]
        corners.append(points[body.mesh.faces])
        turned = corner_normals(body.mesh, body.sharp_angle) @ matrix[:3, :3].T
        normals.append(turned / np.linalg.norm(turned, axis=-1, keepdims=True))
    counts = [len(body.mesh.faces) for body in bodies]
    return _Soup(
        corners=np.concatenate(corners),
        normals=np.concatenate(normals),
        body=np.repeat(np.arange(len(bodies)), counts),
        triangle=np.concatenate([np.arange(count) for count in counts]),
    )


def corner_normals(mesh: Mesh, sharp_angle: float) -> Floats:
    """Unit normals of each face's corners, (F, 3, 3), in the mesh's frame.

    A corner's normal is the mean of its fan's face normals weighted by their angles there, as
    Blender weights them; a fan is the faces around a vertex between two sharp edges.
    """
    corners = mesh.vertices[mesh.faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.linalg.norm(flat, axis=-1, keepdims=True)
    weighted = _corner_angles(corners)[..., None] * flat[:, None]
    fan = _fans(mesh, flat, np.cos(np.radians(sharp_angle)))
    total = np.zeros((fan.max() + 1, 3))
    np.add.at(total, fan, weighted.reshape(-1, 3))
    mean = total[fan].reshape(corners.shape)
    result: Floats = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
    return result


def _corner_angles(corners: Floats) -> Floats:
    """Inner angles of (F, 3, 3) triangles, (F, 3) radians."""
    ahead = np.roll(corners, -1, axis=1) - corners
    back = np.roll(corners, 1, axis=1) - corners
    lengths = np.linalg.norm(ahead, axis=-1) * np.linalg.norm(back, axis=-1)
    cosine: Floats = np.sum(ahead * back, axis=-1) / lengths
    return np.arccos(np.clip(cosine, -1, 1))


def _fans(mesh: Mesh, flat: Floats, cosine: float) -> Ints:
    """Fan of each corner, (3 F,): corners at one vertex joined across edges that are smooth."""
    joined: list[tuple[int, int]] = []
    seen: dict[tuple[int, int], tuple[int, int, int]] = {}
    for face, vertices in enumerate(mesh.faces.tolist()):
        for k in range(3):
            start, end = 3 * face + k, 3 * face + (k + 1) % 3
            a, b = vertices[k], vertices[(k + 1) % 3]
            other = seen.pop((b, a), None)
            if other is None:
                seen[a, b] = (face, start, end)
            elif flat[face] @ flat[other[0]] >= cosine:
                joined += [(start, other[2]), (end, other[1])]
    count = mesh.faces.size
    rows, columns = np.array(joined, dtype=np.int64).reshape(-1, 2).T
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    fan: Ints = connected_components(links, directed=False)[1]
    return fan
