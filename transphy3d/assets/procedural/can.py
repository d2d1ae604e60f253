"""Closed empty metal cans: drink cans with a necked top, food cans with beads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transphy3d.assets.geometry import Asset
from transphy3d.assets.procedural.assembly import Turned, solid_asset
from transphy3d.assets.procedural.family import Choice, Family, Ranges, Uniform, numbers
from transphy3d.assets.procedural.lathe import (
    Node,
    box,
    contour,
    corner,
    offset,
    path_of,
    region,
    revolve,
    solid,
    tidy,
)
from transphy3d.assets.procedural.solid import hollow
from transphy3d.jsonio import Params

SEAM = 0.0015  # half the width of the seam around an end, metres
SHEET = 0.00025  # metres, as the ends of drawn cans; their sides are thinner
RANGES: Ranges = {
    "style": Choice(("drink", "food")),
    "radius": Uniform(0.029, 0.037),
    "slenderness": Uniform(1.5, 2.5, ""),
    "neck": Uniform(0.78, 0.84, ""),
    "recess": Uniform(0.0025, 0.0045),
    "dome": Uniform(0.005, 0.008),
    "beads": Choice((0, 3, 5, 7)),
    "bead_depth": Uniform(0.0004, 0.0009),
}


def build(params: Params, segments: int) -> Asset:
    """A can; `slenderness` is height over diameter, `neck` the top of a drink can."""
    p = numbers(params)
    nodes = _drink(p) if params["style"] == "drink" else _food(p)
    height, end = nodes[-1].z, nodes[-1].r
    lid = box(end - 2 * SEAM, height - p["recess"], height + 1.0)
    if params["style"] == "drink":
        bottom = region(
            contour(
                [
                    corner(0, -0.01),
                    corner(nodes[1].r - 0.0025, -0.01),
                    corner(nodes[1].r - 0.0025, 0),
                    Node(0, p["dome"], heading=180),
                ]
            )
        )
    else:
        bottom = box(end - 2 * SEAM, -1.0, p["recess"])
    path = solid(contour(nodes), 0.0006, bottom + lid)
    full = solid_asset("can", "can", Turned(path, SHEET), segments, ("metal",), sharp_angle=30.0)
    inside = revolve(tidy(path_of(offset(region(path), -SHEET))), segments)
    part = replace(full.parts[0], mesh=hollow(full.parts[0].mesh, inside))
    return replace(full, parts=(part,), wall=SHEET)


def _drink(p: dict[str, float]) -> list[Node]:
    radius, height = p["radius"], 2 * p["radius"] * p["slenderness"]
    neck, ring = p["neck"] * radius, 0.76 * radius
    return [
        corner(0, 0),
        corner(ring, 0),
        Node(radius, 0.30 * radius, heading=90),
        Node(radius, height - 0.48 * radius, heading=90),
        Node(neck, height - 0.004, heading=90),
        corner(neck, height - 0.0032),
        corner(neck + SEAM, height - 0.0028),
        corner(neck + SEAM, height),
    ]


def _food(p: dict[str, float]) -> list[Node]:
    radius, height = p["radius"], 1.6 * p["radius"] * p["slenderness"]
    edge, count = radius + SEAM, int(p["beads"])
    middle = np.linspace(0.3, 0.7, 2 * count + 1) * height
    waves = [Node(radius - (k % 2) * p["bead_depth"], z, 90) for k, z in enumerate(middle)]
    return [
        corner(0, 0),
        corner(edge, 0),
        corner(edge, 0.003),
        corner(radius, 0.0034),
        *(waves if count else []),
        corner(radius, height - 0.0034),
        corner(edge, height - 0.003),
        corner(edge, height),
    ]


FAMILY = Family("can", "can", RANGES, build)
