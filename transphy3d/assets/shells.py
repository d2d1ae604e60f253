"""Surfaces of unknown making: connected sheets, which way they face, and walls for thin ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from transphy3d.assets.geometry import FloatArray, Mesh
from transphy3d.assets.mend import fan_filled, flipped, half_edges, odd_faces, open_edges
from transphy3d.assets.procedural.solid import signed_volume

MITRE = 2.0  # at most so many thicknesses are vertices moved, to keep walls even at edges
KEPT_GAP = 0.4  # of the thickness that must be left between the two sides of a sound wall
FLIPPED_SHARE = 0.01  # of the surface that may fold over in a sound wall
SPOTS = 4000  # points at which a wall's thickness is measured


def sheets(mesh: Mesh) -> list[Mesh]:
    """The pieces of a welded mesh that are connected across edges of exactly two faces.

    Where three or more faces meet in an edge, the surface is cut there.
    """
    edges = np.sort(half_edges(mesh.faces), axis=1)
    _, index, uses = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(index.reshape(-1), kind="stable")
    pairs = order[np.repeat(uses == 2, uses)].reshape(-1, 2) // 3
    count = len(mesh.faces)
    graph = coo_array((np.ones(len(pairs), bool), tuple(pairs.T)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    by_label = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    return [picked(mesh, faces) for faces in by_label]


def picked(mesh: Mesh, faces: NDArray[np.intp]) -> Mesh:
    """Some of a mesh's faces and only the vertices that they use."""
    used, index = np.unique(mesh.faces[faces], return_inverse=True)
    uv = None if mesh.uv is None else mesh.uv[faces]
    return Mesh(mesh.vertices[used], index.reshape(-1, 3).astype(np.int32), uv)


def facing_out(mesh: Mesh) -> Mesh:
    """An open mesh wound evenly and with its outside out, as if its openings were closed."""
    mesh = flipped(mesh, odd_faces(mesh))
    middle = mesh.vertices.mean(axis=0)
    closed = fan_filled(mesh, np.inf)[0]
    volume = signed_volume(replace(closed, vertices=closed.vertices - middle))
    return mesh if volume >= 0 else flipped(mesh, np.ones(len(mesh.faces), bool))


def vertex_normals(mesh: Mesh) -> FloatArray:
    """(V, 3) unit normals, each face weighed by its angle at the vertex."""
    corners = mesh.vertices[mesh.faces]
    ahead = _unit(np.roll(corners, -1, axis=1) - corners)
    behind = np.roll(-ahead, 1, axis=1)
    angles = np.arccos(np.clip((ahead * behind).sum(-1), -1, 1))
    normals = np.zeros_like(mesh.vertices)
    for k in range(3):
        np.add.at(normals, mesh.faces[:, k], face_normals(mesh) * angles[:, k, None])
    return _unit(normals)


def face_normals(mesh: Mesh) -> FloatArray:
    """(F, 3) unit normals."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return _unit(np.cross(b - a, c - a))


def _unit(vectors: FloatArray) -> FloatArray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: FloatArray = vectors / np.maximum(length, 1e-30)
    return unit


def thickened(sheet: Mesh, inward: float, outward: float = 0.0) -> Mesh:
    """A closed wall around an evenly wound sheet; UVs go to both sides.

    inward, outward : metres from the sheet to the wall's two sides, inward > -outward
    """
    moves = vertex_normals(sheet) * _mitres(sheet)[:, None]
    count = len(sheet.vertices)
    outer, inner = sheet.faces, sheet.faces[:, ::-1] + count
    rim = open_edges(sheet)
    a, b = rim.T
    sides = np.concatenate([np.stack([b, a, a + count], 1), np.stack([b, a + count, b + count], 1)])
    vertices = np.concatenate([sheet.vertices + outward * moves, sheet.vertices - inward * moves])
    faces = np.concatenate([outer, inner, sides]).astype(np.int32)
    return Mesh(vertices, faces, _wall_uv(sheet, len(sides)))


def _wall_uv(sheet: Mesh, sides: int) -> NDArray[np.float32] | None:
    if sheet.uv is None:
        return None
    uv: NDArray[np.float32] = np.concatenate(
        [sheet.uv, sheet.uv[:, ::-1], np.zeros((sides, 3, 2), np.float32)]
    )
    return uv


def _mitres(sheet: Mesh) -> FloatArray:
    """(V,) how much farther vertices move so that faces keep their distance."""
    normals = vertex_normals(sheet)
    least = np.ones(len(sheet.vertices))
    for k in range(3):
        index = sheet.faces[:, k]
        np.minimum.at(least, index, (normals[index] * face_normals(sheet)).sum(-1))
    mitres: FloatArray = 1 / np.clip(least, 1 / MITRE, 1)
    return mitres


def is_sound(sheet: Mesh, wall: Mesh, thickness: float) -> bool:
    """Whether a wall made by `thickened` is about as thick everywhere and nowhere folds over."""
    count = len(sheet.faces)
    before, after = face_normals(sheet), -face_normals(picked(wall, np.arange(count, 2 * count)))
    areas = face_areas(sheet)
    folded = float(areas[(before * after).sum(-1) < 0].sum())
    if folded > FLIPPED_SHARE * float(areas.sum()):
        return False
    inner = wall.vertices[len(sheet.vertices) :]
    spots = inner[:: max(1, len(inner) // SPOTS)]
    gaps, _ = cKDTree(sheet.vertices[sheet.faces].mean(axis=1)).query(spots)
    return bool(np.quantile(gaps, 0.01) > KEPT_GAP * thickness)


def face_areas(mesh: Mesh) -> FloatArray:
    """(F,) square metres."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    areas: FloatArray = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return areas


def total_area(meshes: Sequence[Mesh]) -> float:
    """Square metres."""
    return float(sum(face_areas(mesh).sum() for mesh in meshes))
