"""Values of sockets against Cycles: every operation is rendered as the colour of a small square."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import OpenEXR
import pytest
from judged_graphs import halves, picture

from transphy3d.blender.graph_images import Pictures
from transphy3d.blender.graph_math import BENT, BLENDS, MATH, VECTOR_MATH
from transphy3d.blender.graph_values import Values
from transphy3d.blender.importers import shown_meshes
from transphy3d.blender.nodegraph import NodeGraph
from transphy3d.blender.surface_points import points_of

COLUMNS = 16
A, B, C = 0.7, 0.3, 0.45
RED, BLUE = (0.8, 0.3, 0.1), (0.2, 0.4, 0.9)


def math(graph: NodeGraph, operation: str) -> Any:
    return graph.math(operation, A, B, C)


def vector_math(graph: NodeGraph, operation: str) -> Any:
    operands = dict(
        zip(("Vector", "Vector_001", "Vector_002"), (RED, BLUE, (0.3, 0.2, 0.6)), strict=True)
    )
    node = graph.node("ShaderNodeVectorMath", operands | {"Scale": 0.6}, operation=operation)
    return next(output for output in node.outputs if output.enabled)


def blend(graph: NodeGraph, mode: str) -> Any:
    return graph.blend(0.6, (*RED, 1.0), (*BLUE, 1.0), mode)


def one(kind: str, inputs: dict[str, Any], output: str = "", **settings: Any) -> Any:
    def build(graph: NodeGraph, _: str) -> Any:
        node = graph.node(kind, inputs, **settings)
        return node.outputs[output] if output else node.outputs[0]

    return build


def ramp(graph: NodeGraph, interpolation: str) -> Any:
    node = graph.node("ShaderNodeValToRGB", {"Fac": 0.4})
    node.color_ramp.interpolation = interpolation
    node.color_ramp.elements[0].color = (*RED, 1.0)
    node.color_ramp.elements[1].position = 0.8
    return node.outputs[0]


def painted(graph: NodeGraph, _: str) -> Any:
    """A picture of one sRGB colour."""
    return picture(graph, halves((0.5, 0.7, 0.2, 1.0), (0.5, 0.7, 0.2, 1.0)), False).outputs[0]


COLOR = {"Color": (*RED, 1.0)}
CASES = {
    **{f"math {name}": (math, name) for name in MATH},
    **{f"vector {name}": (vector_math, name) for name in VECTOR_MATH},
    **{f"blend {name}": (blend, name) for name in (*BLENDS, *BENT)},
    **{f"ramp {name}": (ramp, name) for name in ("LINEAR", "CONSTANT", "EASE")},
    "picture": (painted, ""),
    "invert": (one("ShaderNodeInvert", COLOR | {"Fac": 0.7}), ""),
    "gamma": (one("ShaderNodeGamma", COLOR | {"Gamma": 2.2}), ""),
    "contrast": (one("ShaderNodeBrightContrast", COLOR | {"Bright": 0.2, "Contrast": 0.4}), ""),
    "saturation": (
        one("ShaderNodeHueSaturation", COLOR | {"Saturation": 0.5, "Value": 1.3, "Fac": 0.8}),
        "",
    ),
    "grey": (one("ShaderNodeRGBToBW", COLOR), ""),
    "separate": (one("ShaderNodeSeparateColor", COLOR, "Green"), ""),
    "separate value": (one("ShaderNodeSeparateColor", COLOR, "Blue", mode="HSV"), ""),
    "separate saturation": (one("ShaderNodeSeparateColor", COLOR, "Green", mode="HSV"), ""),
    "combine": (one("ShaderNodeCombineColor", {"Red": 0.2, "Green": 0.5, "Blue": 0.9}), ""),
    "range": (
        one("ShaderNodeMapRange", {"Value": 0.4, "From Min": 0.2, "To Min": 1.0, "To Max": 3.0}),
        "",
    ),
    "clamp": (
        one("ShaderNodeClamp", {"Value": 0.9, "Min": 0.7, "Max": 0.2}, clamp_type="RANGE"),
        "",
    ),
    "ray of the camera": (one("ShaderNodeLightPath", {}, "Is Camera Ray"), ""),
    "ray of a shadow": (one("ShaderNodeLightPath", {}, "Is Shadow Ray"), ""),
    "back of the face": (one("ShaderNodeNewGeometry", {}, "Backfacing"), ""),
}


def board() -> Any:
    """One square a case, side by side, each shining in its case's colour; seen from above."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for index, (name, (build, argument)) in enumerate(CASES.items()):
        place = (index % COLUMNS + 0.5, index // COLUMNS + 0.5, 0)
        bpy.ops.mesh.primitive_plane_add(size=1.0, location=place)
        graph = NodeGraph(bpy.data.materials.new(name))
        shine = graph.node("ShaderNodeEmission", {"Color": build(graph, argument)})
        graph.surface(shine.outputs[0])
        bpy.context.object.data.materials.append(bpy.data.materials[name])
    return bpy.context.scene


def rendered(scene: Any, folder: Path) -> np.ndarray:
    """(cases, 3) colours by Cycles, one pixel a square."""
    rows = -(-len(CASES) // COLUMNS)
    camera = bpy.data.cameras.new("above")
    camera.type, camera.ortho_scale = "ORTHO", max(COLUMNS, rows)
    scene.camera = bpy.data.objects.new("above", camera)
    scene.camera.location = (COLUMNS / 2, rows / 2, 5)
    scene.collection.objects.link(scene.camera)
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BLACKMAN_HARRIS", 0.01
    scene.render.resolution_x, scene.render.resolution_y = COLUMNS, rows
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.render.filepath = str(folder / "board.exr")
    bpy.ops.render.render(write_still=True)
    with OpenEXR.File(str(folder / "board.exr")) as image:
        pixels = next(iter(image.channels().values())).pixels[::-1, :, :3]
    return pixels.reshape(-1, 3)[: len(CASES)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Cycles' colour and ours, by case."""
    folder = tmp_path_factory.mktemp("board")
    scene = board()
    ours = {}
    for shown in shown_meshes(scene):
        material = shown.item.material_slots[0].material
        values = Values(points_of(shown)[0], Pictures(folder))
        shine = next(n for n in material.node_tree.nodes if n.bl_idname == "ShaderNodeEmission")
        ours[material.name] = values.rows(shine.inputs["Color"], ()).mean(axis=0)
        assert not values.notes
    return dict(
        zip(CASES, zip(rendered(scene, folder), map(ours.get, CASES), strict=True), strict=True)
    )


@pytest.mark.parametrize("name", CASES)
def test_a_node_gives_what_cycles_gives(both, name):
    cycles, ours = both[name]
    # A camera sees no negative light.
    assert np.maximum(ours, 0) == pytest.approx(np.maximum(cycles, 0), abs=2e-3)
