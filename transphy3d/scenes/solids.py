"""Closed solids with softened edges: outlines lofted along a profile, and bevelled boxes.

An outline is a closed curve that can be moved inwards; a profile says how far inwards and how
high each ring of the solid lies. Rings of equal point count make the mesh watertight by its
topology alone, and the same rings cut into sectors give convex pieces for collision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transphy3d.assets.geometry import FloatArray, Mesh

# Rings this close to an edge keep smooth shading from bending the flat face beside it.
HOLD = 0.0008
CORNER_STEPS = 8
BEVEL_STEPS = 3

Point = tuple[float, float]


@dataclass(frozen=True)
class Outline:
    """A convex closed curve, counter-clockwise: points = centres + (reach - inset) * normals.

    centres, normals : (N, 2) float64
    reach : greatest distance that the curve can move inwards, metres
    """

    centres: FloatArray
    normals: FloatArray
    reach: float

    def ring(self, inset: float, height: float) -> FloatArray:
        """The curve moved `inset` metres inwards at `height`, (N, 3)."""
        flat = self.centres + (self.reach - inset) * self.normals
        return np.column_stack([flat, np.full(len(flat), height)])


def ellipse_outline(half_x: float, half_y: float, steps: int) -> Outline:
    """An ellipse (a circle if the halves agree) of `steps` points.

    Moving inwards shrinks both halves by the same length.
    """
    angle = np.arange(steps) / steps * 2 * np.pi
    normals = np.column_stack([np.cos(angle), np.sin(angle)])
    reach = min(half_x, half_y)
    return Outline(normals * (half_x - reach, half_y - reach), normals, reach)


def rectangle_outline(
    half_x: float, half_y: float, radius: float, steps: int = CORNER_STEPS
) -> Outline:
    """A rectangle with corners rounded to `radius` metres, to move inwards by less than that.

    steps : segments of a corner, which ends in a point a little further along the side that
        holds the side flat
    """
    radius = min(radius, half_x, half_y)
    centres, normals = [], []
    for quarter, (sign_x, sign_y) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        angles = (quarter + np.linspace(0, 1, steps + 1)) * np.pi / 2
        around = np.column_stack([np.cos(angles), np.sin(angles)])
        centre = np.array([sign_x * (half_x - radius), sign_y * (half_y - radius)])
        before, after = _hold_points(centre, quarter, min(half_x, half_y) - radius)
        centres += [before, *([centre] * len(around)), after]
        normals += [around[0], *around, around[-1]]
    return Outline(np.array(centres), np.array(normals), radius)


def _hold_points(centre: FloatArray, quarter: int, room: float) -> tuple[FloatArray, FloatArray]:
    """Corner centres slid along the sides before and after a corner."""
    slide = min(4 * HOLD, room / 2)
    start = np.array([np.cos(quarter * np.pi / 2), np.sin(quarter * np.pi / 2)])
    along = np.array([-start[1], start[0]])
    return centre - along * slide, centre - start * slide


def loft(outline: Outline, profile: Sequence[Point]) -> Mesh:
    """The closed solid between rings at each (inset, height), capped at both ends by fans.

    The profile runs from the ring of the lower cap outwards and up, as the solid's outside is
    seen with the axis on the left, to the ring of the upper cap.
    """
    rings = [outline.ring(inset, height) for inset, height in profile]
    count, rows = len(rings[0]), len(rings)
    caps = [rings[0].mean(axis=0), rings[-1].mean(axis=0)]
    here = np.arange(count)
    after = (here + 1) % count
    faces = [np.column_stack([np.full(count, rows * count), after, here])]
    for row in range(rows - 1):
        low, high = row * count, (row + 1) * count
        faces.append(np.column_stack([low + here, low + after, high + after]))
        faces.append(np.column_stack([low + here, high + after, high + here]))
    top = (rows - 1) * count
    faces.append(np.column_stack([np.full(count, rows * count + 1), top + here, top + after]))
    return Mesh(np.vstack([*rings, *caps]), np.vstack(faces).astype(np.int32))


def rounded(
    corners: Sequence[Point], radii: Sequence[float], steps: int = BEVEL_STEPS
) -> list[Point]:
    """A profile with its corners replaced by arcs, and points that hold the flats flat.

    corners : the profile's sharp points; radii : of each in metres, 0 keeps it sharp
    steps : segments of an arc
    """
    result: list[Point] = []
    points = np.asarray(corners, dtype=np.float64)
    for index, radius in enumerate(radii):
        inner = 0 < index < len(points) - 1 and radius > 0
        result += _arc(points[index - 1 : index + 2], radius, steps) if inner else [corners[index]]
    return result


def _arc(corner: FloatArray, radius: float, steps: int) -> list[Point]:
    """Points of the arc that rounds the middle one of three (3, 2) points."""
    before, after = corner[0] - corner[1], corner[2] - corner[1]
    lengths = np.linalg.norm(before), np.linalg.norm(after)
    before, after = before / lengths[0], after / lengths[1]
    half = np.arccos(np.clip(before @ after, -1, 1)) / 2
    cut = radius / np.tan(half)
    middle = corner[1] + (before + after) / np.linalg.norm(before + after) * radius / np.sin(half)
    start, end = corner[1] + before * cut, corner[1] + after * cut
    swing = np.pi - 2 * half
    shares = np.linspace(0, 1, steps + 1)
    weights = [(np.sin((1 - t) * swing), np.sin(t * swing)) / np.sin(swing) for t in shares]
    arc = [middle + a * (start - middle) + b * (end - middle) for a, b in weights]
    held = [start + before * HOLD, *arc, end + after * HOLD]
    return [(float(x), float(y)) for x, y in held]


def slab(outline: Outline, low: float, high: float, bevel: float) -> Mesh:
    """A plate between two heights with its edges rounded to `bevel` metres."""
    inner = 2 * bevel + 2 * HOLD
    corners = [(inner, low), (0.0, low), (0.0, high), (inner, high)]
    return loft(outline, rounded(corners, (0, bevel, bevel, 0)))


def box(low: Sequence[float], high: Sequence[float], bevel: float) -> Mesh:
    """A box with rounded edges between two corners (x, y, z)."""
    start, end = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    half = (end - start) / 2
    bevel = min(bevel, float(half.min()) / 4)
    outline = rectangle_outline(half[0], half[1], 2 * bevel + 3 * HOLD)
    mesh = slab(outline, float(start[2]), float(end[2]), bevel)
    return moved(mesh, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, 0.0))


def box_hull(low: Sequence[float], high: Sequence[float]) -> FloatArray:
    """The eight corners of a box, (8, 3)."""
    grid = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), dtype=np.float64)
    return np.asarray(grid.reshape(3, -1).T)


def moved(mesh: Mesh, offset: Sequence[float]) -> Mesh:
    """The mesh shifted by (x, y, z) metres."""
    return Mesh(mesh.vertices + np.asarray(offset, dtype=np.float64), mesh.faces, mesh.uv, mesh.ior)


def turned(mesh: Mesh, angle: float) -> Mesh:
    """The mesh turned by `angle` radians about the Z axis."""
    return Mesh(spin(mesh.vertices, angle), mesh.faces, mesh.uv, mesh.ior)


def spin(points: FloatArray, angle: float) -> FloatArray:
    """(N, 3) points turned by `angle` radians about the Z axis."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]))


def wall_hulls(
    outline: Outline, outside: Sequence[Point], inside: Sequence[Point]
) -> list[FloatArray]:
    """Convex pieces of a wall: one for each level and step of the outline.

    outside, inside : (inset, height) of the wall's two faces, upwards, as many points each
    """
    outer = np.array([outline.ring(*point) for point in outside])
    inner = np.array([outline.ring(*point) for point in inside])
    columns = np.stack([outer, inner], axis=2)  # (levels, N, 2, 3)
    columns = np.concatenate([columns, columns[:, :1]], axis=1)
    return [
        columns[level : level + 2, step : step + 2].reshape(-1, 3)
        for level in range(columns.shape[0] - 1)
        for step in range(columns.shape[1] - 1)
    ]


def transformed(points: FloatArray, matrix: NDArray[np.float64]) -> FloatArray:
    """(N, 3) points through a (4, 4) matrix."""
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])
