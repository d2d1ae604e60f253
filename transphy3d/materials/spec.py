"""What a material is: a record of the library, and one sample of it with its numbers fixed."""

from __future__ import annotations

from typing import Literal

from transphy3d.jsonio import record

RGB = tuple[float, float, float]
Range = tuple[float, float]

Kind = Literal["glass", "plastic", "metal", "ceramic", "liquid", "surface"]
OpticalClass = Literal["transparent", "reflective", "opaque"]
OPTICAL_CLASSES: tuple[OpticalClass, ...] = ("transparent", "reflective", "opaque")
Model = Literal["dielectric", "conductor", "coated", "principled"]
TextureKind = Literal["plain", "wood", "marble", "tile", "cloth", "metal", "checker", "speckle"]


@record
class Texture:
    """A procedural pattern over a surface; it is computed per shading point, so never blurs.

    `scale` is the size of one repeat in metres; `colors` are linear sRGB primaries in [0, 1].
    """

    kind: TextureKind = "plain"
    scale: float = 0.1
    colors: tuple[RGB, ...] = ()
    roughness_variation: float = 0.0
    bump: float = 0.0
    seed: float = 0.0


@record
class Material:
    """One sampled material: every number fixed, ready for a shader and for physics.

    Wavelength-dependent values are (R, G, B) at 630, 532 and 465 nm; colours are linear
    sRGB primaries. Which fields count depends on `model`:

    - dielectric: ior, ior_rgb when dispersive, absorption, scattering, roughness
    - conductor: conductor_ior, conductor_extinction, roughness, anisotropy
    - coated: base_color, base_roughness, coat_ior, roughness (of the coat), subsurface
    - principled: base_color, ior, roughness, subsurface, texture
    """

    name: str
    kind: Kind
    optical_class: OpticalClass
    model: Model
    density: float  # kg/m3
    friction: float  # Coulomb coefficient against itself, unitless
    restitution: float  # coefficient of restitution, unitless
    roughness: float = 0.0  # Blender's perceptual roughness, alpha = roughness**2
    ior: float = 1.5  # real refractive index at 587.6 nm
    ior_rgb: RGB | None = None
    absorption: RGB = (0.0, 0.0, 0.0)  # 1/m
    scattering: RGB = (0.0, 0.0, 0.0)  # 1/m
    conductor_ior: RGB = (1.0, 1.0, 1.0)
    conductor_extinction: RGB = (0.0, 0.0, 0.0)
    anisotropy: float = 0.0
    base_color: RGB = (0.8, 0.8, 0.8)
    base_roughness: float = 0.5
    coat_ior: float = 1.5
    subsurface: float = 0.0
    bump: float = 0.0  # strength of the fine surface waviness, 0 = perfectly smooth
    texture: Texture | None = None
