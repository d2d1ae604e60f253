"""The material inspector: made materials are seen as people see them."""

from __future__ import annotations

import bpy
import judged_gltf
import judged_graphs
import numpy as np
import pytest
from judged_graphs import closure, fresnel, halves, of, picture
from looking import inspect_graph, main_look

from transphy3d.assets.material_report import Inspection
from transphy3d.blender import importers
from transphy3d.blender.graph_values import fresnel as fresnel_share
from transphy3d.blender.importers import open_file
from transphy3d.blender.inspect_materials import inspect_file, inspect_scene
from transphy3d.blender.nodegraph import NodeGraph


@pytest.fixture
def lobes(tmp_path):
    """Mean weights by kind of the material that a function builds."""
    return lambda build: inspect_graph(build, tmp_path).materials[0].lobes


@pytest.mark.parametrize("name", judged_graphs.CASES)
def test_a_graph_of_authors_is_seen_as_people_see_it(name, tmp_path):
    build, look = judged_graphs.CASES[name]
    assert main_look(inspect_graph(build, tmp_path).looks) == look


@pytest.mark.parametrize("name", judged_gltf.CASES)
def test_a_gltf_material_is_seen_as_its_extensions_say(name, tmp_path):
    skin, look = judged_gltf.CASES[name]
    found = inspect_file(judged_gltf.write(tmp_path / "made.gltf", skin))
    assert main_look(found.looks) == look
    assert found.materials[0].notes == ()


def test_alpha_comes_before_metal_and_metal_before_glass(lobes):
    inputs = {"Alpha": 0.5, "Metallic": 0.3, "Transmission Weight": 0.5, "Roughness": 0.5}
    found = lobes(lambda graph: graph.surface(of(graph, inputs)))
    expected = {"thin": 0.5, "metal": 0.15, "glass": 0.175, "diffuse": 0.175}
    assert found == pytest.approx(expected, abs=1e-3)


def test_an_emitter_and_a_cut_out_are_told(tmp_path):
    lamp = inspect_graph(judged_graphs.CASES["light"][0], tmp_path)
    assert lamp.looks.emissive == 1.0
    leaf = inspect_graph(judged_graphs.CASES["leaf cut out by alpha"][0], tmp_path)
    assert leaf.materials[0].lobes["thin"] == pytest.approx(0.5, abs=0.02)
    assert leaf.looks.clear == 0.0


def test_fresnel_over_a_distant_ball_has_its_known_mean(lobes):
    """Mean over the disc of a ball of index 1.5 by numerical integration: 0.092."""
    sines = (np.arange(200_000) + 0.5) / 200_000
    mean = np.mean(fresnel_share(np.sqrt(1 - sines), np.full(len(sines), 1.5)))
    found = lobes(
        lambda graph: graph.surface(
            graph.mix(fresnel(graph, 1.5), closure(graph, "Diffuse"), closure(graph, "Glossy"))
        )
    )
    assert found["metal"] == pytest.approx(mean, abs=2e-3)
    assert mean == pytest.approx(0.0918, abs=1e-3)


@pytest.mark.parametrize(("data", "expected"), [(True, 0.5), (False, 0.2140)])
def test_pictures_of_colour_are_decoded_and_those_of_data_are_not(lobes, data, expected):
    grey = halves((0.5, 0.5, 0.5, 1.0), (0.5, 0.5, 0.5, 1.0))

    def build(graph: NodeGraph) -> None:
        metal = picture(graph, grey, data).outputs[0]
        graph.surface(of(graph, {"Metallic": metal, "Roughness": 0.5}))

    assert lobes(build)["metal"] == pytest.approx(expected, abs=4e-3)


def test_a_picture_counts_by_the_part_that_the_mesh_uses(tmp_path):
    """Metal in the left half of the picture; the mesh shows the right half alone."""

    def build(graph: NodeGraph) -> None:
        metal = picture(graph, halves((1, 1, 1, 1), (0, 0, 0, 1))).outputs[0]
        graph.surface(of(graph, {"Metallic": metal, "Roughness": 0.1}))

    assert inspect_graph(build, tmp_path).looks.mirror == pytest.approx(0.5, abs=0.05)
    for corner in bpy.context.object.data.uv_layers[0].uv:
        corner.vector.x = 0.5 + corner.vector.x / 2
    assert inspect_scene(bpy.context.scene, tmp_path).looks.mirror == 0.0


