"""Faceted solids: optical prisms and cut crystal, as intersections of half-spaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy.spatial import HalfspaceIntersection

from transphy3d.assets.geometry import Asset, FloatArray, Part
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.solid import hull_mesh, hull_points, stand
from transphy3d.jsonio import Params
from transphy3d.materials.spec import Kind

CLEAR: tuple[Kind, ...] = ("glass", "plastic")
FACETED = 5.0  # degrees; every edge of a cut solid stays sharp
MERGE = 1e-6  # metres below which two corners are one

Plane = tuple[float, float, float, float]  # outward unit normal and distance from the origin


def _convex(name: str, category: str, points: FloatArray) -> Asset:
    """An asset that is the convex hull of its corners."""
    corners = hull_points(np.unique((points / MERGE).round(), axis=0) * MERGE)
    parts, hulls = stand([Part("body", hull_mesh(corners), CLEAR)], [corners])
    return Asset(name, category, parts, hulls, sharp_angle=FACETED)


SECTIONS: dict[str, tuple[tuple[float, float], ...]] = {
    "equilateral": ((-0.5, 0.0), (0.5, 0.0), (0.0, 0.866)),
    "right": ((-0.5, 0.0), (0.5, 0.0), (0.0, 0.5)),
    "wedge": ((-0.5, 0.0), (0.5, 0.0), (-0.5, 0.35)),
    "dove": ((-1.0, 0.0), (1.0, 0.0), (0.5, 0.5), (-0.5, 0.5)),
    "penta": ((-0.5, 0.0), (0.5, 0.0), (0.5, 0.414), (0.207, 0.707), (-0.5, 1.0)),
    "hexagonal": tuple(
        (
            float(np.sin(k * np.pi / 3 - np.pi / 6) / 1.0),
            float(0.866 - np.cos(k * np.pi / 3 - np.pi / 6)),
        )
        for k in range(6)
    ),
}

PRISM: dict[str, Uniform | Choice] = {
    "section": Choice(("equilateral", "equilateral", *SECTIONS)),
    "size": Uniform(0.02, 0.05),
    "length": Uniform(0.03, 0.13),
    "chamfer": Uniform(0.0002, 0.0012),
    "standing": Choice((False, False, True)),
}


def _chamfered(corners: FloatArray, by: float) -> FloatArray:
    """A convex polygon with each corner cut at `by` along both sides."""
    before = np.roll(corners, 1, axis=0) - corners
    after = np.roll(corners, -1, axis=0) - corners
    cuts = [corners + by * d / np.linalg.norm(d, axis=1, keepdims=True) for d in (before, after)]
    return np.concatenate(cuts)


def build_prism(params: Params, segments: int) -> Asset:
    """A prism of one of several optical sections, lying on a face or standing on its end."""
    size, length, by = (float(params[k]) for k in ("size", "length", "chamfer"))
    corners = np.array(SECTIONS[str(params["section"])]) * size
    outline = _chamfered(corners, by)
    centre = corners.mean(axis=0)
    inset = centre + (outline - centre) * (1 - by / np.linalg.norm(corners - centre, axis=1).min())
    layers = [(outline, length / 2 - by), (inset, length / 2)]
    points = np.concatenate(
        [np.insert(layer, 1, sign * y, axis=1) for layer, y in layers for sign in (-1, 1)]
    )
    return _convex("prism", "prism", points[:, [0, 2, 1]] if params["standing"] else points)


def _ring(count: int, tilt: float, distance: float, offset: float = 0.0) -> Iterator[Plane]:
    """Facets around Z; `tilt` degrees between their normals and +z, `offset` in steps."""
    a = np.radians(tilt)
    for k in range(count):
        t = 2 * np.pi * (k + offset) / count
        yield (np.sin(a) * np.cos(t), np.sin(a) * np.sin(t), np.cos(a), distance)


def _through(tilt: float, r: float, z: float) -> float:
    """Distance of a facet with this tilt that passes at height z at radius r."""
    return float(np.sin(np.radians(tilt)) * r + np.cos(np.radians(tilt)) * z)


def _brilliant(p: Mapping[str, float], n: int) -> Iterator[Plane]:
    """A round brilliant: table, star, main and girdle facets; angles after Tolkowsky (1919)."""
    crown, pavilion, table = 34.5 + 4 * p["turn"], 40.75, 0.5 + 0.1 * p["steepness"]
    belt = 0.02
    top = belt + (1 - table) * np.tan(np.radians(crown))
    yield from _ring(n, crown, _through(crown, 1.0, belt))
    yield from _ring(2 * n, crown + 7, _through(crown + 7, 1.0, belt), 0.5)
    yield from _ring(n, crown - 13, _through(crown - 13, table * 0.98, top), 0.5)
    yield from _ring(4 * n, 90, 0.985, 0.5)
    yield from _ring(n, 180 - pavilion, _through(pavilion, 1.0, belt))
    yield from _ring(2 * n, 180 - pavilion - 2, _through(pavilion + 2, 0.985, belt), 0.5)
    yield (0.0, 0.0, 1.0, top)
    yield (0.0, 0.0, -1.0, 0.86 * np.tan(np.radians(pavilion)))


def _dome(p: Mapping[str, float], n: int) -> Iterator[Plane]:
    """Rows of facets tangent to a half ellipsoid on a flat base."""
    height = 0.5 + 0.6 * p["steepness"]
    for row, tilt in enumerate((90.0, 68.0, 46.0, 24.0)):
        a = np.radians(tilt)
        reach = float(np.hypot(np.sin(a), height * np.cos(a)))
        yield from _ring(max(4, n - row), tilt, reach, 0.5 * (row % 2) + 0.2 * p["turn"])
    yield (0.0, 0.0, 1.0, 0.97 * height)
    yield (0.0, 0.0, -1.0, 0.08 * height)


def _block(p: Mapping[str, float], n: int) -> Iterator[Plane]:
    """A cuboid whose edges and corners are cut broadly."""
    sides = np.array([1.0, 0.75 + 0.25 * p["turn"], 0.55 + 0.6 * p["steepness"]])
    cut = 0.08 + 0.05 * (n - 6) / 2
    for signs in np.ndindex(3, 3, 3):
        normal = np.array(signs, np.float64) - 1
        size = np.linalg.norm(normal)
        if size > 0:
            reach = np.abs(normal) @ sides - (size**2 - 1) * cut
            yield (*(normal / size), float(reach / size))


def _tower(p: Mapping[str, float], n: int) -> Iterator[Plane]:
    """A tapering column with a pointed top, as of quartz or an obelisk."""
    height = 2.2 + 1.6 * p["steepness"]
    lean = 90 - 2.0 - 4 * p["turn"]
    yield from _ring(n, lean, float(np.sin(np.radians(lean))))
    shoulder = height - 0.9
    for k, plane in enumerate(_ring(n, 48, 0.0)):
        unequal = 0.12 * np.sin(2.4 * k + 6 * p["turn"])
        yield (*plane[:3], _through(48, 0.8, shoulder + unequal))
    yield (0.0, 0.0, -1.0, 0.0)


def _iceberg(p: Mapping[str, float], n: int) -> Iterator[Plane]:
    """Irregular facets spread evenly (golden-angle spiral) about a squat body."""
    count = 3 * n
    for k in range(count):
        up = 1 - 1.15 * (k + 0.5) / count
        turn = k * np.pi * (3 - np.sqrt(5)) + 6 * p["turn"]
        across = np.sqrt(1 - up**2)
        uneven = 1 + 0.16 * np.sin(3.7 * k + 20 * p["turn"] + 9 * p["steepness"])
        yield (across * np.cos(turn), across * np.sin(turn), up, float(0.9 * uneven))
    yield (0.0, 0.0, -1.0, 0.25)


CUTS: dict[str, Callable[[Mapping[str, float], int], Iterator[Plane]]] = {
    "brilliant": _brilliant,
    "dome": _dome,
    "block": _block,
    "tower": _tower,
    "iceberg": _iceberg,
}

CRYSTAL: dict[str, Uniform | Choice] = {
    "cut": Choice(tuple(CUTS)),
    "facets": Choice((6, 8, 10)),
    "radius": Uniform(0.018, 0.04),
    "steepness": Uniform(0.0, 1.0, ""),
    "turn": Uniform(0.0, 1.0, ""),
}


def build_crystal(params: Params, segments: int) -> Asset:
    """A cut-crystal paperweight in one of several styles."""
    shape = {key: float(params[key]) for key in ("steepness", "turn")}
    planes = np.array(list(CUTS[str(params["cut"])](shape, int(params["facets"]))))
    planes[:, 3] *= -1
    corners = HalfspaceIntersection(planes, np.array([0.0, 0.0, 0.02])).intersections
    return _convex("crystal", "paperweight", corners * float(params["radius"]))


FAMILIES = (
    Family("prism", "prism", PRISM, build_prism),
    Family("crystal", "paperweight", CRYSTAL, build_crystal),
)
