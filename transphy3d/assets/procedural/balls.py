"""Balls, solid or hollow, and Christmas baubles with a metal cap."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.collision import filled_hulls
from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.lathe import Node, corner
from transphy3d.assets.procedural.solid import hollow, stand, unite
from transphy3d.jsonio import Params

GAP = 1.5e-4  # metres between parts, so that no two surfaces coincide
HULL_ERROR = 0.01  # of the radius
HULL_SECTORS = 24


def _sphere_path(radius: float, centre: float) -> FloatArray:
    """Half a circle from the lowest to the highest point."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 400)
    path = np.stack([radius * np.cos(angle), centre + radius * np.sin(angle)], axis=1)
    path[[0, -1], 0] = 0.0
    return lathe.tidy(path)


def build_ball(params: Params, segments: int) -> Asset:
    """A sphere; a hollow one is the space between two."""
    radius, shell = float(params["diameter"]) / 2, float(params["shell"])
    path = _sphere_path(radius, radius)
    mesh, wall = lathe.revolve(path, segments), 0.0
    if params["hollow"]:
        wall = shell * radius
        mesh = hollow(mesh, lathe.revolve(_sphere_path(radius - wall, radius), segments))
    hulls = filled_hulls(lathe.region(path), HULL_ERROR * radius, HULL_SECTORS)
    part = Part("body", mesh, ("glass", "plastic", "metal", "ceramic"))
    return Asset("ball", "ball", (part,), hulls, wall=wall)


BALL: dict[str, Uniform | Choice] = {
    "diameter": Uniform(0.016, 0.08),  # marble to crystal ball
    "hollow": Choice((False, False, True)),
    "shell": Uniform(0.06, 0.2, ""),  # wall by the radius
}

BAUBLE: dict[str, Uniform | Choice] = {
    "diameter": Uniform(0.04, 0.1),
    "stretch": Uniform(0.85, 1.25, ""),  # height by diameter
    "neck": Uniform(0.16, 0.24, ""),  # radius, by that of the ball
    "wall": Uniform(0.0006, 0.0012),
    "cap_height": Uniform(0.16, 0.26, ""),  # by the ball's radius
    "crimps": Choice((0, 12, 16, 20)),
    "loop": Uniform(0.55, 0.85, ""),  # radius, by the neck's
}


def _bauble_outside(radius: float, height: float, neck: float, rise: float) -> FloatArray:
    """From the lowest point to the rim of the neck."""
    half = height / 2
    z = half + half * np.sqrt(1 - (neck / radius) ** 2)
    angle = np.linspace(-np.pi / 2, np.arcsin((z - half) / half), 300)
    ball = np.stack([radius * np.cos(angle), half + half * np.sin(angle)], axis=1)
    ball[0, 0] = 0.0
    return np.concatenate([ball, [[neck, z + rise]]])


def _cap_path(neck: float, low: float, height: float, rim: float) -> FloatArray:
    """A cup upside down over a neck of this radius, whose rim is at height `rim`."""
    inside, thick, ceiling = neck + GAP, 5e-4, max(rim + GAP, low + 0.4 * height)
    shoulder = max(ceiling + thick, low + 0.6 * height)
    outer = lathe.contour(
        [
            corner(0, low),
            corner(inside + thick, low),
            corner(inside + thick, shoulder),
            Node(0, shoulder + 0.4 * height, heading=180),
        ]
    )
    cavity = lathe.box(inside, low - 1, ceiling)
    return lathe.tidy(lathe.path_of(lathe.region(outer) - cavity))


def _loop(radius: float, z: float, segments: int) -> Mesh:
    """An upright wire ring."""
    wire = radius * 0.13
    angle = np.linspace(0, 2 * np.pi, 25)
    path = np.stack([radius + wire * np.cos(angle), wire * np.sin(angle)], axis=1)
    ring = lathe.revolve(path, max(24, segments // 2))
    upright = ring.vertices[:, [0, 2, 1]] * (1, -1, 1) + (0, 0, z)
    return Mesh(upright, ring.faces)


def build_bauble(params: Params, segments: int) -> Asset:
    """A blown ball on its lowest point, with a cap over its neck and a wire loop."""
    p = {name: float(value) for name, value in params.items()}
    radius = p["diameter"] / 2
    neck, height = p["neck"] * radius, p["diameter"] * p["stretch"]
    outside = _bauble_outside(radius, height, neck, 0.12 * radius)
    body = lathe.revolve(lathe.vessel(outside, p["wall"], p["wall"]), segments)
    shoulder, rim = float(outside[-2, 1]), float(outside[-1, 1])
    cap_path = _cap_path(neck, shoulder + GAP, p["cap_height"] * radius, rim)
    crimps = int(p["crimps"])
    flute = (lambda theta, z: 1 + 0.035 * (1 + np.cos(crimps * theta))) if crimps else None
    cap = lathe.revolve(cap_path, max(segments, 4 * crimps), flute)
    loop_radius = p["loop"] * neck
    top = float(cap_path[:, 1].max())
    cap = unite([cap, _loop(loop_radius, top + 0.75 * loop_radius, segments)])
    hulls = filled_hulls(lathe.region(outside), HULL_ERROR * radius, HULL_SECTORS)
    hulls += (lathe.revolve(lathe.solid(cap_path), 12).vertices,)
    parts, placed = stand(
        [Part("body", body, ("glass", "plastic")), Part("cap", cap, ("metal",))], hulls
    )
    return Asset("bauble", "bauble", parts, placed, wall=p["wall"])


FAMILIES = (
    Family("ball", "ball", BALL, build_ball),
    Family("bauble", "bauble", BAUBLE, build_bauble),
)
