"""Light bulbs: a thin blown envelope, a screw base and the glass stem with its filament."""

from __future__ import annotations

import numpy as np

from transphy3d.assets.collision import filled_hulls
from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.family import Choice, Family, Uniform
from transphy3d.assets.procedural.lathe import Node, corner
from transphy3d.assets.procedural.solid import stand, unite
from transphy3d.assets.procedural.sweep import carry, stack, superellipse
from transphy3d.jsonio import Params

GAP = 1.5e-4  # metres between parts
SHELL = 6e-4  # metres, sheet of the base
WIRE = 2.5e-4  # metres, radius of the leads
COIL = 9e-4  # metres, radius of a coiled filament

# Edison screws by IEC 60061: outer radius, pitch and length of the threaded shell in metres.
SCREWS = {"E27": (0.0132, 0.00362, 0.0225), "E14": (0.0069, 0.00282, 0.0185)}

BULB: dict[str, Uniform | Choice] = {
    "screw": Choice(("E27", "E27", "E14")),
    "shape": Choice(("pear", "globe", "candle")),
    "width": Uniform(1.9, 2.6, ""),  # radius of the envelope, by the screw's
    "stretch": Uniform(0.9, 1.15, ""),
    "wall": Uniform(0.0006, 0.001),
    "stem": Uniform(0.35, 0.5, ""),  # height of the stem in the envelope, of its height
    "filament": Choice(("zigzag", "coil")),
    "teeth": Choice((3, 4, 5)),
}


def _envelope(
    shape: str, neck: float, width: float, low: float, lip: float, stretch: float
) -> FloatArray:
    """Outside of the envelope from its neck's end at `low` to its top; straight up to `lip`."""
    height = {"pear": 2.5, "globe": 2.1, "candle": 3.5}[shape] * width * stretch
    widest = {"pear": 0.6, "globe": 0.5, "candle": 0.36}[shape]
    tip = Node(0, lip + height, heading=120 if shape == "candle" else 180)
    nodes = [corner(neck, low), Node(neck, lip, heading=90)]
    if shape == "pear":
        nodes.append(Node(neck + 0.35 * (width - neck), lip + 0.25 * height))
    nodes += [Node(width, lip + widest * height, heading=90), tip]
    return lathe.contour(nodes)


def _blown(outside: FloatArray, wall: float) -> FloatArray:
    """Path of the envelope: closed at the top, open at the neck."""
    neck, low = outside[0]
    solid = lathe.region(np.concatenate([[[0, low]], outside]))
    cavity = lathe.offset(solid + lathe.box(neck, low - 0.01, low + 1e-5), -wall)
    return lathe.tidy(lathe.path_of(lathe.rounded(solid - cavity, 0.45 * wall)))


def _base(radius: float, pitch: float, length: float, neck: float, segments: int) -> Mesh:
    """Cap with a round thread, insulator and contact, as one piece open at the top."""
    depth = 0.055 * radius
    rows = np.linspace(0.1 * length, 0.9 * length, max(48, int(12 * 0.8 * length / pitch)))
    ends = np.minimum((rows - rows[0]) / pitch, (rows[-1] - rows) / pitch).clip(0, 1)
    angle = 2 * np.pi * np.arange(segments) / segments
    wave = np.cos(2 * np.pi * rows[:, None] / pitch - angle) - 1
    r = radius + depth * ends[:, None] * wave
    threads = np.stack(
        [r * np.cos(angle), r * np.sin(angle), np.broadcast_to(rows[:, None], r.shape)], axis=-1
    )
    tip = 0.32 * radius
    contact = [(tip * 0.7, -0.36 * radius), (tip, -0.3 * radius), (tip, -0.25 * radius)]
    insulator = [(0.55 * radius, -0.2 * radius), (0.88 * radius, 0.0)]
    below = [*contact, *insulator, (radius, 0.06 * length)]
    hole = neck + GAP
    above = [
        (radius, 0.94 * length),
        (hole + SHELL, length + 0.1 * radius),
        (hole, length + 0.1 * radius),
        (hole, 0.62 * length),
        (0.6 * hole, 0.6 * length),
    ]
    return stack(np.concatenate([_circles(below, angle), threads, _circles(above, angle)]))


