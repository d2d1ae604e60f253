"""Salt and pepper shakers: a thick glass body and a perforated metal cap over its neck."""

from __future__ import annotations

import manifold3d
import numpy as np

from transphy3d.assets.collision import filled_hulls
from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.lathe import Node, Radial, corner
from transphy3d.assets.procedural.solid import cut
from transphy3d.jsonio import Params

GAP = 1.5e-4  # metres between cap and body
HOLE = 0.0009  # metres, radius of a hole

SHAKER: dict[str, Uniform | Choice] = {
    "height": Uniform(0.055, 0.085),  # of the body without its cap
    "foot": Uniform(0.3, 0.38, ""),  # radius, by the height
    "shoulder": Uniform(0.68, 1.0, ""),  # radius, by the foot's
    "neck": Uniform(0.72, 0.85, ""),  # radius, by the shoulder's
    "wall": Uniform(0.0022, 0.0032),
    "base": Uniform(0.005, 0.011),
    "sides": Choice((0, 6, 8, 10)),
    "cap": Uniform(0.22, 0.32, ""),  # height, by that of the body
    "dome": Uniform(0.15, 0.6, ""),  # of the cap's height that is domed
    "holes": Choice((3, 5, 7)),
}


def _polygon(sides: int, shoulder: float) -> Radial | None:
    """A softly rounded polygon below the shoulder, round above it."""
    if sides == 0:
        return None

    def factor(theta: FloatArray, z: FloatArray) -> FloatArray:
        away = (theta + np.pi / sides) % (2 * np.pi / sides) - np.pi / sides
        flat = np.cos(np.pi / sides) ** 0.6 / np.cos(away)
        blend = np.clip((shoulder - z) / (0.15 * shoulder), 0, 1)
        return np.asarray(1 + (np.minimum(flat, 1.0) - 1) * blend)

    return factor


def _body(p: dict[str, float]) -> tuple[FloatArray, float, float]:
    """Path of the body, height of its shoulder and radius of its neck."""
    foot = p["foot"] * p["height"]
    shoulder, level = p["shoulder"] * foot, 0.84 * p["height"]
    neck = p["neck"] * shoulder
    nodes = [
        corner(0, 0),
        corner(foot, 0),
        Node(foot, 0.1 * p["height"], heading=90),
        Node(shoulder, level - 0.06 * p["height"], heading=90),
        corner(neck, level),
        corner(neck, p["height"]),
    ]
    path = lathe.vessel(lathe.contour(nodes), p["wall"], p["base"], corner_radius=0.002)
    return path, level, neck


def _cap_sections(
    p: dict[str, float], level: float, neck: float
) -> tuple[manifold3d.CrossSection, manifold3d.CrossSection]:
    """The cap's outside and inside."""
    reach, thick = neck + GAP + 0.0009, 0.0009
    low, height = level + GAP, max(p["cap"] * p["height"], 1.3 * (p["height"] - level))
    edge = low + height * (1 - p["dome"])
    edge = max(edge, p["height"] + GAP + thick)
    top = edge + p["dome"] * height
    skirt = [corner(0, low), corner(reach * 1.04, low)]
    nodes = [*skirt, corner(reach, edge), Node(0, top, heading=180)]
    outer = lathe.rounded(lathe.region(lathe.contour(nodes)), 4e-4)
    longer = outer + lathe.box(reach * 1.04, low - 0.01, low + 5e-4)
    inner = lathe.offset(longer, -thick) ^ lathe.box(neck + GAP, low - 1, 1.0)
    return outer, inner


def _holes(count: int, radius: float, top: float) -> list[manifold3d.Manifold]:
    """Drills through the dome: one in the middle and a ring around it."""
    drill = manifold3d.Manifold.cylinder(0.05, HOLE, HOLE, 16).translate((0, 0, top - 0.01))
    ring = [2 * np.pi * k / (count - 1) for k in range(count - 1)]
    around = [drill.translate((radius * np.cos(a), radius * np.sin(a), 0)) for a in ring]
    return [drill, *around]


def build_salt_shaker(params: Params, segments: int) -> Asset:
    """A shaker with its cap screwed on."""
    p = {name: float(value) for name, value in params.items()}
    path, level, neck = _body(p)
    radial = _polygon(int(p["sides"]), level)
    outer, inner = _cap_sections(p, level, neck)
    cap_path = lathe.tidy(lathe.path_of(outer - inner))
    cap = cut(
        lathe.revolve(cap_path, segments),
        _holes(int(p["holes"]), 0.5 * neck, float(cap_path[:, 1].max()) - 0.004),
    )
    body: Mesh = lathe.revolve(path, segments, radial)
    parts = (
        Part("body", body, ("glass", "plastic", "ceramic")),
        Part("cap", cap, ("metal", "plastic")),
    )
    whole = lathe.filleted(lathe.filled(path) + outer, GAP)
    hulls = filled_hulls(whole, 3e-4, radial=radial)
    return Asset("salt_shaker", "shaker", parts, hulls, wall=p["wall"])


FAMILY = Family("salt_shaker", "shaker", SHAKER, build_salt_shaker)
