"""Liquids that share one interface with their vessel.

A renderer that knows a single index ratio per surface sees glass against liquid wrongly where
two closed bodies overlap or leave a gap. So the wetted wall is taken off the vessel and given
to the liquid, with the ratio liquid over vessel on its faces; every ray then meets exactly the
interfaces that are there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import manifold3d
import numpy as np
from numpy.typing import NDArray

from transphy3d.assets.geometry import Asset, FloatArray, IntArray, Mesh, Part
from transphy3d.errors import AssetError

CLEARANCE = 1e-7  # metres; vertices closer to the level than this would make slivers
AIR_IOR = 1.0


def fill(asset: Asset, fraction: float, liquid_ior: float, body_ior: float) -> Asset:
    """The asset with a liquid poured in, upright.

    fraction : height of the liquid over the height of the cavity, in (0, 1]
    liquid_ior, body_ior : refractive indices of the liquid and of the vessel's first part

    The part "liquid" is a closed mesh; its faces on the wall carry the index ratio liquid over
    body, the level carries liquid over air. The body lacks the wetted faces and meets the
    liquid in the very same vertices. Raises AssetError for assets that hold no liquid.
    """
    if asset.cavity is None:
        raise AssetError(f"asset {asset.name!r} has no cavity to fill; pour into a vessel")
    if not 0 < fraction <= 1:
        raise AssetError(f"asset {asset.name!r}: fill fraction is {fraction}, must be in (0, 1]")
    body = asset.parts[0]
    split = _split(body.mesh, asset.cavity.wall, level_of(asset, fraction))
    liquid = _liquid(split, liquid_ior / body_ior, liquid_ior / AIR_IOR)
    dry = _compacted(split.mesh, ~split.wetted)
    parts = (replace(body, mesh=dry), *asset.parts[1:], Part("liquid", liquid, ("liquid",)))
    return replace(asset, parts=parts, cavity=None, shares_interface=True)


def level_of(asset: Asset, fraction: float) -> float:
    """Height in metres of a liquid that fills `fraction` of the cavity's height."""
    if asset.cavity is None:
        raise AssetError(f"asset {asset.name!r} has no cavity")
    level = asset.cavity.floor + fraction * (asset.cavity.brim - asset.cavity.floor)
    heights = asset.parts[0].mesh.vertices[:, 2]
    while np.abs(heights - level).min() < CLEARANCE:
        level -= 2.5 * CLEARANCE
    return float(level)


@dataclass(frozen=True)
class _Split:
    """A mesh whose wall is cut at a level; `shore` are the directed edges there, (E, 2)."""

    mesh: Mesh
    wetted: NDArray[np.bool_]
    shore: IntArray


def _split(mesh: Mesh, wall: NDArray[np.bool_], level: float) -> _Split:
    """Cut the wall's faces at z = level; both halves share the new vertices."""
    below = mesh.vertices[mesh.faces, 2] < level
    count = below.sum(axis=1)
    cut = np.flatnonzero(wall & (count > 0) & (count < 3))
    lone_below = count[cut] == 1
    # Turn each face so that the corner that is alone on its side comes first.
    lone = np.argmax(below[cut] == lone_below[:, None], axis=1)
    order = (lone[:, None] + np.arange(3)) % 3
    corners = np.take_along_axis(mesh.faces[cut], order, axis=1)
    vertices, e1, e2 = _cut_edges(mesh.vertices, corners, level)
    a, b, c = corners.T
    pieces = np.concatenate([_rows(a, e1, e2), _rows(e1, b, c), _rows(e1, c, e2)])
    kept = np.delete(np.arange(len(mesh.faces)), cut)
    faces = np.concatenate([mesh.faces[kept], pieces]).astype(np.int32)
    uv = _split_uv(mesh, vertices, cut, order, (e1, e2), kept)
    wetted = np.concatenate([(wall & (count == 3))[kept], lone_below, ~lone_below, ~lone_below])
    shore = np.where(lone_below[:, None], _rows(e1, e2), _rows(e2, e1))
    return _Split(Mesh(vertices, faces, uv), wetted, shore.astype(np.int32))


