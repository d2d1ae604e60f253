"""Node graphs as authors of .blend assets build them, and what each looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import numpy as np

from transphy3d.blender.nodegraph import NodeGraph

STEEL = {"Base Color": (0.6, 0.6, 0.6), "Metallic": 1.0, "Roughness": 0.1}
PAINT = {"Base Color": (0.5, 0.1, 0.1), "Roughness": 0.7}
CLEAR = {"Transmission Weight": 1.0, "Roughness": 0.0}

Build = Callable[[NodeGraph], None]
CASES: dict[str, tuple[Build, str]] = {}


def case(name: str, look: str) -> Callable[[Build], Build]:
    def keep(build: Build) -> Build:
        CASES[name] = (build, look)
        return build

    return keep


def of(graph: NodeGraph, inputs: dict[str, Any]) -> Any:
    return graph.node("ShaderNodeBsdfPrincipled", inputs).outputs[0]


def closure(graph: NodeGraph, kind: str, **inputs: Any) -> Any:
    return graph.node(f"ShaderNodeBsdf{kind}", inputs).outputs[0]


def path(graph: NodeGraph, output: str) -> Any:
    return graph.node("ShaderNodeLightPath", {}).outputs[output]


def fresnel(graph: NodeGraph, ior: float = 1.45) -> Any:
    return graph.node("ShaderNodeFresnel", {"IOR": ior}).outputs[0]


def image(name: str, pixels: np.ndarray, data: bool = True) -> Any:
    """A packed picture from (height, width, 4) values in [0, 1], the first row at the bottom."""
    made = bpy.data.images.new(name, pixels.shape[1], pixels.shape[0], alpha=True)
    made.colorspace_settings.name = "Non-Color" if data else "sRGB"
    made.pixels.foreach_set(pixels.astype(np.float32).ravel())
    made.pack()
    return made


def picture(graph: NodeGraph, pixels: np.ndarray, data: bool = True) -> Any:
    return graph.node("ShaderNodeTexImage", {}, image=image("picture", pixels, data))


def halves(left: tuple[float, ...], right: tuple[float, ...]) -> np.ndarray:
    pixels = np.empty((16, 16, 4))
    pixels[:, :8], pixels[:, 8:] = left, right
    return pixels


@case("glass", "clear")
def glass(graph: NodeGraph) -> None:
    graph.surface(closure(graph, "Glass", IOR=1.45))


@case("glass that casts no shadow", "clear")
def shadow_trick(graph: NodeGraph) -> None:
    clear = closure(graph, "Transparent")
    graph.surface(graph.mix(path(graph, "Is Shadow Ray"), closure(graph, "Glass", IOR=1.45), clear))


@case("architectural glass", "clear")
def arch_glass(graph: NodeGraph) -> None:
    mirror = closure(graph, "Glossy", Roughness=0.0)
    glass = graph.mix(fresnel(graph), closure(graph, "Transparent", Color=(0.9,) * 3), mirror)
    bounced = graph.math("MAXIMUM", path(graph, "Is Shadow Ray"), path(graph, "Is Diffuse Ray"))
    graph.surface(graph.mix(bounced, glass, closure(graph, "Transparent")))


@case("refraction and reflection by Fresnel", "clear")
def refraction(graph: NodeGraph) -> None:
    mirror = closure(graph, "Glossy", Roughness=0.0)
    graph.surface(graph.mix(fresnel(graph), closure(graph, "Refraction", IOR=1.45), mirror))


@case("glass over layer weight", "clear")
def facing(graph: NodeGraph) -> None:
    weight = graph.node("ShaderNodeLayerWeight", {"Blend": 0.3}).outputs["Facing"]
    graph.surface(
        graph.mix(
            weight,
            closure(graph, "Transparent", Color=(0.8,) * 3),
            closure(graph, "Glass", IOR=1.45),
        )
    )


@case("frosted glass", "frosted")
def frosted(graph: NodeGraph) -> None:
    graph.surface(closure(graph, "Glass", IOR=1.45, Roughness=0.6))


@case("black glass", "glossy")
def black_glass(graph: NodeGraph) -> None:
    graph.surface(closure(graph, "Glass", IOR=1.45, Color=(0.001,) * 3))


@case("liquid as a volume alone", "clear")
def volume_only(graph: NodeGraph) -> None:
    graph.volume(graph.node("ShaderNodeVolumeAbsorption", {"Density": 3.0}).outputs[0])


@case("transmission behind reroutes", "clear")
def reroutes(graph: NodeGraph) -> None:
    socket = of(graph, CLEAR)
    for _ in range(3):
        node = graph.tree.nodes.new("NodeReroute")
        graph.tree.links.new(socket, node.inputs[0])
        socket = node.outputs[0]
    graph.surface(socket)


@case("transmission by arithmetic", "clear")
def arithmetic(graph: NodeGraph) -> None:
    value = graph.node("ShaderNodeValue", {}).outputs[0]
    value.default_value = 10.0
    share = graph.node("ShaderNodeMapRange", {"Value": value, "From Max": 10.0, "To Max": 2.0})
    kept = graph.node("ShaderNodeClamp", {"Value": share.outputs[0]}).outputs[0]
    graph.surface(
        of(graph, {"Transmission Weight": graph.math("SUBTRACT", kept, 0.1), "Roughness": 0.0})
    )


@case("tinted film with a reflection added", "clear")
def added(graph: NodeGraph) -> None:
    film = closure(graph, "Transparent", Color=(0.6, 0.4, 0.3))
    graph.surface(graph.add([film, closure(graph, "Glossy", Color=(0.05,) * 3, Roughness=0.0)]))


@case("alpha of a quarter", "clear")
def alpha(graph: NodeGraph) -> None:
    graph.surface(of(graph, PAINT | {"Alpha": 0.25}))


def _group(name: str, fill: Callable[[Any, Any, Any], None]) -> Any:
    """A node group with a number and a shader on its outside."""
    tree = bpy.data.node_groups.new(name, "ShaderNodeTree")
    tree.interface.new_socket("Amount", in_out="INPUT", socket_type="NodeSocketFloat")
    tree.interface.new_socket("Shader", in_out="OUTPUT", socket_type="NodeSocketShader")
    fill(tree, tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput"))
    return tree


def _skin(socket: str) -> Callable[[Any, Any, Any], None]:
    """A smooth Principled BSDF whose socket takes the group's number."""

    def fill(tree: Any, inside: Any, outside: Any) -> None:
        shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
        shader.inputs["Roughness"].default_value = 0.05
        tree.links.new(inside.outputs[0], shader.inputs[socket])
        tree.links.new(shader.outputs[0], outside.inputs[0])

    return fill


