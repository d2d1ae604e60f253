"""The built scene: assets, support and room as meshes and convex pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass

from transphy3d.assets.geometry import Asset, FloatArray, Mesh

Bounds = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class StaticBody:
    """A fixed thing in world coordinates, metres.

    material : key into the materials of its SupportSpec or RoomSpec
    hulls : convex pieces for collision, each (K, 3); empty for what nothing can touch
    """

    name: str
    mesh: Mesh
    material: str
    hulls: tuple[FloatArray, ...]
    sharp_angle: float = 35.0


@dataclass(frozen=True)
class Support:
    """What objects rest on; its inner floor is z = 0 where it is flat.

    half_extents : half sizes in x and y of the area to drop onto, metres
    round : the area is the ellipse in that rectangle instead of all of it
    rim : height in metres of the walls around the area, 0 for a table top
    view : azimuth in radians from which the area can be seen, and how far to either side of it
    """

    bodies: tuple[StaticBody, ...]
    half_extents: tuple[float, float]
    round: bool
    rim: float
    view: tuple[float, float] = (0.0, math.pi)


@dataclass(frozen=True)
class Room:
    """What surrounds the support.

    bounds : ((x, y, z) low, (x, y, z) high) in metres, the air that a camera may be in
    """

    bodies: tuple[StaticBody, ...]
    bounds: Bounds


@dataclass(frozen=True)
class Geometry:
    """All geometry of a scene; `assets` by object id, unscaled and in their own frames.

    bounds : ((x, y, z) low, (x, y, z) high) in metres, the air that a camera may be in
    """

    assets: dict[int, Asset]
    support: Support
    room: tuple[StaticBody, ...]
    bounds: Bounds
