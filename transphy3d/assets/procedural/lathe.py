"""Vessels from their profile: contours, true walls by 2-D offsets, surfaces of revolution.

A path is an (P, 2) float64 array of (r, z) in metres that runs counter-clockwise around the
material seen with r to the right and z up: from the axis at the bottom, up the outside, over
the rim, down the inside to the axis. Sections are the same thing as closed regions, mirrored
about the axis, so that offsets work there; manifold3d computes with them in millimetres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import CrossSection, FillRule, JoinType
from numpy.typing import NDArray

from transphy3d.assets.geometry import FloatArray, IntArray, Mesh
from transphy3d.errors import AssetError

MM_PER_METRE = 1000.0
ARC_SEGMENTS = 64  # of a full circle, where an offset rounds a corner
CURVE_SAMPLES = 24  # per span of a contour, before simplification
CHORD_ERROR = 8e-6  # metres; 0.1 pixel of a 50 mm object seen 600 pixels wide
GROWTH = 3.0  # greatest ratio of neighbouring edges, else smooth shading bends flat walls
CRUMB = 1e-8  # m2: outlines in smaller boxes are no part of any profile
ON_AXIS = 1e-7  # metres

Radial = Callable[[FloatArray, FloatArray], FloatArray]
Twist = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Node:
    """A point of a contour.

    heading : direction of travel in degrees (0 = outwards, 90 = up); None lets the contour
        pass smoothly between its neighbours
    corner : the contour breaks here; spans beside it leave straight
    """

    r: float
    z: float
    heading: float | None = None
    corner: bool = False


def corner(r: float, z: float) -> Node:
    """A node where the contour breaks."""
    return Node(r, z, corner=True)


def contour(nodes: Sequence[Node]) -> FloatArray:
    """A densely sampled path through `nodes`; its ends count as corners unless headed.

    Spans are cubic Hermite curves whose tangents are as long as those of the circular arc with
    the same turn (chord / cos(turn/4)^2), so right-angled spans are round.
    """
    points = np.array([(node.r, node.z) for node in nodes])
    spans = [_span(nodes, points, i) for i in range(len(nodes) - 1)]
    return np.concatenate([points[:1], *spans])


def _span(nodes: Sequence[Node], points: FloatArray, i: int) -> FloatArray:
    """Samples of the span from node i to i+1, without its first point."""
    chord = points[i + 1] - points[i]
    length = float(np.hypot(*chord))
    start, end = _direction(nodes, points, i, chord), _direction(nodes, points, i + 1, chord)
    turn = np.arccos(np.clip(start @ end, -1, 1))
    pull = length / np.cos(turn / 4) ** 2
    if turn < 1e-9 and float(start @ chord) > length * (1 - 1e-12):
        return points[i + 1 : i + 2]
    t = np.linspace(0, 1, CURVE_SAMPLES + 1)[1:, None]
    basis = 2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, 3 * t**2 - 2 * t**3, t**3 - t**2
    curve: FloatArray = (
        basis[0] * points[i]
        + basis[1] * pull * start
        + basis[2] * points[i + 1]
        + basis[3] * pull * end
    )
    return curve


def _direction(nodes: Sequence[Node], points: FloatArray, i: int, chord: FloatArray) -> FloatArray:
    """Unit tangent at node i for a span with this chord."""
    heading = nodes[i].heading
    if heading is not None:
        return np.array([np.cos(np.radians(heading)), np.sin(np.radians(heading))])
    if nodes[i].corner or i in (0, len(nodes) - 1):
        straight: FloatArray = chord / np.hypot(*chord)
        return straight
    before, after = points[i] - points[i - 1], points[i + 1] - points[i]
    # Each side counts by the other's length, as in a parabola through the three points.
    ahead, behind = np.hypot(*after), np.hypot(*before)
    tangent: FloatArray = before / behind * ahead + after / ahead * behind
    tangent /= np.hypot(*tangent)
    return tangent


def region(path: FloatArray) -> CrossSection:
    """The section that a path (and the axis or a straight lid) encloses, mirrored."""
    mirrored = path[::-1] * (-1, 1)
    loop = np.concatenate([path, mirrored]) * MM_PER_METRE
    return CrossSection([loop], FillRule.NonZero)


def box(r: float, low: float, high: float) -> CrossSection:
    """The section |radius| <= r, low <= z <= high, in metres."""
    return region(np.array([(0.0, low), (r, low), (r, high), (0.0, high)]))


def offset(section: CrossSection, distance: float) -> CrossSection:
    """Grow (or shrink, if negative) a section by a distance in metres, with round corners."""
    return section.offset(distance * MM_PER_METRE, JoinType.Round, circular_segments=ARC_SEGMENTS)


def rounded(section: CrossSection, radius: float) -> CrossSection:
    """Round a section's convex corners; parts thinner than twice the radius vanish."""
    return offset(offset(section, -radius), radius)


