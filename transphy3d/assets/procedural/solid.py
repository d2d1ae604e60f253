"""Solid geometry through manifold3d: unions, cuts, hulls, volumes, and a place to stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import manifold3d
import numpy as np

from transphy3d.assets.geometry import FloatArray, Mesh, Part


def to_manifold(mesh: Mesh) -> manifold3d.Manifold:
    """A mesh as a manifold3d solid; ValueError if it is not closed and consistently wound."""
    solid = manifold3d.Manifold(
        manifold3d.Mesh64(
            np.ascontiguousarray(mesh.vertices, np.float64),
            np.ascontiguousarray(mesh.faces, np.uint64),
        )
    )
    if solid.status() != manifold3d.Error.NoError:
        raise ValueError(f"mesh of {len(mesh.faces)} faces is not a solid: {solid.status()}")
    return solid


def from_manifold(solid: manifold3d.Manifold) -> Mesh:
    """A manifold3d solid as a mesh without UV."""
    mesh = solid.to_mesh64()
    return Mesh(
        np.array(mesh.vert_properties[:, :3], np.float64), np.array(mesh.tri_verts, np.int32)
    )


def unite(meshes: Sequence[Mesh]) -> Mesh:
    """One closed mesh around all that the meshes enclose."""
    solids = [to_manifold(mesh) for mesh in meshes]
    return from_manifold(manifold3d.Manifold.batch_boolean(solids, manifold3d.OpType.Add))


def cut(mesh: Mesh, tools: Sequence[manifold3d.Manifold]) -> Mesh:
    """A mesh less all that the tools enclose."""
    solid = to_manifold(mesh)
    return from_manifold(solid - manifold3d.Manifold.compose(list(tools))) if tools else mesh


def signed_volume(mesh: Mesh) -> float:
    """Enclosed volume in cubic metres, negative for a mesh turned inside out."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def outward(mesh: Mesh) -> Mesh:
    """The mesh with its faces turned outward."""
    if signed_volume(mesh) > 0:
        return mesh
    uv = None if mesh.uv is None else mesh.uv[:, ::-1]
    return replace(mesh, faces=mesh.faces[:, ::-1], uv=uv)


def hollow(outer: Mesh, inner: Mesh) -> Mesh:
    """A body between two nested closed surfaces, both given with their faces outward."""
    uv = None
    if outer.uv is not None and inner.uv is not None:
        uv = np.concatenate([outer.uv, inner.uv[:, ::-1]])
    faces = np.concatenate([outer.faces, inner.faces[:, ::-1] + len(outer.vertices)])
    vertices = np.concatenate([outer.vertices, inner.vertices])
    return Mesh(vertices, faces.astype(np.int32), uv)


def hull_volume(points: FloatArray) -> float:
    """Volume in cubic metres of the convex hull of (K, 3) points; 0 if they are coplanar."""
    return float(manifold3d.Manifold.hull_points(points).volume())


def hull_points(points: FloatArray) -> FloatArray:
    """The (K, 3) points that are corners of the convex hull."""
    mesh = manifold3d.Manifold.hull_points(points).to_mesh64()
    return np.array(mesh.vert_properties[:, :3], np.float64)


def hull_mesh(points: FloatArray) -> Mesh:
    """The convex hull of (K, 3) points as a mesh."""
    return from_manifold(manifold3d.Manifold.hull_points(points))


def stand(
    parts: Sequence[Part], hulls: Sequence[FloatArray], centre: bool = True
) -> tuple[tuple[Part, ...], tuple[FloatArray, ...]]:
    """Parts and hulls moved so that the lowest point is at z = 0.

    centre : also put the middle of the bounding box on the Z axis
    """
    points = np.concatenate([part.mesh.vertices for part in parts])
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2 if centre else np.zeros(3)
    shift = np.array([middle[0], middle[1], low[2]])
    moved = tuple(
        replace(part, mesh=replace(part.mesh, vertices=part.mesh.vertices - shift))
        for part in parts
    )
    return moved, tuple(hull - shift for hull in hulls)
