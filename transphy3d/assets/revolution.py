"""Meshes that are bodies of revolution, or nearly: their profile, its wedges and its inside.

A mesh is cut by half planes about its axis. Where most of the cuts agree, their most typical one
is a profile as `transphy3d.assets.procedural.lathe` has them, and collision pieces come from it
as for procedural vessels; what sticks out of it, as a handle, is the caller's to decompose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from manifold3d import CrossSection, Manifold
from numpy.typing import NDArray

from transphy3d.assets.collision import WALL_ERROR, filled_hulls, wall_hulls
from transphy3d.assets.geometry import Cavity, FloatArray, Mesh
from transphy3d.assets.mend import open_edges
from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.assembly import NARROW_MOUTH, Turned, cavity_of
from transphy3d.assets.procedural.solid import to_manifold
from transphy3d.errors import AssetError

HALF_PLANES = 16
FIRST_ANGLE = 0.37  # of a step: meshes have vertices at round angles, where cuts are delicate
LEVELS = np.linspace(0.06, 0.94, 12)  # of the height, where the axis is looked for
ROUND = 0.02  # of the radius that an outline may depart from a circle
TOLERANCE = 0.015  # of the radius that profiles may differ on average
AGREEING = 0.6  # of the half planes must show the profile; a handle takes a few
LEAST_DEPTH = 0.08  # of the height that counts as an inside
CORE_SEGMENTS = 64
FILLED_ERROR = 0.004  # of the size that the outline of a filled body may move for collision
SEALED_FILL = 0.9  # of the height of an inside without an opening
SLIVER = 1e-6  # metres; cuts leave points that far from the axis


@dataclass(frozen=True)
class Profile:
    """A profile about a vertical axis.

    body : path and wall in metres, as procedural vessels have them
    axis : (x, y) metres; error : mean distance in metres between profiles at different angles
    share : of the half planes that show it
    """

    body: Turned
    axis: tuple[float, float]
    error: float
    share: float

    @property
    def is_vessel(self) -> bool:
        """Whether it has an inside that is open above."""
        path = self.body.path
        on_axis = path[-1, 0] < lathe.ON_AXIS
        depth = float(path[:, 1].max() - path[-1, 1])
        return bool(on_axis and depth > LEAST_DEPTH * np.ptp(path[:, 1]))

    @property
    def is_ring(self) -> bool:
        """Whether it does not meet its axis."""
        return bool(self.body.path[-1, 0] >= lathe.ON_AXIS)


def profile_of(solid: Manifold) -> Profile | None:
    """The profile of a solid; None where it is not nearly a body of revolution about Z."""
    axis = _axis(solid)
    if axis is None:
        return None
    centred = solid.translate((-axis[0], -axis[1], 0))
    halves = [half for k in range(HALF_PLANES // 2) for half in _halves(centred, k)]
    if any(half.is_empty() for half in halves):
        return None
    differences = _differences(halves)
    typical = int(np.median(differences, axis=1).argmin())
    radius = halves[typical].bounds()[2] / lathe.MM_PER_METRE
    agreeing = differences[typical] < TOLERANCE * radius
    if agreeing.mean() < AGREEING:
        return None
    error = float(differences[typical][agreeing].sum() / max(agreeing.sum() - 1, 1))
    return _profile(halves[typical], axis, error, float(agreeing.mean()))


def _profile(
    half: CrossSection, axis: tuple[float, float], error: float, share: float
) -> Profile | None:
    """A profile from its right half in millimetres; None where it is in several pieces."""
    wall = 2 * half.area() / _outline(half) / lathe.MM_PER_METRE
    try:
        path = _between_axes(lathe.path_of(half + half.mirror((1, 0))))
    except AssetError:
        return None
    return Profile(Turned(path, wall), axis, error, share)


def _between_axes(path: FloatArray) -> FloatArray:
    """The path without more than one point on the axis at either end."""
    off = np.flatnonzero(path[:, 0] > SLIVER)
    ends = path[max(off[0] - 1, 0) : off[-1] + 2].copy()
    ends[ends[:, 0] <= SLIVER, 0] = 0.0
    return ends


def _axis(solid: Manifold) -> tuple[float, float] | None:
    """The middle of the roundest outlines, (x, y) metres; None if none is round."""
    low, high = solid.bounding_box()[2], solid.bounding_box()[5]
    circles = [_circle(solid.slice(low + share * (high - low))) for share in LEVELS]
    found = sorted(circle for circle in circles if circle[0] < ROUND)
    if len(found) < 2:
        return None
    x, y = np.median([centre for _, *centre in found[: max(3, len(found) // 2)]], axis=0)
    return float(x), float(y)


def _circle(section: CrossSection) -> tuple[float, float, float]:
    """How far the outermost outline departs from a circle, by its radius, and its centre.

    The circle is the algebraic least-squares one (Kasa, IEEE Trans. Instrum. Meas. 25, 1976).
    """
    loops = section.to_polygons()
    if not loops:
        return np.inf, 0.0, 0.0
    points = np.asarray(max(loops, key=lambda loop: np.prod(np.ptp(loop, axis=0))), np.float64)
    shifted = points - points.mean(axis=0)
    design = np.column_stack([shifted, np.ones(len(points))])
    (a, b, c), *_ = np.linalg.lstsq(design, (shifted**2).sum(axis=1), rcond=None)
    centre = np.array([a, b]) / 2
    radius = np.sqrt(max(c + centre @ centre, 1e-18))
    departure = np.abs(np.linalg.norm(shifted - centre, axis=1) - radius).max() / radius
    x, y = centre + points.mean(axis=0)
    return float(departure), float(x), float(y)


def _halves(solid: Manifold, k: int) -> list[CrossSection]:
    """The cut by one plane through the axis as two right halves, (r, z) in millimetres."""
    angle = (k + FIRST_ANGLE) * 360 / HALF_PLANES
    plane = solid.rotate((0, 0, -angle)).rotate((-90, 0, 0)).slice(0)
    whole = plane.scale((lathe.MM_PER_METRE, lathe.MM_PER_METRE))
    if whole.is_empty():
        return [whole, whole]
    left, low, right, high = whole.bounds()
    reach = max(-left, right) + 1
    box = CrossSection.square((reach, high - low + 2)).translate((0, low - 1))
    return [whole ^ box, whole.mirror((1, 0)) ^ box]


def _differences(halves: list[CrossSection]) -> FloatArray:
    """(N, N) metres: mean distance between the outlines of every two sections."""
    lengths = [_outline(half) for half in halves]
    found = np.zeros((len(halves), len(halves)))
    for i, one in enumerate(halves):
        for j, other in enumerate(halves[:i]):
            area = (one - other).area() + (other - one).area()
            found[i, j] = found[j, i] = area / max(lengths[i], lengths[j])
    metres: FloatArray = found / lathe.MM_PER_METRE
    return metres


def _outline(section: CrossSection) -> float:
    """Length of all outlines."""
    loops = [np.asarray(loop, np.float64) for loop in section.to_polygons()]
    return float(sum(np.hypot(*(np.roll(p, -1, axis=0) - p).T).sum() for p in loops))


def profile_hulls(profile: Profile) -> tuple[FloatArray, ...]:
    """Convex pieces of a profile's body: hollow where things can fall in, else filled."""
    body = profile.body
    hollow = profile.is_ring or (profile.is_vessel and body.throat() > NARROW_MOUTH)
    if hollow:
        hulls = wall_hulls(body.path, body.wall)
    else:
        size = float(np.ptp(body.path[:, 1]) + body.path[:, 0].max())
        error = min(FILLED_ERROR * size, WALL_ERROR * body.wall)
        hulls = filled_hulls(lathe.filled(body.path), error)
    shift = np.array([*profile.axis, 0.0])
    return tuple(hull + shift for hull in hulls)