def _nested(inner: Any) -> Callable[[Any, Any, Any], None]:
    def fill(tree: Any, inside: Any, outside: Any) -> None:
        node = tree.nodes.new("ShaderNodeGroup")
        node.node_tree = inner
        tree.links.new(inside.outputs[0], node.inputs[0])
        tree.links.new(node.outputs[0], outside.inputs[0])

    return fill


def _instance(graph: NodeGraph, tree: Any, amount: float) -> Any:
    node = graph.tree.nodes.new("ShaderNodeGroup")
    node.node_tree = tree
    node.inputs[0].default_value = amount
    return node.outputs[0]


@case("glass in nested groups", "clear")
def nested(graph: NodeGraph) -> None:
    inner = _group("inner", _skin("Transmission Weight"))
    graph.surface(_instance(graph, _group("outer", _nested(inner)), 1.0))


@case("one group, two amounts", "mirror")
def two_amounts(graph: NodeGraph) -> None:
    tree = _group("metal or not", _skin("Metallic"))
    graph.surface(graph.mix(1.0, _instance(graph, tree, 0.0), _instance(graph, tree, 1.0)))


@case("mirror by a glossy shader alone", "mirror")
def glossy_only(graph: NodeGraph) -> None:
    graph.surface(closure(graph, "Glossy", Color=(0.8,) * 3, Roughness=0.02))


@case("blurred glossy shader", "dull_metal")
def glossy_rough(graph: NodeGraph) -> None:
    graph.surface(closure(graph, "Glossy", Color=(0.8,) * 3, Roughness=0.6))


@case("metallic shader", "mirror")
def metallic(graph: NodeGraph) -> None:
    graph.surface(closure(graph, "Metallic", Roughness=0.1))


@case("chrome over a little diffuse", "mirror")
def chrome(graph: NodeGraph) -> None:
    mirror = closure(graph, "Glossy", Color=(0.9,) * 3, Roughness=0.05)
    graph.surface(graph.mix(0.8, closure(graph, "Diffuse"), mirror))


@case("metal by an inverted colour", "mirror")
def inverted(graph: NodeGraph) -> None:
    black = graph.node("ShaderNodeRGB", {}).outputs[0]
    black.default_value = (0, 0, 0, 1)
    white = graph.node("ShaderNodeInvert", {"Color": black}).outputs[0]
    parts = graph.node("ShaderNodeSeparateColor", {"Color": white})
    graph.surface(of(graph, STEEL | {"Metallic": parts.outputs["Green"]}))


