"""Star-shaped solids given by a radius in every direction: ice cubes and superquadrics."""

from __future__ import annotations

import manifold3d
import numpy as np

from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.solid import from_manifold, hull_points, stand
from transphy3d.jsonio import Params
from transphy3d.materials.spec import Kind

HULL_SEGMENTS = 24


def _directions(segments: int) -> Mesh:
    """A unit sphere with nearly even triangles."""
    return from_manifold(manifold3d.Manifold.sphere(1.0, segments // 4 * 4))


ICE: dict[str, Uniform | Choice] = {
    "size": Uniform(0.02, 0.036),
    "width": Uniform(0.8, 1.1, ""),  # by the size
    "height": Uniform(0.7, 1.1, ""),
    "squareness": Uniform(4.0, 9.0, ""),  # exponent: 2 an ellipsoid, more is a sharper box
    "taper": Uniform(0.0, 0.15, ""),  # how much narrower the top is
    "melt": Uniform(0.005, 0.035, ""),  # unevenness, by the size
    "dimple": Uniform(-0.06, 0.18, ""),  # depth of a hollow in the top, none below 0
    "phase_x": Uniform(0.0, 6.283, "rad"),
    "phase_y": Uniform(0.0, 6.283, "rad"),
    "phase_z": Uniform(0.0, 6.283, "rad"),
}


def _ice(directions: FloatArray, p: dict[str, float]) -> FloatArray:
    """Points (K, 3) in metres of an ice cube in the given directions (K, 3)."""
    half = p["size"] / 2 * np.array([1.0, p["width"], p["height"]])
    power = p["squareness"]
    radius = (np.abs(directions / half) ** power).sum(axis=1) ** (-1 / power)
    phases = np.array([p["phase_x"], p["phase_y"], p["phase_z"]])
    coarse = np.sin(2.1 * directions[:, [1, 2, 0]] + phases).sum(axis=1)
    fine = np.sin(5.3 * directions[:, [2, 0, 1]] - phases).sum(axis=1)
    points = directions * (radius * (1 + p["melt"] * (coarse + 0.4 * fine) / 1.5))[:, None]
    height = points[:, 2] / half[2]
    points[:, :2] *= 1 - p["taper"] * (height[:, None] + 1) / 2
    near = np.exp(-((points[:, :2] / (0.6 * half[:2])) ** 2).sum(axis=1))
    points[:, 2] -= max(p["dimple"], 0.0) * p["size"] * near * np.clip(height, 0, None) ** 2
    return np.asarray(points)


def build_ice_cube(params: Params, segments: int) -> Asset:
    """A half-molten ice cube."""
    p = {name: float(value) for name, value in params.items()}
    fine, coarse = _directions(2 * segments), _directions(HULL_SEGMENTS)
    mesh = Mesh(_ice(fine.vertices, p), fine.faces)
    hulls = [hull_points(_ice(coarse.vertices, p))]
    parts, placed = stand([Part("body", mesh, ("glass", "plastic"), ("transparent",))], hulls)
    return Asset("ice_cube", "ice cube", parts, placed)


SUPERQUADRIC: dict[str, Uniform | Choice] = {
    "size": Uniform(0.03, 0.07),
    "width": Uniform(0.5, 1.0, ""),
    "height": Uniform(0.4, 1.3, ""),
    "roundness_z": Uniform(0.3, 1.9, ""),  # exponent from pole to pole: 1 round, 2 a pyramid
    "roundness_xy": Uniform(0.3, 1.9, ""),  # exponent around: 0 a box, 1 round, 2 a rhombus
}


def _superquadric(directions: FloatArray, p: dict[str, float]) -> FloatArray:
    """Points (K, 3) of a superquadric; Barr, "Superquadrics", IEEE CG&A 1(1), 1981."""
    half = p["size"] / 2 * np.array([1.0, p["width"], p["height"]])
    around, upright = p["roundness_xy"], p["roundness_z"]
    x, y, z = np.abs(directions / half).T
    flat = (x ** (2 / around) + y ** (2 / around)) ** (around / upright)
    return np.asarray(directions * ((flat + z ** (2 / upright)) ** (-upright / 2))[:, None])


def build_superquadric(params: Params, segments: int) -> Asset:
    """A smooth convex body between box, ball, cylinder, cone-like spindle and octahedron."""
    p = {name: float(value) for name, value in params.items()}
    fine, coarse = _directions(2 * segments), _directions(2 * HULL_SEGMENTS)
    kinds: tuple[Kind, ...] = ("glass", "plastic", "metal", "ceramic")
    mesh = Mesh(_superquadric(fine.vertices, p), fine.faces)
    hulls = [hull_points(_superquadric(coarse.vertices, p))]
    parts, placed = stand([Part("body", mesh, kinds)], hulls)
    return Asset("superquadric", "figurine", parts, placed)


FAMILIES = (
    Family("ice_cube", "ice cube", ICE, build_ice_cube),
    Family("superquadric", "figurine", SUPERQUADRIC, build_superquadric),
)
