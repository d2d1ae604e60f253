"""A sampled material as a Cycles shader graph."""

from __future__ import annotations

import math

import bpy

from transphy3d.blender.nodegraph import NodeGraph, Socket, Value
from transphy3d.blender.textures import Pattern, build_pattern, relief
from transphy3d.materials.optics import (
    SOLID_METRES,
    multiple_scattering_albedo,
    transmittance,
)
from transphy3d.materials.spec import RGB, Material

WHITE: RGB = (1.0, 1.0, 1.0)
WALL_PASSES = 4  # walls that a ray meets on its way through a vessel
# A volume that takes less than this share of the light cannot be told from noise; leaving it out
# saves 2 to 8 % of the time that three tumblers take.
VISIBLE_LOSS = 0.02
# Beyond this many mean free paths light forgets its direction: diffusion replaces single hits.
OPTICALLY_THICK = 4.0

# Wavelength and height in metres of the fine waviness at bump = 1.
BLOWN_GLASS = (0.012, 0.0008)
ORANGE_PEEL = (0.002, 0.00006)
CAST_GRAIN = (0.0009, 0.00012)
SUBSURFACE_METRES = 0.002
BASE_LEAN = 0.25  # how far a face may lean inward and still count as a base's underside

DISPERSING_BOUNCES = 2
PRIMARIES: tuple[RGB, RGB, RGB] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def build_material(
    material: Material, *, wall: float, shares_interface: bool, liquid_interface: bool
) -> bpy.types.Material:
    """A Blender material that looks like `material`.

    wall : wall thickness of the object in metres, 0 for solid things
    shares_interface : the object is a vessel whose wetted wall belongs to its liquid's mesh, so
        it encloses no volume and its tint sits in the surface
    liquid_interface : the mesh is such a liquid's; its FACE attribute `ior` holds the index
        behind each face over the index before it
    """
    made = bpy.data.materials.new(material.name)
    graph = NodeGraph(made)
    if material.model == "dielectric":
        _dielectric(graph, material, wall, shares_interface, liquid_interface)
    elif material.model == "conductor":
        _conductor(graph, material)
    else:
        _opaque(graph, material)
    return made


def _dielectric(
    graph: NodeGraph, material: Material, wall: float, shares_interface: bool, liquid: bool
) -> None:
    wall = 0.0 if material.kind == "liquid" else wall  # a liquid fills, whatever its vessel
    path = wall or SOLID_METRES
    ior: Value = _face_ior(graph) if liquid else material.ior
    normal = _waves(graph, material, BLOWN_GLASS)
    if max(material.scattering) * path > OPTICALLY_THICK:
        graph.surface(_diffusing(graph, material, ior))
        return
    if shares_interface:
        tinted = _tinted(graph, material, wall, normal)
        graph.surface(_hazed(graph, material, tinted, path))
        return
    # A wall's faces are parallel and undo each other's dispersion: only solids show it.
    if material.ior_rgb is not None and wall == 0 and not liquid:
        clear = _dispersed(graph, material.ior_rgb, material, normal)
    else:
        clear = _glass(graph, material, WHITE, ior, normal)
    graph.surface(_hazed(graph, material, clear, path))
    _absorb(graph, material, wall)


def _face_ior(graph: NodeGraph) -> Socket:
    node = graph.node("ShaderNodeAttribute", {}, attribute_name="ior", attribute_type="GEOMETRY")
    return node.outputs["Fac"]


def _dispersed(graph: NodeGraph, ior_rgb: RGB, material: Material, normal: Socket | None) -> Socket:
    """One lobe per primary for the way in and out; later bounces share the index for green.

    Cycles picks a lobe anew at each surface and drops the path where the picks differ, so the
    variance of a channel triples with each dispersing bounce.
    """
    pairs = zip(PRIMARIES, ior_rgb, strict=True)
    split = graph.add([_glass(graph, material, color, ior, normal) for color, ior in pairs])
    depth = graph.node("ShaderNodeLightPath", {}).outputs["Ray Depth"]
    later = graph.math("GREATER_THAN", depth, DISPERSING_BOUNCES - 0.5)
    return graph.mix(later, split, _glass(graph, material, WHITE, ior_rgb[1], normal))


