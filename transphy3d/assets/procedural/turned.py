"""Turned things that hold nothing: rings, funnels and chess pawns."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.collision import wall_hulls
from transphy3d.assets.geometry import Asset, Part
from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.assembly import Turned, ring_asset, solid_asset
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.lathe import Node, corner
from transphy3d.assets.procedural.sweep import superellipse
from transphy3d.jsonio import Params
from transphy3d.materials.spec import Kind

RING_SECTORS = 24
SOLID_KINDS: tuple[Kind, ...] = ("glass", "plastic", "metal", "ceramic")

RING: dict[str, Uniform | Choice] = {
    "diameter": Uniform(0.025, 0.09),  # of the middle line
    "width": Uniform(0.08, 0.22, ""),  # of the bar in plan, by the diameter
    "height": Uniform(0.07, 0.35, ""),  # of the bar, by the diameter
    "squareness": Uniform(2.0, 6.0, ""),
    "scallops": Choice((0, 0, 8, 12, 20)),
    "scallop_depth": Uniform(0.01, 0.035, ""),
}


def build_ring(params: Params, segments: int) -> Asset:
    """A ring lying flat, from a finger's to a napkin's: a superellipse bar, plain or scalloped."""
    p = {name: float(value) for name, value in params.items()}
    width, height = p["width"] * p["diameter"], p["height"] * p["diameter"]
    bar = superellipse(max(24, segments // 2), width / 2, height / 2, p["squareness"])
    path = np.concatenate([bar, bar[:1]]) + np.array([p["diameter"] / 2, height / 2])
    count, depth = int(p["scallops"]), p["scallop_depth"]
    radial = (lambda theta, z: 1 + depth * np.cos(count * theta)) if count else None
    body = Turned(path - (0, path[:, 1].min()), 0.0, radial)
    hulls = wall_hulls(body.path, min(width, height) / 8, RING_SECTORS, radial)
    part = Part("body", body.mesh(max(segments, 8 * count)), SOLID_KINDS)
    return Asset("ring", "ring", (part,), hulls)


FUNNEL: dict[str, Uniform | Choice] = {
    "diameter": Uniform(0.05, 0.12),
    "angle": Uniform(50.0, 75.0, "deg"),  # opening of the cone
    "stem_diameter": Uniform(0.1, 0.2, ""),  # by the diameter
    "stem_length": Uniform(0.5, 1.1, ""),
    "taper": Uniform(0.6, 0.95, ""),  # diameter at the tip, by the stem's
    "collar": Uniform(0.02, 0.12, ""),  # height of the upright brim, by the diameter
    "wall": Uniform(0.0012, 0.0022),
}


def build_funnel(params: Params, segments: int) -> Asset:
    """A funnel on its mouth, stem up, open at both ends."""
    p = {name: float(value) for name, value in params.items()}
    mouth, stem = p["diameter"] / 2, p["stem_diameter"] * p["diameter"] / 2
    collar = p["collar"] * p["diameter"]
    neck = collar + (mouth - stem) / np.tan(np.radians(p["angle"] / 2))
    top, wall = neck + p["stem_length"] * p["diameter"], p["wall"]
    tip = max(p["taper"] * stem, 2.2 * wall)
    outside = np.array([(0, 0), (mouth, 0), (mouth, collar), (stem, neck), (tip, top), (0, top)])
    solid = lathe.filleted(lathe.rounded(lathe.region(outside), 0.4 * wall), 0.25 * stem)
    longer = solid + lathe.box(mouth, -0.02, 0.45 * wall)
    longer = longer + lathe.box(tip, top - 0.45 * wall, top + 0.02)
    body = lathe.rounded(solid - lathe.offset(longer, -wall), 0.45 * wall)
    path = lathe.tidy(lathe.path_of(body))
    turned = Turned(path - (0, path[:, 1].min()), wall)
    return ring_asset("funnel", "funnel", turned, segments, ("glass", "plastic", "metal"))


PAWN: dict[str, Uniform | Choice] = {
    "height": Uniform(0.035, 0.075),
    "base": Uniform(0.24, 0.3, ""),  # radius of the foot, by the height
    "head": Uniform(0.15, 0.19, ""),
    "waist": Uniform(0.085, 0.115, ""),
    "collar": Uniform(1.45, 1.8, ""),  # radius, by the waist's
    "steps": Choice((1, 2)),
}


def build_pawn(params: Params, segments: int) -> Asset:
    """A chess pawn: a stepped foot, a waisted stem, a collar and a ball."""
    p = {name: float(value) for name, value in params.items()}
    base, head, waist = p["base"], p["head"], p["waist"]
    collar, neck = p["collar"] * waist, 1 - 2 * head + 0.02
    foot = [corner(base, 0), Node(base, 0.05, heading=90), Node(0.92 * base, 0.1, heading=180)]
    if int(p["steps"]) == 2:
        foot += [
            corner(0.84 * base, 0.1),
            Node(0.84 * base, 0.13, heading=90),
            Node(0.76 * base, 0.165, heading=180),
        ]
    low = foot[-1]
    stem = [
        corner(low.r * 0.93, low.z),
        Node(1.1 * waist, 0.5 * (low.z + neck)),
        corner(waist, neck - 0.045),
    ]
    ring = [
        corner(0.95 * collar, neck - 0.045),
        Node(collar, neck - 0.02, heading=90),
        corner(0.95 * collar, neck + 0.005),
    ]
    angle = np.linspace(-np.arccos(min(0.98 * waist / head, 0.99)), np.pi / 2, 60)
    ball = np.stack([head * np.cos(angle), 1 - head + head * np.sin(angle)], axis=1)
    lower = lathe.contour([corner(0, 0), *foot, *stem, *ring])
    path = np.concatenate([lower, ball]) * p["height"]
    path[-1, 0] = 0.0
    body = Turned(lathe.solid(path, 0.006 * p["height"]), 0.0)
    return solid_asset("chess_pawn", "chess piece", body, segments, SOLID_KINDS)


FAMILIES = (
    Family("ring", "ring", RING, build_ring),
    Family("funnel", "funnel", FUNNEL, build_funnel),
    Family("chess_pawn", "chess piece", PAWN, build_pawn),
)