def filleted(section: CrossSection, radius: float) -> CrossSection:
    """Round a section's concave corners."""
    return offset(offset(section, radius), -radius)


def path_of(section: CrossSection) -> FloatArray:
    """The path around the half r >= 0 of a section, from the axis back to it.

    A section that does not meet the axis gives a closed path: its last point is its first.
    Rounding leaves crumbs of some micrometres, which are dropped. Raises AssetError if the half
    is empty or in pieces.
    """
    loops = [loop for loop in right_half(section) if np.prod(np.ptp(loop, axis=0)) > CRUMB]
    if len(loops) != 1:
        raise AssetError(
            f"a lathe profile has {len(loops)} outlines instead of one; "
            "its wall is too thick or too thin for its size"
        )
    return _opened(loops[0])


def right_half(section: CrossSection) -> list[FloatArray]:
    """Outlines of the half r >= 0 of a section, counter-clockwise, (P, 2) metres each."""
    if section.is_empty():
        return []
    low, reach, high = section.bounds()[1:]
    half = section ^ CrossSection.square((reach + 1, high - low + 2)).translate((0, low - 1))
    return [np.asarray(loop, np.float64) / MM_PER_METRE for loop in half.to_polygons()]


def _opened(loop: FloatArray) -> FloatArray:
    """A counter-clockwise loop as a path that starts and ends on the axis, where it meets it."""
    axis = loop[:, 0] < ON_AXIS
    leaves = np.flatnonzero(axis & np.roll(axis, 1))
    if len(leaves) == 0:
        return np.concatenate([loop, loop[:1]])
    path = np.roll(loop, -int(leaves[-1]), axis=0)
    path = path[: len(path) - int(np.argmax(path[::-1, 0] < ON_AXIS))]
    path[[0, -1], 0] = 0.0
    return path


def tidy(path: FloatArray, chord_error: float = CHORD_ERROR) -> FloatArray:
    """As few points as keep the chord error in metres, with edge lengths that grow gently."""
    return graded(path[simplified(path, chord_error)])


def simplified(path: FloatArray, chord_error: float) -> IntArray:
    """Indices of the points to keep so that no other is farther than `chord_error`.

    Douglas and Peucker, "Algorithms for the reduction of the number of points", 1973.
    """
    keep = {0, len(path) - 1}
    closed = bool(np.allclose(path[0], path[-1]))
    far = int(np.argmax(np.hypot(*(path - path[0]).T)))
    spans = [(0, far), (far, len(path) - 1)] if closed else [(0, len(path) - 1)]
    while spans:
        first, last = spans.pop()
        keep |= {first, last}
        middle, distance = _farthest(path, first, last)
        if distance > chord_error:
            spans += [(first, middle), (middle, last)]
    return np.array(sorted(keep), dtype=np.int32)


def _farthest(path: FloatArray, first: int, last: int) -> tuple[int, float]:
    if last - first < 2:
        return first, 0.0
    start, along = path[first], path[last] - path[first]
    between = path[first + 1 : last] - start
    t = np.clip(between @ along / max(float(along @ along), 1e-30), 0, 1)
    distance = np.hypot(*(between - t[:, None] * along).T)
    worst = int(np.argmax(distance))
    return first + 1 + worst, float(distance[worst])


