"""Lenses with spherical faces, and magnifying glasses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transphy3d.assets.collision import filled_hulls, wall_hulls
from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.lathe import Node, corner
from transphy3d.assets.procedural.solid import hull_points, stand, unite
from transphy3d.jsonio import Params

GAP = 1.5e-4  # metres between the lens and its frame
EDGE = 1.5e-4  # metres, rounding of a ground edge

# Signs of the two faces' heights against distance from the axis: (lower, upper).
FACES = {
    "biconvex": (1.0, -1.0),
    "planoconvex": (0.0, -1.0),
    "biconcave": (-1.0, 1.0),
    "planoconcave": (0.0, 1.0),
    "meniscus": (1.0, 1.0),
}

LENS: dict[str, Uniform | Choice] = {
    "shape": Choice(("biconvex", "biconvex", "biconvex", "planoconvex", *FACES)),
    "diameter": Uniform(0.03, 0.1),
    "lower_curvature": Uniform(0.65, 1.6, ""),  # radius of curvature by the diameter
    "upper_curvature": Uniform(0.65, 1.6, ""),
    "thinnest": Uniform(0.0018, 0.004),
}


def sag(r: FloatArray, radius: float) -> FloatArray:
    """Height of a sphere of this radius above its lowest point, at distance r from the axis."""
    return np.asarray(radius - np.sqrt(radius**2 - r**2))


def lens_path(
    diameter: float, signs: tuple[float, float], radii: tuple[float, float], thinnest: float
) -> FloatArray:
    """Path of a lens with the given face signs and radii of curvature, `thinnest` at least."""
    r = np.linspace(0, diameter / 2, 200)
    lower, upper = signs[0] * sag(r, radii[0]), signs[1] * sag(r, radii[1])
    upper = upper + thinnest - (upper - lower).min()
    faces = np.concatenate([np.stack([r, lower], 1), np.stack([r, upper], 1)[::-1]])
    return lathe.solid(faces - (0, lower.min()), EDGE)


def _glass(name: str, path: FloatArray, segments: int) -> Part:
    """A turned lens, of clear glass or plastic."""
    return Part(name, lathe.revolve(path, segments), ("glass", "plastic"), ("transparent",))


def build_lens(params: Params, segments: int) -> Asset:
    """A ground lens lying on one face."""
    signs = FACES[str(params["shape"])]
    diameter, thinnest = float(params["diameter"]), float(params["thinnest"])
    radii = (
        float(params["lower_curvature"]) * diameter,
        float(params["upper_curvature"]) * diameter,
    )
    path = lens_path(diameter, signs, radii, thinnest)
    convex = signs[0] >= 0 >= signs[1]
    hulls = filled_hulls(lathe.region(path), 1e-4, 24) if convex else wall_hulls(path, thinnest / 2)
    parts, placed = stand([_glass("body", path, segments)], hulls)
    return Asset("lens", "lens", parts, placed)


MAGNIFIER: dict[str, Uniform | Choice] = {
    "diameter": Uniform(0.05, 0.1),
    "curvature": Uniform(1.0, 1.8, ""),
    "edge": Uniform(0.0015, 0.003),
    "ring": Uniform(0.0025, 0.0045),  # width of the frame outside the lens
    "lip": Uniform(0.001, 0.002),  # how far the frame reaches over the lens
    "handle_length": Uniform(0.9, 1.3, ""),  # by the diameter
    "handle_radius": Uniform(0.0055, 0.0085),
    "handle_swell": Uniform(0.0, 0.35, ""),
    "neck": Uniform(0.008, 0.02),  # length of the rod between ring and handle
}


def _ring_path(p: Mapping[str, float], slot: float) -> FloatArray:
    """The frame's section: a rounded bar with a slot of half height `slot` for the lens."""
    radius, half = p["diameter"] / 2, slot + 0.0012
    bar = lathe.box(radius + p["ring"], -half, half) - lathe.box(radius - p["lip"], -1, 1)
    groove = lathe.box(radius + GAP, -slot, slot)
    return lathe.tidy(lathe.path_of(lathe.rounded(bar - groove, 3e-4)))


def _handle_path(p: Mapping[str, float], start: float) -> FloatArray:
    length, r = p["handle_length"] * p["diameter"], p["handle_radius"]
    thick = r * (1 + p["handle_swell"])
    nodes = [
        corner(0, 0),
        corner(0.7 * r, 0),
        Node(0.75 * r, 0.15 * length),
        Node(thick, 0.6 * length, heading=90),
        Node(r, 0.95 * length),
        Node(0, length, heading=180),
    ]
    return np.asarray(lathe.solid(lathe.contour(nodes), 5e-4) + np.array([0.0, start]))


def _toward_minus_y(mesh: Mesh) -> Mesh:
    """Turn +z to -y."""
    return Mesh(mesh.vertices[:, [0, 2, 1]] * (1, -1, 1), mesh.faces, mesh.uv)


def build_magnifier(params: Params, segments: int) -> Asset:
    """A biconvex lens in a slotted ring, a rod, and a handle, lying flat."""
    p = {name: float(value) for name, value in params.items()}
    radius, curve = p["diameter"] / 2, p["curvature"] * p["diameter"]
    lens = lens_path(p["diameter"], (1, -1), (curve, curve), p["edge"])
    lens = lens - (0, float(lens[:, 1].max()) / 2)
    rise = float(sag(np.array(radius), curve) - sag(np.array(radius - p["lip"]), curve))
    ring_path = _ring_path(p, p["edge"] / 2 + rise + GAP)
    outer, thick = radius + p["ring"], float(np.ptp(ring_path[:, 1]))
    rod = lathe.box(0.35 * thick, outer - 0.4 * p["ring"], outer + p["neck"])
    rod_mesh = _toward_minus_y(lathe.revolve(lathe.path_of(rod), max(16, segments // 3)))
    handle = _handle_path(p, outer + p["neck"] + GAP)
    handle_mesh = _toward_minus_y(lathe.revolve(handle, max(24, segments // 2)))
    frame = unite([lathe.revolve(ring_path, segments), rod_mesh])
    parts = [
        _glass("lens", lens, segments),
        Part("frame", frame, ("metal", "plastic")),
        Part("handle", handle_mesh, ("plastic", "metal", "ceramic")),
    ]
    hulls = _magnifier_hulls(lens, ring_path, p, rod_mesh, handle)
    placed, placed_hulls = stand(parts, hulls)
    return Asset("magnifier", "magnifier", placed, placed_hulls)


def _magnifier_hulls(
    lens: FloatArray, ring: FloatArray, p: Mapping[str, float], rod: Mesh, handle: FloatArray
) -> tuple[FloatArray, ...]:
    """Convex pieces of the lens, the ring without its slot, the rod and the handle."""
    half = float(ring[:, 1].max())
    low, high = p["diameter"] / 2 - p["lip"], float(ring[:, 0].max())
    bar = np.array([(low, -half), (high, -half), (high, half), (low, half), (low, -half)])
    turned = [
        hull[:, [0, 2, 1]] * (1, -1, 1) for hull in filled_hulls(lathe.region(handle), 2e-4, 12)
    ]
    return (
        *filled_hulls(lathe.region(lens), 1e-4),
        *wall_hulls(bar, high - low),
        *turned,
        hull_points(rod.vertices),
    )


FAMILIES = (
    Family("lens", "lens", LENS, build_lens),
    Family("magnifier", "magnifier", MAGNIFIER, build_magnifier),
)