def _circles(profile: list[tuple[float, float]], angle: FloatArray) -> FloatArray:
    return np.array(
        [
            np.stack([r * np.cos(angle), r * np.sin(angle), np.full_like(angle, z)], axis=1)
            for r, z in profile
        ]
    )


def _stem_path(low: float, neck: float, top: float) -> FloatArray:
    """The glass mount: a wide foot, a slim rod and a small knob on top."""
    foot, rod = 0.62 * neck, 0.0021
    height = top - low
    nodes = [
        corner(0, 0),
        corner(foot, 0),
        Node(0.9 * foot, 0.08 * height),
        Node(rod, 0.45 * height, heading=90),
        Node(rod, 0.88 * height, heading=90),
        Node(1.5 * rod, 0.94 * height, heading=90),
        Node(0, height, heading=180),
    ]
    return np.asarray(lathe.solid(lathe.contour(nodes)) + np.array([0.0, low]))


def _wire(points: FloatArray, radius: float, count: int = 10) -> Mesh:
    return stack(carry(points, superellipse(count, radius, radius, 2.0)))


def _filament(style: str, teeth: int, stem: FloatArray, reach: float, height: float) -> Mesh:
    """Two leads beside the stem and the filament between them, as one piece of wire."""
    top = float(stem[:, 1].max())
    start = float(stem[:, 1].min()) + 0.55 * (top - float(stem[:, 1].min()))
    near = 0.0021 + WIRE + 3 * GAP
    s = np.linspace(0, 1, 24)
    lead_z = start + (top + 0.15 * height - start) * s
    lead_x = near + (reach - near) * s**2
    across = np.linspace(-1, 1, 24 * teeth + 1)
    z = np.full_like(across, lead_z[-1])
    if style == "zigzag":
        z = z + 0.6 * height * (1 - np.abs((across + 1) * teeth % 2 - 1))
        y = np.zeros_like(across)
    else:
        fade = 1 - across**6
        turns = 8 * np.pi * teeth * across
        y = COIL * fade * np.sin(turns)
        z = z + COIL * fade * np.cos(turns) + 0.25 * height * (1 - across**2)
    middle = np.stack([reach * across, y, z], axis=1)
    left = np.stack([-lead_x, np.zeros_like(s), lead_z], axis=1)
    right = left * (-1, 1, 1)
    return unite([_wire(left, WIRE), _wire(middle, 0.7 * WIRE), _wire(right, WIRE)])


def build_light_bulb(params: Params, segments: int) -> Asset:
    """A bulb on its contact; the envelope, the stem and the wire do not touch each other."""
    radius, pitch, length = SCREWS[str(params["screw"])]
    wall, neck = float(params["wall"]), 0.84 * radius
    width, stretch = float(params["width"]) * radius, float(params["stretch"])
    bottom, lip = 0.62 * length + GAP, length + 0.14 * radius
    outside = _envelope(str(params["shape"]), neck, width, bottom, lip, stretch)
    low, height = float(outside[0, 1]), float(np.ptp(outside[:, 1]))
    stem = _stem_path(low, neck, low + float(params["stem"]) * height)
    filament = _filament(
        str(params["filament"]), int(params["teeth"]), stem, 0.42 * width, 0.07 * height
    )
    base = _base(radius, pitch, length, neck, max(48, segments))
    parts = [
        Part("envelope", lathe.revolve(_blown(outside, wall), segments), ("glass",)),
        Part("base", base, ("metal",)),
        Part("stem", lathe.revolve(stem, max(24, segments // 2)), ("glass",), ("transparent",)),
        Part("filament", filament, ("metal",)),
    ]
    tip = [
        (0, -0.36 * radius),
        (0.3 * radius, -0.36 * radius),
        (0.88 * radius, 0.0),
        (0.97 * radius, 0.06 * length),
        (0.97 * radius, 0.95 * length),
    ]
    outline = np.concatenate([tip, outside[outside[:, 1] > length]])
    hulls = filled_hulls(lathe.region(outline), 3e-4)
    placed, placed_hulls = stand(parts, hulls, centre=False)
    return Asset("light_bulb", "light bulb", placed, placed_hulls, wall=wall)


FAMILY = Family("light_bulb", "light bulb", BULB, build_light_bulb)
