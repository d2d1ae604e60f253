"""Is it one thing? A laid table would fall as one rigid body."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse.csgraph import connected_components

from transphy3d.assets.geometry import FloatArray, Mesh
from transphy3d.assets.mend import bodies_of

GAP = 0.01  # of the longest edge; what lies nearer is taken to hold together


def separate_things(meshes: Sequence[Mesh]) -> int:
    """How many groups of bodies lie apart from each other, by their axis-aligned boxes."""
    boxes = np.array([box for mesh in meshes for box in _boxes(mesh)])
    low, high = boxes[:, 0], boxes[:, 1]
    gap = GAP * float((high.max(axis=0) - low.min(axis=0)).max())
    near = (low[:, None] - gap <= high[None]) & (low[None] - gap <= high[:, None])
    count, _ = connected_components(near.all(axis=2), directed=False)
    return int(count)


def _boxes(mesh: Mesh) -> list[tuple[FloatArray, FloatArray]]:
    """Lowest and highest corner of each connected body of a mesh."""
    labels = bodies_of(mesh)
    corners = [mesh.vertices[mesh.faces[labels == label]] for label in np.unique(labels)]
    return [(points.min(axis=(0, 1)), points.max(axis=(0, 1))) for points in corners]