def graded(path: FloatArray) -> FloatArray:
    """Halve edges until none is longer than GROWTH times a neighbour; drops zero edges."""
    lengths = np.hypot(*np.diff(path, axis=0).T)
    path = path[np.concatenate([[True], lengths > ON_AXIS])]
    while True:
        lengths = np.hypot(*np.diff(path, axis=0).T)
        padded = np.concatenate([[np.inf], lengths, [np.inf]])
        long = np.flatnonzero(lengths > GROWTH * np.minimum(padded[:-2], padded[2:]))
        if len(long) == 0:
            return path
        path = np.insert(path, long + 1, (path[long] + path[long + 1]) / 2, axis=0)


def rim_of(path: FloatArray) -> int:
    """Index of the path's highest point, where the outside ends and the inside begins."""
    return int(np.flatnonzero(path[:, 1] >= path[:, 1].max() - ON_AXIS)[-1])


def vessel(
    outer: FloatArray,
    wall: float,
    base: float,
    lip: float = 0.48,
    foot: CrossSection | None = None,
    corner_radius: float = 0.0,
) -> FloatArray:
    """The path of an open vessel.

    outer : outside from the axis at z = 0 up to the rim's outer edge
    wall : thickness of the wall in metres, everywhere along the outside
    base : thickness of the floor, at least the wall's
    lip : rounding of every edge as a part of the wall
    foot : section to take away from underneath (a punt, a foot ring)
    corner_radius : rounding of the inside where wall and floor meet
    """
    end, along = outer[-1], outer[-1] - outer[-2]
    along = along / np.hypot(*along)
    longer = np.concatenate([outer, [end + 2 * wall * along]])
    tall = raised(region(longer), float(longer[-1, 1]), 2 * wall + 3 * corner_radius)
    floor = max(base, wall) + (0.0 if foot is None else foot.bounds()[3] / MM_PER_METRE)
    cavity = offset(tall, -wall) ^ box(1.0, floor, 10.0)
    if corner_radius > 0:
        # Only the floor: a narrow neck above it is no corner to round.
        above = cavity ^ box(1.0, floor + 2 * corner_radius, 10.0)
        cavity = rounded(cavity, corner_radius) + above
    body = tall - cavity - _beyond(end, along, wall)
    body = body - foot if foot is not None else body
    return standing(tidy(path_of(_largest(rounded(body, lip * wall)))))


def _beyond(end: FloatArray, along: FloatArray, wall: float) -> CrossSection:
    """All past a rim that is cut square to its wall: no flare ends in a knife's edge."""
    across = np.array([-along[1], along[0]])
    corners = [end - across, end - across + along, end + across + along, end + across]
    plane = CrossSection([np.array(corners) * MM_PER_METRE], FillRule.NonZero)
    right = plane ^ CrossSection.square((3000, 6000)).translate((0, -3000))
    inner_edge = float(end[1] + wall * max(along[0], 0.0))
    return right + right.mirror((1, 0)) + box(1.0, inner_edge, 10.0)


def solid(outer: FloatArray, edge: float = 0.0, foot: CrossSection | None = None) -> FloatArray:
    """The path of a solid of revolution, with its edges rounded by `edge` metres."""
    body = region(outer) - foot if foot is not None else region(outer)
    return standing(tidy(path_of(_largest(rounded(body, edge) if edge > 0 else body))))


def cap(outer: FloatArray, body: CrossSection, gap: float, edge: float) -> FloatArray:
    """The path of a lid or stopper: what `outer` encloses, clear of a turned body.

    body : the section of what it sits on; gap : clearance in metres; edge : rounding in metres
    """
    section = region(outer) - offset(body, gap)
    return tidy(path_of(_largest(rounded(section, edge))))


def filled(path: FloatArray) -> CrossSection:
    """The section that the outside of a path encloses, up to its highest point."""
    outside = path[: rim_of(path) + 1]
    ends = outside[[0, -1]] * (0, 1)
    return region(np.concatenate([ends[:1], outside, ends[1:]]))


