"""Joining the inside and the outside of a vessel that a file holds as two sheets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transphy3d.assets.geometry import FloatArray, Mesh
from transphy3d.assets.mend import border_loops, concatenated, open_edges

REACH = 0.03  # of the diagonal that two rims may lie apart
TOUCHING = 0.001  # of that; rims that meet are joined where they meet


def bridge_pairs(meshes: Sequence[Mesh], diagonal: float) -> list[tuple[int, int]]:
    """Numbers of sheets whose only rims run beside each other; each sheet at most once."""
    rims = {k: rim for k, mesh in enumerate(meshes) if (rim := _only_rim(mesh)) is not None}
    pairs: list[tuple[int, int]] = []
    for a in rims:
        for b in rims:
            taken = {number for pair in pairs for number in pair}
            if a < b and not {a, b} & taken and _beside(rims[a], rims[b], REACH * diagonal):
                pairs.append((a, b))
    return pairs


def _only_rim(mesh: Mesh) -> FloatArray | None:
    """The points of a sheet's rim in order; None unless it has just one."""
    loops = border_loops(open_edges(mesh))
    return mesh.vertices[loops[0]] if len(loops) == 1 else None


def _beside(one: FloatArray, other: FloatArray, reach: float) -> bool:
    there, _ = cKDTree(one).query(other)
    back, _ = cKDTree(other).query(one)
    touching = there.min() < TOUCHING * reach
    return not touching and bool(max(there.max(), back.max()) < reach)


def bridged(one: Mesh, other: Mesh) -> Mesh:
    """Two sheets as one surface, with a strip between their rims; wound as it comes."""
    (first,) = border_loops(open_edges(one))
    (second,) = border_loops(open_edges(other))
    whole = concatenated([one, other])
    strip = _strip(whole.vertices, first, second + len(one.vertices))
    uv = whole.uv
    if uv is not None:
        uv = np.concatenate([uv, np.zeros((len(strip), 3, 2), np.float32)])
    return Mesh(whole.vertices, np.concatenate([whole.faces, strip]), uv)


def _strip(
    vertices: FloatArray, one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Triangles between two loops, each step along the one that gives the shorter edge."""
    other = _alongside(vertices, one, other)
    a, b = np.append(one, one[0]), np.append(other, other[0])
    i, j, faces = 0, 0, []
    while i < len(one) or j < len(other):
        ahead = _length(vertices, a, i + 1, b, j)
        beside = _length(vertices, a, i, b, j + 1)
        if ahead <= beside:
            faces.append((a[i], a[i + 1], b[j]))
            i += 1
        else:
            faces.append((a[i], b[j + 1], b[j]))
            j += 1
    return np.array(faces, np.int32)


def _length(
    vertices: FloatArray, a: NDArray[np.int64], i: int, b: NDArray[np.int64], j: int
) -> float:
    """Distance from the i-th of one loop to the j-th of the other; infinite past their ends."""
    if i >= len(a) or j >= len(b):
        return np.inf
    return float(np.linalg.norm(vertices[a[i]] - vertices[b[j]]))


def _alongside(
    vertices: FloatArray, one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The other loop from the point nearest to the first one's start, the same way around."""
    forward, backward = _started(vertices, one, other), _started(vertices, one, other[::-1])
    quarter, share = len(one) // 4, len(other) / len(one)
    target = vertices[one[quarter]]
    ways = [loop[int(quarter * share)] for loop in (forward, backward)]
    nearer = np.linalg.norm(vertices[ways] - target, axis=1).argmin()
    return (forward, backward)[nearer]


def _started(
    vertices: FloatArray, one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.int64]:
    start = np.linalg.norm(vertices[other] - vertices[one[0]], axis=1).argmin()
    return np.roll(other, -int(start))
