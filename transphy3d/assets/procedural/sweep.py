"""Closed meshes from stacks of rings: sections carried along a path, lofts, wires and blades."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transphy3d.assets.geometry import FloatArray, Mesh
from transphy3d.assets.procedural.solid import hull_points, hull_volume, outward

HULL_EXCESS = 1.08  # a convex piece may be this much larger than the cells that it joins


def stack(
    rings: FloatArray,
    closed: bool = False,
    poles: tuple[FloatArray, FloatArray] | None = None,
) -> Mesh:
    """A closed mesh through rings of points.

    rings : (R, N, 3) metres; neighbours in both axes are joined, each ring runs round
    closed : join the last ring to the first, as in a torus or a tube with an inside
    poles : (3,) points that close the first and last ring; their means if not given

    UV in metres: u round the longest ring, v along the stack by mean length.
    """
    rows, count = rings.shape[:2]
    loop = np.concatenate([rings, rings[:1]]) if closed else rings
    grid_uv = _grid_uv(loop)
    faces, corner_uv = _quads(len(loop), count, rows, grid_uv)
    vertices = rings.reshape(-1, 3)
    if not closed:
        first, last = poles or (rings[0].mean(axis=0), rings[-1].mean(axis=0))
        caps, caps_uv = _fans(rows, count, grid_uv)
        vertices = np.concatenate([vertices, [first, last]])
        faces, corner_uv = np.concatenate([faces, caps]), np.concatenate([corner_uv, caps_uv])
    return outward(Mesh(vertices, faces.astype(np.int32), corner_uv.astype(np.float32)))


def _grid_uv(loop: FloatArray) -> FloatArray:
    """(R, N + 1, 2) metres: u by share of the longest ring, v by mean length along the stack."""
    steps = np.linalg.norm(np.diff(loop, axis=0), axis=2).mean(axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    girths = np.linalg.norm(loop - np.roll(loop, 1, axis=1), axis=2).sum(axis=1)
    around = np.linspace(0, girths.max(), loop.shape[1] + 1)
    return np.stack(np.broadcast_arrays(around[None], along[:, None]), axis=-1)


def _quads(
    rows: int, count: int, distinct: int, grid_uv: FloatArray
) -> tuple[NDArray[np.int64], FloatArray]:
    """Two triangles for each cell of a grid whose rows repeat after `distinct`."""
    i, j = (a.ravel() for a in np.meshgrid(np.arange(rows - 1), np.arange(count), indexing="ij"))
    corners = [(i, j), (i, j + 1), (i + 1, j + 1), (i, j), (i + 1, j + 1), (i + 1, j)]
    index = np.stack([(r % distinct) * count + c % count for r, c in corners], axis=1)
    uv = np.stack([grid_uv[r, c] for r, c in corners], axis=1)
    return index.reshape(-1, 3), uv.reshape(-1, 3, 2)


def _fans(rows: int, count: int, grid_uv: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Triangles from the two pole vertices, which follow the grid, to the outermost rings."""
    j = np.arange(count)
    nxt, pole = (j + 1) % count, np.full(count, rows * count)
    top = (rows - 1) * count
    first = np.stack([pole, nxt, j], axis=1)
    last = np.stack([pole + 1, top + j, top + nxt], axis=1)
    return np.concatenate([first, last]), np.concatenate(
        [_fan_uv(grid_uv[0])[:, [0, 2, 1]], _fan_uv(grid_uv[-1])]
    )


def _fan_uv(row: FloatArray) -> FloatArray:
    """(N, 3, 2): the pole takes the middle u of each triangle."""
    return np.stack([(row[:-1] + row[1:]) / 2, row[:-1], row[1:]], axis=1)


def superellipse(count: int, half_width: float, half_height: float, power: float) -> FloatArray:
    """(N, 2) points of |x/a|^p + |y/b|^p = 1, counter-clockwise from +x.

    Point i and point N - i mirror each other in x.
    """
    angle = 2 * np.pi * np.arange(count) / count
    cos, sin = np.cos(angle), np.sin(angle)
    radius = (np.abs(cos) ** power + np.abs(sin) ** power) ** (-1 / power)
    return np.stack([half_width * cos * radius, half_height * sin * radius], axis=1)


