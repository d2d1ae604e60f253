"""What an asset is once built: closed meshes for pictures, convex pieces for physics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transphy3d.materials.spec import OPTICAL_CLASSES, Kind, OpticalClass

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in metres, faces counter-clockwise seen from outside.

    vertices : (V, 3) float64
    faces : (F, 3) int32
    uv : (F, 3, 2) float32 per face corner, or None
    ior : (F,) float32, index inside over index outside for liquids that share a wall with
        their vessel, or None
    """

    vertices: FloatArray
    faces: IntArray
    uv: NDArray[np.float32] | None = None
    ior: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Part:
    """One piece of an asset with one material: a body, a lid, a stopper, a liquid.

    kinds : the material kinds that the piece can be made of
    optical : the optical classes that it can have; a lens, for one, is transparent
    """

    name: str
    mesh: Mesh
    kinds: tuple[Kind, ...]
    optical: tuple[OpticalClass, ...] = OPTICAL_CLASSES


@dataclass(frozen=True)
class Cavity:
    """The inside of an upright vessel: what `transphy3d.assets.liquid.fill` pours into.

    wall : (F,) bool, the faces of the first part's mesh that line the inside up to the rim
    floor : height of the inside's lowest point in metres
    brim : greatest height in metres to which a liquid can stand
    """

    wall: NDArray[np.bool_]
    floor: float
    brim: float


@dataclass(frozen=True)
class Asset:
    """An object in its own frame: Z up as it stands, origin at the centre of its base.

    hulls : convex pieces for collision, each (K, 3) float64 points; together they leave what
        is hollow hollow
    sharp_angle : degrees; edges between faces that meet at a greater angle stay sharp
    wall : typical wall thickness in metres; 0 for solid things
    shares_interface : the body lacks the wall that its liquid wets, because the liquid's mesh
        carries that interface
    """

    name: str
    category: str
    parts: tuple[Part, ...]
    hulls: tuple[FloatArray, ...]
    sharp_angle: float = 35.0
    wall: float = 0.0
    cavity: Cavity | None = None
    shares_interface: bool = False

    def points(self) -> FloatArray:
        """All vertices of all parts, (V, 3) metres."""
        return np.concatenate([part.mesh.vertices for part in self.parts])