def _glass(
    graph: NodeGraph, material: Material, color: RGB, ior: Value, normal: Socket | None
) -> Socket:
    inputs = {"Color": color, "IOR": ior, "Roughness": material.roughness, "Normal": normal}
    return graph.node("ShaderNodeBsdfGlass", inputs, distribution="MULTI_GGX").outputs[0]


def _tinted(graph: NodeGraph, material: Material, wall: float, normal: Socket | None) -> Socket:
    """Glass without a volume: each passage of the wall is tinted once, at its outer face.

    The Principled BSDF tints refraction by the square root of its base colour and leaves
    reflection white, as Beer and Lambert's law wants it.
    """
    tint = transmittance(material.absorption, 2 * wall)
    if min(tint) > 1 - VISIBLE_LOSS:
        return _glass(graph, material, WHITE, material.ior, normal)
    inputs = {
        "Base Color": graph.blend(_outer_face(graph), WHITE, tuple(map(float, tint))),
        "Roughness": material.roughness,
        "IOR": material.ior,
        "Transmission Weight": 1.0,
        "Normal": normal,
    }
    return graph.node("ShaderNodeBsdfPrincipled", inputs).outputs[0]


def _outer_face(graph: NodeGraph) -> Socket:
    """1 where an upright vessel's surface faces away from its axis, or down; 0 in its cavity."""
    place = graph.node("ShaderNodeTexCoord", {}).outputs
    radial = graph.vector("MULTIPLY", place["Object"], (1.0, 1.0, 0.0))
    below = graph.math("MULTIPLY", graph.vector("LENGTH", radial), -BASE_LEAN)
    away = graph.vector("ADD", radial, graph.join(0.0, 0.0, below))
    # Cycles turns normals toward the ray; the face's own side is what counts here.
    backfacing = graph.node("ShaderNodeNewGeometry", {}).outputs["Backfacing"]
    side = graph.math("MULTIPLY_ADD", backfacing, -2.0, 1.0)
    facing = graph.math("MULTIPLY", graph.vector("DOT_PRODUCT", place["Normal"], away), side)
    return graph.math("GREATER_THAN", facing, 0.0)


def _hazed(graph: NodeGraph, material: Material, clear: Socket, path: float) -> Socket:
    """A thin scattering wall: the share of light that meets a particle goes on either way.

    Half of the wall's optical depth sits in each of its two faces. Handled at the surface, the
    cost is that of a diffuse reflection and no volume bounce is needed.
    """
    share = 1 - math.exp(-max(material.scattering) * path / 2)
    if share == 0:
        return clear
    back = graph.node("ShaderNodeBsdfDiffuse", {"Color": WHITE}).outputs[0]
    forth = graph.node("ShaderNodeBsdfTranslucent", {"Color": WHITE}).outputs[0]
    return graph.mix(share, clear, graph.mix(0.5, back, forth))


def _diffusing(graph: NodeGraph, material: Material, ior: Value) -> Socket:
    """An optically thick medium such as milk, as a random walk below the surface."""
    mean_path = tuple(1 / max(sigma, 1.0) for sigma in material.scattering)
    inputs = {
        "Base Color": multiple_scattering_albedo(material.absorption, material.scattering),
        "IOR": ior,
        "Roughness": material.roughness,
        "Subsurface Weight": 1.0,
        "Subsurface Radius": mean_path,
        "Subsurface Scale": 1.0,
    }
    settings = {"subsurface_method": "RANDOM_WALK"}
    return graph.node("ShaderNodeBsdfPrincipled", inputs, **settings).outputs[0]