def rounded_rectangle(count: int, half_x: float, half_y: float, radius: float) -> FloatArray:
    """(N, 2) points of a rectangle with round corners, N a multiple of 4, counter-clockwise.

    Every corner takes N / 4 points, so that rectangles of equal N loft without twist.
    """
    quarter = np.linspace(0, np.pi / 2, count // 4)
    corners = []
    for turn, (sx, sy) in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        angle = quarter + turn * np.pi / 2
        centre = np.array([sx * (half_x - radius), sy * (half_y - radius)])
        corners.append(centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return np.concatenate(corners)


def frames(path: FloatArray, closed: bool = False) -> tuple[FloatArray, FloatArray]:
    """Two unit normals across a path at each point, carried along without twist.

    path : (R, 3). Double reflection, Wang et al., "Computation of rotation minimizing frames",
    ACM TOG 27(1), 2008. Returns (R, 3) and (R, 3). A closed path must be planar.
    """
    tangents = _tangents(path, closed)
    normal = _any_normal(tangents[0])
    normals = [normal]
    for k in range(len(path) - 1):
        normals.append(_reflect_twice(path[k : k + 2], tangents[k : k + 2], normals[-1]))
    across = np.array(normals)
    return across, np.cross(tangents, across)


def _tangents(path: FloatArray, closed: bool) -> FloatArray:
    if closed:
        steps = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    else:
        steps = np.gradient(path, axis=0)
    return np.asarray(steps / np.linalg.norm(steps, axis=1, keepdims=True))


def _any_normal(tangent: FloatArray) -> FloatArray:
    """The upright normal of a path, or +x where the path itself is upright."""
    up = np.array([0.0, 0.0, 1.0]) if abs(tangent[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    normal = up - tangent * (up @ tangent)
    return np.asarray(normal / np.linalg.norm(normal))


def _reflect_twice(points: FloatArray, tangents: FloatArray, normal: FloatArray) -> FloatArray:
    step = points[1] - points[0]
    once = normal - 2 * (step @ normal) / (step @ step) * step
    turned = tangents[0] - 2 * (step @ tangents[0]) / (step @ step) * step
    change = tangents[1] - turned
    size = change @ change
    return np.asarray(once if size == 0 else once - 2 * (change @ once) / size * change)


def carry(path: FloatArray, sections: FloatArray, closed: bool = False) -> FloatArray:
    """Rings (R, N, 3): sections (N, 2) or (R, N, 2) placed across a path (R, 3).

    A section's x goes along the path's side (second normal), its y along the first normal,
    which starts upright.
    """
    up, side = frames(path, closed)
    flat = np.broadcast_to(sections, (len(path), *sections.shape[-2:]))
    return path[:, None] + flat[..., :1] * side[:, None] + flat[..., 1:] * up[:, None]


def cell_hulls(
    stations: FloatArray,
    columns: Sequence[NDArray[np.int64]],
    closed: bool = False,
    excess: float = HULL_EXCESS,
) -> tuple[FloatArray, ...]:
    """Convex pieces of a swept body, each as long as its hull stays close to the body.

    stations : (R, M, 3) points of the cross-section, inner wall included where there is one
    columns : indices into a station's points of the convex pieces that a section divides into
    excess : greatest ratio of a piece's hull to the cells that it joins
    """
    line = np.concatenate([stations, stations[:1]]) if closed else stations
    return tuple(
        hull for column in columns for hull in _join_cells(line[:, np.asarray(column)], excess)
    )


def _join_cells(line: FloatArray, excess: float) -> list[FloatArray]:
    cells = [hull_volume(line[k : k + 2].reshape(-1, 3)) for k in range(len(line) - 1)]
    hulls, start = [], 0
    for end in range(2, len(line) + 1):
        joined = line[start : end + 1].reshape(-1, 3)
        if end == len(line) or hull_volume(joined) > excess * sum(cells[start:end]):
            hulls.append(hull_points(line[start:end].reshape(-1, 3)))
            start = end - 1
    return hulls


def strips(count: int, pieces: int) -> list[NDArray[np.int64]]:
    """Columns for sections whose point i mirrors point N - i: side-by-side convex strips."""
    edges = np.linspace(0, count // 2, pieces + 1).round().astype(int)
    return [
        np.unique(np.concatenate([np.arange(a, b + 1), count - np.arange(a, b + 1)]) % count)
        for a, b in itertools.pairwise(edges)
    ]


def sectors(count: int, pieces: int) -> list[NDArray[np.int64]]:
    """Columns for tubes whose stations list N outer points and then N inner points."""
    edges = np.linspace(0, count, pieces + 1).round().astype(int)
    spans = [np.arange(a, b + 1) % count for a, b in itertools.pairwise(edges)]
    return [np.concatenate([span, span + count]) for span in spans]