def core(profile: Profile, grown: float) -> Manifold:
    """The body of a profile as a solid without its inside, grown by `grown` metres."""
    whole = lathe.filled(profile.body.path) if not profile.is_ring else _ring(profile)
    path = lathe.path_of(lathe.offset(whole, grown))
    return to_manifold(lathe.revolve(path, CORE_SEGMENTS)).translate((*profile.axis, 0))


def _ring(profile: Profile) -> CrossSection:
    return lathe.region(profile.body.path)


def cavity(mesh: Mesh, profile: Profile) -> Cavity | None:
    """The inside of an upright vessel with that profile, open or sealed; None if there is none."""
    if not profile.is_vessel:
        return None
    lining = _lining(mesh, profile)
    if not lining.any() or lining.all():
        return None
    if len(open_edges(Mesh(mesh.vertices, mesh.faces[lining]))):
        found = cavity_of(mesh, lining, profile.body.wall, np.inf)
    else:
        found = _sealed(mesh, lining)
    deep = found.brim - found.floor > LEAST_DEPTH * float(np.ptp(profile.body.path[:, 1]))
    return found if deep else None


def _sealed(mesh: Mesh, lining: NDArray[np.bool_]) -> Cavity:
    """The inside of a vessel that is closed all around; its upper tenth stays free."""
    heights = mesh.vertices[mesh.faces[lining], 2]
    floor, ceiling = float(heights.min()), float(heights.max())
    return Cavity(lining, floor, floor + SEALED_FILL * (ceiling - floor))


def _lining(mesh: Mesh, profile: Profile) -> NDArray[np.bool_]:
    """(F,) the faces that belong to the path's inside: nearest to it, and facing as it does."""
    path, rim = profile.body.path, lathe.rim_of(profile.body.path)
    centres = mesh.vertices[mesh.faces].mean(axis=1) - (*profile.axis, 0.0)
    r = np.hypot(centres[:, 0], centres[:, 1])
    normals = _normals_in_profile(mesh, centres, r)
    starts, along = path[:-1], np.diff(path, axis=0)
    lengths = np.maximum((along**2).sum(axis=1), 1e-18)
    points = np.stack([r, centres[:, 2]], axis=1)
    t = np.clip(((points[:, None] - starts) * along).sum(-1) / lengths, 0, 1)
    distance = np.linalg.norm(points[:, None] - starts - t[..., None] * along, axis=-1)
    outward = np.stack([along[:, 1], -along[:, 0]], axis=1)
    distance[normals @ outward.T <= 0] = np.inf
    inside = (distance.argmin(axis=1) >= rim) & np.isfinite(distance.min(axis=1))
    lining: NDArray[np.bool_] = inside
    return lining


def _normals_in_profile(mesh: Mesh, centres: FloatArray, r: FloatArray) -> FloatArray:
    """(F, 2) face normals as (radial, z)."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    normals = np.cross(b - a, c - a)
    radial = (normals[:, :2] * centres[:, :2]).sum(axis=1) / np.maximum(r, 1e-12)
    return np.stack([radial, normals[:, 2]], axis=1)
