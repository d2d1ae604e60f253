"""Open tubes: straight, elbows, U-bends and S-bends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transphy3d.assets.geometry import Asset, FloatArray, Part
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.solid import stand
from transphy3d.assets.procedural.sweep import cell_hulls, frames, sectors, stack
from transphy3d.jsonio import Params

HULL_COLUMNS = 12
RIM_STEPS = 5  # rings over which the wall's end is rounded

PIPE: dict[str, Uniform | Choice] = {
    "shape": Choice(("straight", "elbow", "elbow", "u", "s")),
    "radius": Uniform(0.006, 0.02),  # outside
    "wall": Uniform(0.08, 0.22, ""),  # by the radius
    "first": Uniform(0.02, 0.07),  # straight lengths before and after the bend
    "last": Uniform(0.02, 0.07),
    "bend_radius": Uniform(1.8, 3.2, ""),  # of the middle line, by the tube's radius
    "angle": Uniform(40.0, 120.0, "deg"),  # of an elbow
}
BENDS = {"straight": (0.0,), "u": (180.0,), "s": (60.0, -60.0)}


def bent_line(
    first: float, last: float, bends: Sequence[float], radius: float, steps: int
) -> FloatArray:
    """A planar path (R, 3): a straight, arcs that turn by `bends` degrees, a straight."""
    points, heading = [np.zeros(2), np.array([first, 0.0])], 0.0
    for bend in bends:
        turn = np.radians(bend)
        side = np.array([-np.sin(heading), np.cos(heading)]) * radius * np.sign(turn)
        centre = points[-1] + side
        count = max(2, int(np.ceil(abs(turn) / (2 * np.pi) * steps)))
        for share in np.arange(1, count + 1) / count if turn else ():
            c, s = np.cos(turn * share), np.sin(turn * share)
            points.append(centre - np.array([c * side[0] - s * side[1], s * side[0] + c * side[1]]))
        heading += turn
    points.append(points[-1] + last * np.array([np.cos(heading), np.sin(heading)]))
    return np.insert(np.array(points), 2, 0.0, axis=1)


def _ring(centre: FloatArray, up: FloatArray, side: FloatArray, r: float, n: int) -> FloatArray:
    angle = 2 * np.pi * np.arange(n) / n
    return np.asarray(centre + r * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * up))


def _tube_rings(path: FloatArray, radius: float, wall: float, count: int) -> FloatArray:
    """Rings along the outside, round the far rim, back inside and round the near rim."""
    up, side = frames(path)
    out = [_ring(*place, radius, count) for place in zip(path, up, side, strict=True)]
    inside = [_ring(*place, radius - wall, count) for place in zip(path, up, side, strict=True)]
    ahead = path[-1] - path[-2]
    behind = path[0] - path[1]
    far = _rim(path[-1], ahead, up[-1], side[-1], radius, wall, count)
    near = _rim(path[0], behind, up[0], side[0], radius, wall, count)
    return np.array(out + far + inside[::-1] + near[::-1])


def _rim(
    centre: FloatArray,
    ahead: FloatArray,
    up: FloatArray,
    side: FloatArray,
    radius: float,
    wall: float,
    count: int,
) -> list[FloatArray]:
    """Rings that lead from the outside to the inside over a half round end."""
    unit = ahead / np.linalg.norm(ahead)
    angles = np.linspace(0, np.pi, RIM_STEPS + 2)[1:-1]
    return [
        _ring(
            centre + unit * wall / 2 * np.sin(a),
            up,
            side,
            radius - wall / 2 * (1 - np.cos(a)),
            count,
        )
        for a in angles
    ]


def build_pipe(params: Params, segments: int) -> Asset:
    """A tube open at both ends, lying in its plane, with fire-polished rims."""
    shape, radius = str(params["shape"]), float(params["radius"])
    wall, bend = float(params["wall"]) * radius, float(params["bend_radius"]) * radius
    bends = BENDS.get(shape, (float(params["angle"]),))
    ends = float(params["first"]), float(params["last"])
    mesh = stack(
        _tube_rings(bent_line(*ends, bends, bend, segments), radius, wall, max(16, segments // 2)),
        closed=True,
    )
    coarse = bent_line(*ends, bends, bend, 24)
    up, side = frames(coarse)
    stations = [
        np.concatenate([_ring(p, u, s, r, 2 * HULL_COLUMNS) for r in (radius, radius - wall)])
        for p, u, s in zip(coarse, up, side, strict=True)
    ]
    hulls = cell_hulls(np.array(stations), sectors(2 * HULL_COLUMNS, HULL_COLUMNS))
    parts, placed = stand([Part("body", mesh, ("glass", "plastic", "metal"))], hulls)
    return Asset("pipe", "pipe", parts, placed, wall=wall)


FAMILY = Family("pipe", "pipe", PIPE, build_pipe)