def _absorb(graph: NodeGraph, material: Material, wall: float) -> None:
    longest = WALL_PASSES * wall if wall else SOLID_METRES
    if min(transmittance(material.absorption, longest)) > 1 - VISIBLE_LOSS:
        return
    inputs = {"Absorption Coefficients": material.absorption, "Scatter Coefficients": (0, 0, 0)}
    graph.volume(graph.node("ShaderNodeVolumeCoefficients", inputs).outputs["Volume"])


def _conductor(graph: NodeGraph, material: Material) -> None:
    pattern = _pattern(graph, material)
    inputs = {
        "IOR": material.conductor_ior,
        "Extinction": material.conductor_extinction,
        "Roughness": _roughness(graph, material.roughness, pattern),
        "Normal": _relief(graph, material, pattern, CAST_GRAIN),
    }
    if material.anisotropy:
        inputs |= {"Anisotropy": material.anisotropy, "Tangent": _brushing(graph, material)}
    settings = {"fresnel_type": "PHYSICAL_CONDUCTOR", "distribution": "MULTI_GGX"}
    graph.surface(graph.node("ShaderNodeBsdfMetallic", inputs, **settings).outputs[0])


def _brushing(graph: NodeGraph, material: Material) -> Socket:
    """Direction of the strokes: along x on sheets, around the axis on turned objects."""
    if material.kind == "surface":
        return graph.join(1.0, 0.0, 0.0)
    return graph.node("ShaderNodeTangent", {}, direction_type="RADIAL", axis="Z").outputs[0]


def _opaque(graph: NodeGraph, material: Material) -> None:
    """A coloured body, under a clear coat if the model is `coated`."""
    pattern = _pattern(graph, material)
    waves = ORANGE_PEEL if material.model == "coated" else CAST_GRAIN
    normal = _relief(graph, material, pattern, waves)
    inputs: dict[str, Value] = {
        "Base Color": material.base_color if pattern.color is None else pattern.color,
        "Normal": normal,
        "Subsurface Weight": material.subsurface,
        "Subsurface Radius": WHITE,
        "Subsurface Scale": SUBSURFACE_METRES,
    }
    if material.model == "coated":
        inputs |= _coat(graph, material, pattern, normal)
    else:
        roughness = _roughness(graph, material.roughness, pattern)
        inputs |= {"IOR": material.ior, "Roughness": roughness}
    graph.surface(graph.node("ShaderNodeBsdfPrincipled", inputs).outputs[0])


def _coat(
    graph: NodeGraph, material: Material, pattern: Pattern, normal: Socket | None
) -> dict[str, Value]:
    """A glaze in optical contact: the body below it has no reflecting surface of its own."""
    return {
        "IOR": 1.0,
        "Roughness": material.base_roughness,
        "Coat Weight": 1.0,
        "Coat IOR": material.coat_ior,
        "Coat Roughness": _roughness(graph, material.roughness, pattern),
        "Coat Normal": normal,
    }


def _pattern(graph: NodeGraph, material: Material) -> Pattern:
    if material.texture is None:
        return Pattern(material.base_color)
    return build_pattern(graph, material.texture)


def _roughness(graph: NodeGraph, base: float, pattern: Pattern) -> Value:
    if pattern.roughness is None:
        return base
    total = graph.node(
        "ShaderNodeMath", {"Value": pattern.roughness, "Value_001": base}, operation="ADD"
    )
    total.use_clamp = True
    return total.outputs[0]


def _relief(
    graph: NodeGraph, material: Material, pattern: Pattern, waves: tuple[float, float]
) -> Socket | None:
    """The normal under the texture's relief, or else under the material's own waviness."""
    if pattern.height is not None and material.texture is not None:
        return graph.bump(pattern.height, relief(material.texture))
    return _waves(graph, material, waves)


def _waves(graph: NodeGraph, material: Material, waves: tuple[float, float]) -> Socket | None:
    if material.bump == 0:
        return None
    wavelength, height = waves
    at = graph.node("ShaderNodeTexCoord", {}).outputs["Object"]
    return graph.bump(graph.noise(at, 1 / wavelength, 1), height * material.bump)
