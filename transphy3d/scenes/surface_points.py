"""Fixed points spread over a mesh, to track and to check reprojection with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transphy3d.assets.geometry import FloatArray

# Reciprocals of the plastic number, the root of x**3 = x + 1, and of its square: the step of a
# low-discrepancy sequence in two dimensions (Roberts 2018, "The unreasonable effectiveness of
# quasirandom sequences").
PLASTIC = 1.32471795724474602596
STEP = np.array([1 / PLASTIC, 1 / PLASTIC**2])


def surface_points(
    vertices: FloatArray, faces: NDArray[np.int32], count: int
) -> NDArray[np.float64]:
    """`count` points on a mesh, (count, 3), as dense everywhere as area allows.

    Equal meshes give equal points: faces are met at even steps of accumulated area, and places
    within them follow a low-discrepancy sequence. float32 values in float64.
    """
    corners = vertices[faces]
    edges = corners[:, 1:] - corners[:, :1]
    areas = np.cumsum(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1))
    chosen = np.searchsorted(areas, (np.arange(count) + 0.5) / count * areas[-1])
    u, v = ((np.arange(1, count + 1)[:, None] * STEP) % 1).T
    root = np.sqrt(u)  # uniform in a triangle: Osada et al. 2002, Shape Distributions
    weights = np.column_stack([1 - root, root * (1 - v), root * v])
    points = np.einsum("pc,pcx->px", weights, corners[chosen])
    return np.asarray(points.astype(np.float32), dtype=np.float64)