def _shown(*parts: tuple[str, float]) -> Inspection:
    """Squares of given edges, each of the material of a made case."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for name, size in parts:
        material = bpy.data.materials.new(name)
        judged_graphs.CASES[name][0](NodeGraph(material))
        bpy.ops.mesh.primitive_plane_add(size=size)
        bpy.context.object.data.materials.append(material)
    return bpy.context.scene


def test_materials_count_by_their_visible_area_and_are_told_apart(tmp_path):
    found = inspect_scene(_shown(("glass", 3.0), ("satin wood", 1.0)), tmp_path)
    assert [(part.name, part.area) for part in found.materials] == [
        ("glass", 0.9),
        ("satin wood", 0.1),
    ]
    assert found.looks.clear == pytest.approx(0.9)
    assert [main_look(part.looks) for part in found.materials] == ["clear", "matte"]


def test_what_a_render_does_not_show_does_not_count(tmp_path):
    scene = _shown(("glass", 3.0), ("satin wood", 1.0))
    next(item for item in scene.objects if item.active_material.name == "glass").hide_render = True
    assert inspect_scene(scene, tmp_path).looks.clear == 0.0


def test_faces_without_a_material_are_matte(tmp_path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add()
    found = inspect_scene(bpy.context.scene, tmp_path)
    assert [(part.name, main_look(part.looks)) for part in found.materials] == [("", "matte")]


def test_a_material_that_geometry_nodes_set_is_found(tmp_path):
    scene = _shown(("satin wood", 1.0), ("glass", 1.0))
    wood, glass = sorted(scene.objects, key=lambda item: item.active_material.name == "glass")
    tree = bpy.data.node_groups.new("paint", "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    first, paint, last = (
        tree.nodes.new(kind)
        for kind in ("NodeGroupInput", "GeometryNodeSetMaterial", "NodeGroupOutput")
    )
    paint.inputs["Material"].default_value = glass.active_material
    tree.links.new(first.outputs[0], paint.inputs[0])
    tree.links.new(paint.outputs[0], last.inputs[0])
    wood.modifiers.new("paint", "NODES").node_group = tree
    assert inspect_scene(scene, tmp_path).looks.clear == 1.0


def test_an_unknown_node_is_noted_and_counts_half(lobes, tmp_path):
    def build(graph: NodeGraph) -> None:
        share = graph.node("ShaderNodeWavelength", {}).outputs[0]
        graph.surface(of(graph, {"Metallic": share, "Roughness": 0.5}))

    assert lobes(build)["metal"] == pytest.approx(0.5)
    assert inspect_graph(build, tmp_path).materials[0].notes == (
        "node ShaderNodeWavelength is not evaluated",
    )


def test_a_picture_outside_the_assets_folder_is_not_read(tmp_path):
    inside = tmp_path / "asset"
    inside.mkdir()

    def build(graph: NodeGraph) -> None:
        node = picture(graph, halves((1, 1, 1, 1), (1, 1, 1, 1)))
        node.image.filepath_raw = str(tmp_path / "secret.png")
        node.image.save()
        node.image.unpack(method="REMOVE")
        graph.surface(of(graph, {"Metallic": node.outputs[0], "Roughness": 0.5}))

    found = inspect_graph(build, inside).materials[0]
    assert found.lobes["metal"] == pytest.approx(0.5)
    assert found.notes == ("picture 'picture' is missing or of an unread kind",)
    assert inspect_graph(build, tmp_path).materials[0].lobes["metal"] == 1.0


def test_a_loop_in_a_graph_ends(lobes):
    def build(graph: NodeGraph) -> None:
        first = graph.node("ShaderNodeMath", {})
        second = graph.node("ShaderNodeMath", {"Value": first.outputs[0]})
        graph.tree.links.new(second.outputs[0], first.inputs[0])
        graph.surface(of(graph, {"Metallic": second.outputs[0]}))

    assert sum(lobes(build).values()) > 0


def test_a_driver_and_a_script_in_a_file_are_never_run(tmp_path):
    """A driver that would make the glass metal, by an expression that would leave a mark."""
    scene = _shown(("glass", 1.0))
    material = scene.objects[0].active_material
    node = next(n for n in material.node_tree.nodes if n.bl_idname == "ShaderNodeBsdfGlass")
    curve = node.inputs["Roughness"].driver_add("default_value")
    curve.driver.expression = f"open({str(tmp_path / 'mark')!r}, 'w').write('ran') or 1.0"
    text = bpy.data.texts.new("boot.py")
    text.write(f"open({str(tmp_path / 'mark')!r}, 'w')")
    text.use_module = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "asset.blend"))
    found = inspect_file(tmp_path / "asset.blend")
    assert main_look(found.looks) == "clear"
    assert not (tmp_path / "mark").exists()


def test_what_modifiers_and_instances_make_is_bounded(tmp_path, monkeypatch):
    scene = _shown(("satin wood", 1.0))
    array = scene.objects[0].modifiers.new("many", "ARRAY")
    array.count = 600
    monkeypatch.setattr(importers, "MAX_TRIANGLES", 1000)
    with pytest.raises(ValueError, match="more than 1000 triangles; simplify it"):
        inspect_scene(scene, tmp_path)
    array.count = 400
    assert inspect_scene(scene, tmp_path).faces == 800


def test_every_kind_of_file_opens(tmp_path):
    _shown(("glass", 1.0))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.export_scene.gltf(filepath=str(tmp_path / "a.glb"))
    bpy.ops.export_scene.fbx(filepath=str(tmp_path / "a.fbx"))
    bpy.ops.wm.obj_export(filepath=str(tmp_path / "a.obj"))
    bpy.ops.wm.ply_export(filepath=str(tmp_path / "a.ply"))
    bpy.ops.wm.stl_export(filepath=str(tmp_path / "a.stl"))
    for suffix in ("blend", "glb", "fbx", "obj", "ply", "stl"):
        scene = open_file(tmp_path / f"a.{suffix}")
        assert [item.type for item in scene.objects] == ["MESH"], suffix
