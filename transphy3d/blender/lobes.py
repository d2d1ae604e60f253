"""A material's surface as weighted lobes, as a camera ray that meets it sees them.

Bodies (glass, thin, metal, diffuse, ...) share a point of the surface among them; layers (gloss,
coat, emission) lie on top of bodies and take nothing from them. `thin` is what lets light through
unbent, a Transparent BSDF or alpha.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transphy3d.blender.graph_links import Frame, Source, origin
from transphy3d.blender.graph_values import LUMINANCE, Values, named
from transphy3d.blender.surface_points import Floats

BODIES = ("glass", "thin", "metal", "diffuse", "subsurface", "translucent", "volume", "other")
LAYERS = ("gloss", "coat", "emission")
# A glossy closure darker than this stands for the reflection of a varnish or of plastic; metals
# and mirrors begin at titanium's reflectance, about one half, and tarnish.
METAL_REFLECTANCE = 0.25
# Reflectance at right angles from which a dielectric has a gloss at all: an index of 1.33.
LEAST_REFLECTANCE = 0.02
MAX_DEPTH = 64  # of shaders within shaders


@dataclass(frozen=True)
class Lobe:
    """One closure at N points.

    kind : one of BODIES or LAYERS
    weight, roughness : (N,); color : (N, 3) linear
    """

    kind: str
    weight: Floats
    roughness: Floats
    color: Floats


def material_lobes(material: Any, values: Values) -> list[Lobe]:
    """All lobes of a material's active surface; of its volume, where it has no surface.

    A material without nodes, or None for an empty slot, is diffuse as in Cycles. Raises
    ValueError for a graph that is too large.
    """
    if material is None or not material.use_nodes or material.node_tree is None:
        return _plain(values)
    output = material.node_tree.get_output_node("CYCLES")
    output = output or material.node_tree.get_output_node("ALL")
    output = output or material.node_tree.get_output_node("EEVEE")
    if output is None:
        values.notes.add("it has no material output")
        return _plain(values)
    found = _input(values, output.inputs["Surface"], (), 0)
    if not found and isinstance(origin(output.inputs["Volume"], ()), Source):
        return [_lobe(values, "volume", 1.0)]
    return found


def _plain(values: Values) -> list[Lobe]:
    return [_lobe(values, "diffuse", 1.0)]


def _lobe(
    values: Values,
    kind: str,
    weight: Any,
    roughness: Any = 0.0,
    color: Any = 1.0,
) -> Lobe:
    size = values.size
    return Lobe(
        kind,
        np.broadcast_to(np.asarray(weight, np.float64), (size,)),
        np.broadcast_to(np.asarray(roughness, np.float64), (size,)),
        color if isinstance(color, np.ndarray) else values.full(color),
    )


def _input(values: Values, socket: Any, frame: Frame, depth: int) -> list[Lobe]:
    """The lobes that a shader input is fed."""
    if depth > MAX_DEPTH:
        raise ValueError("its shaders are nested too deep")
    found = origin(socket, frame)
    if not isinstance(found, Source):
        return []
    if found.output.type != "SHADER":  # Cycles lets a plain colour shine
        return [_lobe(values, "emission", 1.0, 0.0, values.output(found))]
    mixer = MIXERS.get(found.node.bl_idname)
    if mixer is not None:
        return mixer(values, found, depth + 1)
    closure = CLOSURES.get(found.node.bl_idname)
    if closure is None:
        values.notes.add(f"shader {found.node.bl_idname} is not known")
        return [_lobe(values, "other", 1.0)]
    return closure(_Inputs(values, found))


def _mix(values: Values, source: Source, depth: int) -> list[Lobe]:
    factor = np.clip(values.number(source.node.inputs[0], source.frame), 0, 1)
    both = []
    for socket, share in zip(source.node.inputs[1:3], (1 - factor, factor), strict=True):
        if share.max() > 0:
            inner = _input(values, socket, source.frame, depth)
            both += [replace(lobe, weight=lobe.weight * share) for lobe in inner]
    return both


def _add(values: Values, source: Source, depth: int) -> list[Lobe]:
    return [
        lobe
        for socket in source.node.inputs[:2]
        for lobe in _input(values, socket, source.frame, depth)
    ]


MIXERS: dict[str, Callable[[Values, Source, int], list[Lobe]]] = {
    "ShaderNodeMixShader": _mix,
    "ShaderNodeAddShader": _add,
}


class _Inputs:
    """A closure's inputs by name, at the points."""

    def __init__(self, values: Values, source: Source) -> None:
        self.values = values
        self.node = source.node
        self._frame = source.frame

    def number(self, *names: str) -> Floats:
        return self.values.number(named(self.node, *names), self._frame)

    def share(self, *names: str) -> Floats:
        return np.clip(self.number(*names), 0, 1)

    def color(self, *names: str) -> Floats:
        return np.clip(self.values.rows(named(self.node, *names), self._frame), 0, None)

    def lobe(self, kind: str, weight: Any = 1.0, roughness: Any = 0.0, color: Any = 1.0) -> Lobe:
        return _lobe(self.values, kind, weight, roughness, color)