def _rows(*columns: NDArray[np.int_]) -> NDArray[np.int_]:
    return np.stack(columns, axis=1)


def _cut_edges(
    vertices: FloatArray, corners: NDArray[np.int32], level: float
) -> tuple[FloatArray, NDArray[np.int_], NDArray[np.int_]]:
    """New vertices on the edges from each first corner, one for each distinct edge."""
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [0, 2]]])
    unique, inverse = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    p, q = vertices[unique[:, 0]], vertices[unique[:, 1]]
    t = (level - p[:, 2:]) / (q[:, 2:] - p[:, 2:])
    points = p + t * (q - p)
    points[:, 2] = level
    index = len(vertices) + inverse.reshape(-1)
    return np.concatenate([vertices, points]), index[: len(corners)], index[len(corners) :]


def _split_uv(
    mesh: Mesh,
    vertices: FloatArray,
    cut: NDArray[np.int_],
    order: NDArray[np.int_],
    new: tuple[NDArray[np.int_], NDArray[np.int_]],
    kept: NDArray[np.int_],
) -> NDArray[np.float32] | None:
    if mesh.uv is None:
        return None
    uv = np.take_along_axis(mesh.uv[cut], order[..., None], axis=1)
    corners = np.take_along_axis(mesh.faces[cut], order, axis=1)
    start = vertices[corners[:, 0]]
    ends = []
    for index, k in zip(new, (1, 2), strict=True):
        whole = np.linalg.norm(vertices[corners[:, k]] - start, axis=1)
        t = (np.linalg.norm(vertices[index] - start, axis=1) / whole)[:, None]
        ends.append(uv[:, 0] + t * (uv[:, k] - uv[:, 0]))
    (f1, f2), (a, b, c) = ends, np.moveaxis(uv, 1, 0)
    pieces = [np.stack(three, axis=1) for three in ((a, f1, f2), (f1, b, c), (f1, c, f2))]
    joined: NDArray[np.float32] = np.concatenate([mesh.uv[kept], *pieces]).astype(np.float32)
    return joined


def _liquid(split: _Split, wall_ratio: float, top_ratio: float) -> Mesh:
    """The wetted wall turned inside out, closed by the level."""
    wall = split.mesh.faces[split.wetted][:, ::-1]
    top = _level_faces(split.mesh.vertices, split.shore)
    ior = np.repeat(np.array([wall_ratio, top_ratio], np.float32), [len(wall), len(top)])
    whole = Mesh(split.mesh.vertices, np.concatenate([wall, top]).astype(np.int32), None, ior)
    return _compacted(whole, np.ones(len(whole.faces), dtype=bool))


def _level_faces(vertices: FloatArray, shore: IntArray) -> NDArray[np.int_]:
    """Triangles between the closed loops of the shore, facing up."""
    loops = _loops(shore)
    triangles = manifold3d.triangulate([vertices[loop][:, :2] for loop in loops])
    faces: NDArray[np.int_] = np.concatenate(loops)[np.asarray(triangles)]
    return faces


def _loops(edges: IntArray) -> list[NDArray[np.int_]]:
    """Closed loops of directed edges, each vertex with one way out."""
    onward = dict(edges.tolist())
    loops = []
    while onward:
        loop = [next(iter(onward))]
        while (following := onward.pop(loop[-1])) != loop[0]:
            loop.append(following)
        loops.append(np.array(loop))
    return loops


def _compacted(mesh: Mesh, keep: NDArray[np.bool_]) -> Mesh:
    """Some of a mesh's faces and only the vertices that they use."""
    used, faces = np.unique(mesh.faces[keep], return_inverse=True)
    uv = None if mesh.uv is None else mesh.uv[keep]
    ior = None if mesh.ior is None else mesh.ior[keep]
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32), uv, ior)