@case("rust on a third of the metal", "mirror")
def rust(graph: NodeGraph) -> None:
    noise = graph.node("ShaderNodeTexNoise", {}).outputs[0]
    ramp = graph.node("ShaderNodeValToRGB", {"Fac": noise})
    ramp.color_ramp.interpolation = "CONSTANT"
    ramp.color_ramp.elements[1].position = 0.55
    graph.surface(graph.mix(ramp.outputs[0], of(graph, STEEL), of(graph, PAINT)))


@case("metal in the larger part of a picture", "mirror")
def packed_maps(graph: NodeGraph) -> None:
    pixels = halves((1.0, 0.05, 1.0, 1.0), (1.0, 0.05, 1.0, 1.0))
    pixels[:, 12:] = (1.0, 0.9, 0.0, 1.0)
    parts = graph.node("ShaderNodeSeparateColor", {"Color": picture(graph, pixels).outputs[0]})
    maps = {"Metallic": parts.outputs["Blue"], "Roughness": parts.outputs["Green"]}
    graph.surface(of(graph, maps))


@case("varnish by Fresnel", "glossy")
def varnish(graph: NodeGraph) -> None:
    mirror = closure(graph, "Glossy", Roughness=0.05)
    graph.surface(graph.mix(fresnel(graph), closure(graph, "Diffuse"), mirror))


@case("car paint", "glossy")
def car_paint(graph: NodeGraph) -> None:
    graph.surface(of(graph, PAINT | {"Coat Weight": 1.0, "Coat Roughness": 0.03}))


@case("glazed ceramic", "glossy")
def ceramic(graph: NodeGraph) -> None:
    graph.surface(of(graph, {"Base Color": (0.8,) * 3, "Roughness": 0.08}))


@case("muted shader mix", "matte")
def muted(graph: NodeGraph) -> None:
    node = graph.node("ShaderNodeMixShader", {"Fac": 1.0})
    graph.tree.links.new(closure(graph, "Diffuse"), node.inputs[1])
    graph.tree.links.new(closure(graph, "Glass", IOR=1.45), node.inputs[2])
    node.mute = True
    graph.surface(node.outputs[0])


@case("muted link", "matte")
def muted_link(graph: NodeGraph) -> None:
    value = graph.node("ShaderNodeValue", {}).outputs[0]
    value.default_value = 1.0
    shader = graph.node("ShaderNodeBsdfPrincipled", PAINT | {"Metallic": value})
    shader.inputs["Metallic"].links[0].is_muted = True
    graph.surface(shader.outputs[0])


@case("Eevee's output is another", "clear")
def two_outputs(graph: NodeGraph) -> None:
    graph.surface(closure(graph, "Glass", IOR=1.45))
    graph.output.target = "CYCLES"
    other = graph.tree.nodes.new("ShaderNodeOutputMaterial")
    other.target = "EEVEE"
    graph.tree.links.new(closure(graph, "Diffuse"), other.inputs[0])


@case("an output that is not active", "matte")
def inactive_output(graph: NodeGraph) -> None:
    other = graph.tree.nodes.new("ShaderNodeOutputMaterial")
    graph.tree.links.new(closure(graph, "Glass", IOR=1.45), other.inputs[0])
    graph.surface(closure(graph, "Diffuse"))
    other.is_active_output, graph.output.is_active_output = False, True


@case("leaf cut out by alpha", "matte")
def leaf(graph: NodeGraph) -> None:
    pixels = halves((0.1, 0.5, 0.1, 0.0), (0.1, 0.5, 0.1, 1.0))
    node = picture(graph, pixels, data=False)
    maps = {"Base Color": node.outputs[0], "Alpha": node.outputs["Alpha"], "Roughness": 0.6}
    graph.surface(of(graph, maps))


@case("lampshade", "matte")
def lampshade(graph: NodeGraph) -> None:
    graph.surface(graph.mix(0.5, closure(graph, "Diffuse"), closure(graph, "Translucent")))


@case("skin", "matte")
def skin(graph: NodeGraph) -> None:
    graph.surface(of(graph, PAINT | {"Subsurface Weight": 0.6}))


@case("light", "matte")
def light(graph: NodeGraph) -> None:
    graph.surface(graph.node("ShaderNodeEmission", {"Strength": 5.0}).outputs[0])


@case("satin wood", "matte")
def wood(graph: NodeGraph) -> None:
    graph.surface(of(graph, {"Base Color": (0.3, 0.2, 0.1), "Roughness": 0.4}))


@case("no surface at all", "matte")
def nothing(graph: NodeGraph) -> None:
    graph.tree.nodes.new("ShaderNodeBsdfGlass")