def _principled(inputs: _Inputs) -> list[Lobe]:
    """Alpha first, then metal, then glass; what is left is a base, under gloss and coat.

    A base that reflects as much as a metal is one: so come files with specular colours.
    """
    alpha, metal = inputs.share("Alpha"), inputs.share("Metallic")
    glass, buried = inputs.share("Transmission Weight"), inputs.share("Subsurface Weight")
    rough, color = inputs.share("Roughness"), inputs.color("Base Color")
    shine = inputs.number("Emission Strength") * (inputs.color("Emission Color") @ LUMINANCE)
    reflectance, tint = _base_reflectance(inputs), inputs.color("Specular Tint")
    base = alpha * (1 - metal) * (1 - glass)
    mirror = base * (reflectance >= METAL_REFLECTANCE)
    base = base - mirror
    glossy = reflectance >= LEAST_REFLECTANCE
    found = [
        inputs.lobe("thin", 1 - alpha),
        inputs.lobe("metal", alpha * metal, rough, color),
        inputs.lobe("metal", mirror, rough, tint),
        inputs.lobe("glass", alpha * (1 - metal) * glass, rough, color),
        inputs.lobe("subsurface", base * buried, rough, color),
        inputs.lobe("diffuse", base * (1 - buried), rough, color),
        inputs.lobe("gloss", base * glossy, rough),
        inputs.lobe("coat", alpha * inputs.share("Coat Weight"), inputs.share("Coat Roughness")),
        inputs.lobe("emission", alpha * np.clip(shine, 0, 1)),
    ]
    return [lobe for lobe in found if lobe.weight.max() > 0]


def _base_reflectance(inputs: _Inputs) -> Floats:
    """Of the Principled BSDF's dielectric base at right angles; Fresnel, scaled and tinted."""
    ior, level = inputs.number("IOR"), inputs.number("Specular IOR Level")
    plain: Floats = np.clip(np.square((ior - 1) / (ior + 1)) * 2 * level, 0, 1)
    tinted: Floats = plain * (inputs.color("Specular Tint") @ LUMINANCE)
    return tinted


def _glass(inputs: _Inputs) -> list[Lobe]:
    return [inputs.lobe("glass", 1.0, inputs.share("Roughness"), inputs.color("Color"))]


def _transparent(inputs: _Inputs) -> list[Lobe]:
    return [inputs.lobe("thin", 1.0, 0.0, inputs.color("Color"))]


def _glossy(inputs: _Inputs) -> list[Lobe]:
    """A mirror where its colour is bright; where it is dim, a gloss and nothing below it."""
    color, rough = inputs.color("Color", "Base Color"), inputs.share("Roughness")
    bright = (color @ LUMINANCE >= METAL_REFLECTANCE).astype(np.float64)
    found = [inputs.lobe("metal", bright, rough, color), inputs.lobe("gloss", 1 - bright, rough)]
    return [lobe for lobe in found if lobe.weight.max() > 0]


def _metallic(inputs: _Inputs) -> list[Lobe]:
    return [inputs.lobe("metal", 1.0, inputs.share("Roughness"), inputs.color("Base Color"))]


def _eevee_specular(inputs: _Inputs) -> list[Lobe]:
    """Specular colour as in the specular-glossiness model: bright means metal."""
    clear, rough = inputs.share("Transparency"), inputs.share("Roughness")
    specular = inputs.color("Specular")
    metal = (1 - clear) * (specular @ LUMINANCE >= METAL_REFLECTANCE)
    base = 1 - clear - metal
    return [
        inputs.lobe("thin", clear),
        inputs.lobe("metal", metal, rough, specular),
        inputs.lobe("diffuse", base, rough, inputs.color("Base Color")),
        inputs.lobe("gloss", base, rough),
        inputs.lobe("coat", inputs.share("Clear Coat"), inputs.share("Clear Coat Roughness")),
    ]


def _emission(inputs: _Inputs) -> list[Lobe]:
    shine = inputs.number("Strength") * (inputs.color("Color") @ LUMINANCE)
    return [inputs.lobe("emission", np.clip(shine, 0, 1))]


def _body(kind: str) -> Callable[[_Inputs], list[Lobe]]:
    return lambda inputs: [inputs.lobe(kind)]


CLOSURES: dict[str, Callable[[_Inputs], list[Lobe]]] = {
    "ShaderNodeBsdfPrincipled": _principled,
    "ShaderNodeBsdfGlass": _glass,
    "ShaderNodeBsdfRefraction": _glass,
    "ShaderNodeBsdfTransparent": _transparent,
    "ShaderNodeBsdfRayPortal": _body("thin"),
    "ShaderNodeBsdfGlossy": _glossy,
    "ShaderNodeBsdfAnisotropic": _glossy,
    "ShaderNodeBsdfMetallic": _metallic,
    "ShaderNodeEeveeSpecular": _eevee_specular,
    "ShaderNodeBsdfDiffuse": _body("diffuse"),
    "ShaderNodeBsdfToon": _body("diffuse"),
    "ShaderNodeBsdfSheen": _body("diffuse"),
    "ShaderNodeBsdfHair": _body("diffuse"),
    "ShaderNodeBsdfHairPrincipled": _body("diffuse"),
    "ShaderNodeBsdfTranslucent": _body("translucent"),
    "ShaderNodeSubsurfaceScattering": _body("subsurface"),
    "ShaderNodeEmission": _emission,
    "ShaderNodeBackground": _emission,
    "ShaderNodeHoldout": _body("other"),
}