def resampled(path: FloatArray, count: int) -> FloatArray:
    """`count` points evenly spaced along a path."""
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, column) for column in path.T], axis=1)


def standing(path: FloatArray) -> FloatArray:
    """The path with its lowest point at z = 0, which rounding or a foot may have raised."""
    lowest: FloatArray = path - (0.0, path[:, 1].min())
    return lowest


def raised(section: CrossSection, top: float, by: float) -> CrossSection:
    """The section with its mouth drawn up by `by`, so that an offset does not close it."""
    mouth = section ^ box(1.0, top - 1e-5, top + 1.0)
    reach = mouth.bounds()[2] / MM_PER_METRE
    return section + box(reach, top - 1e-5, top + by)


def _largest(section: CrossSection) -> CrossSection:
    """The largest piece about the axis; rounding may leave crumbs."""
    if section.is_empty():
        raise AssetError("a lathe profile is empty; its wall is too thin for its rounding")
    pieces: list[CrossSection] = section.decompose()
    return max(pieces, key=lambda piece: float(piece.area()))


def revolve(
    path: FloatArray, segments: int, radial: Radial | None = None, twist: Twist | None = None
) -> Mesh:
    """The closed surface that a path sweeps about Z.

    path : (P, 2) from axis to axis, or closed (last point = first)
    radial : factor on the radius for angles theta and heights z of the same shape
    twist : angle to add, radians, at heights z

    UVs: u = theta times the greatest radius, v = arc length along the path, both in metres.
    """
    closed = bool(np.allclose(path[0], path[-1])) and path[0, 0] > ON_AXIS
    rows = path[:-1] if closed else path
    vertices, index = _vertices(rows, segments, radial, twist)
    index = np.concatenate([index, index[:1]]) if closed else index
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1)
    uv = _uv_grid(path, segments)
    corners = np.stack([uv[:-1, :-1], uv[:-1, 1:], uv[1:, 1:], uv[1:, :-1]], axis=2)
    faces = quads[..., [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
    face_uv = corners[..., [[0, 1, 2], [0, 2, 3]], :].reshape(-1, 3, 2)
    whole = _whole(faces)
    return Mesh(vertices, faces[whole].astype(np.int32), face_uv[whole].astype(np.float32))


def face_rows(path: FloatArray, segments: int) -> IntArray:
    """For each face of `revolve(path, segments)`, the path edge that swept it."""
    edges = np.repeat(np.arange(len(path) - 1), 2 * segments).reshape(-1, segments, 2)
    keep = np.ones(edges.shape, dtype=bool)
    if path[0, 0] < ON_AXIS:
        keep[0, :, 0] = False
    if path[-1, 0] < ON_AXIS:
        keep[-1, :, 1] = False
    rows: IntArray = edges[keep].astype(np.int32)
    return rows


def _vertices(
    rows: FloatArray, segments: int, radial: Radial | None, twist: Twist | None
) -> tuple[FloatArray, IntArray]:
    """Vertices and the (rows, segments + 1) grid of their indices; poles are one vertex."""
    theta = np.arange(segments) * (2 * np.pi / segments)
    theta, z = np.broadcast_arrays(theta[None], rows[:, 1:])
    r = rows[:, :1] * (np.ones_like(theta) if radial is None else radial(theta, z))
    angle = theta if twist is None else theta + twist(z)
    grid = np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=-1)
    kept = np.ones(grid.shape[:2], dtype=bool)
    kept[rows[:, 0] < ON_AXIS, 1:] = False
    index = np.cumsum(kept).reshape(kept.shape) - 1
    return grid[kept], np.concatenate([index, index[:, :1] * kept[:, :1]], axis=1)


def _uv_grid(path: FloatArray, segments: int) -> FloatArray:
    theta = np.arange(segments + 1) * (2 * np.pi / segments)
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    u, v = np.broadcast_arrays(theta[None] * path[:, 0].max(), length[:, None])
    return np.stack([u, v], axis=-1)


def _whole(faces: IntArray) -> NDArray[np.bool_]:
    a, b, c = faces.T
    keep: NDArray[np.bool_] = (a != b) & (b != c) & (c != a)
    return keep
