"""Meshes, light and camera as Blender holds them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import OpenEXR
import pytest
import tiny_stage as tiny

from transphy3d.blender.stage import build_scene, load_mesh
from transphy3d.errors import AssetError
from transphy3d.scenes.spec import Environment


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_mesh_keeps_its_vertices_faces_uv_and_ior(tmp_path: Path) -> None:
    plane = tiny.floor(0.5)
    uv = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    ior = np.array((0.875, 1.333), np.float32)
    path = save(tmp_path / "m.npz", vertices=plane.vertices, faces=plane.faces, uv=uv, ior=ior)
    mesh = load_mesh(path, 35.0)
    assert np.allclose([vertex.co for vertex in mesh.vertices], plane.vertices)
    assert [tuple(face.vertices) for face in mesh.polygons] == [(0, 1, 2), (0, 2, 3)]
    assert np.allclose([corner.vector for corner in mesh.uv_layers[0].uv], uv.reshape(-1, 2))
    assert np.allclose([item.value for item in mesh.attributes["ior"].data], ior)
    assert mesh.attributes["ior"].domain == "FACE"


@pytest.mark.parametrize(("sharp_angle", "expected"), [(35.0, 12), (100.0, 0)])
def test_edges_above_the_sharp_angle_are_sharp(
    tmp_path: Path, sharp_angle: float, expected: int
) -> None:
    cube = tiny.box(1.0)
    mesh = load_mesh(
        save(tmp_path / "m.npz", vertices=cube.vertices, faces=cube.faces), sharp_angle
    )
    assert sum(edge.use_edge_sharp for edge in mesh.edges) == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"faces": np.array([(0, 1, 9)], np.int32)}, "face indices"),
        ({"vertices": np.full((4, 3), np.nan)}, "NaN"),
    ],
)
def test_a_damaged_mesh_is_refused_by_name(
    tmp_path: Path, change: dict[str, np.ndarray], words: str
) -> None:
    plane = tiny.floor(0.5)
    arrays = {"vertices": plane.vertices, "faces": plane.faces, **change}
    with pytest.raises(AssetError, match=rf"m\.npz.*{words}"):
        load_mesh(save(tmp_path / "m.npz", **arrays), 35.0)


def test_objects_with_equal_material_share_one(tmp_path: Path) -> None:
    scene = build_scene(tiny.STAGE, tiny.write(tiny.STAGE, tmp_path / "stage"))
    materials = [scene.objects[f"body{i}"].material_slots[0].material for i in range(3)]
    assert materials[0] is materials[2]
    assert materials[0] is not materials[1]
    assert [scene.objects[f"body{i}"].pass_index for i in range(3)] == [0, 1, 2]


def write_environment(path: Path) -> Environment:
    pixels = np.ones((8, 16, 3), np.float32)
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": pixels}).write(str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Environment(path=str(path), sha256=digest, rotation=0.7, strength=1.5)


def test_the_environment_is_turned_and_scaled(tmp_path: Path) -> None:
    stage = replace(tiny.STAGE, environment=write_environment(tmp_path / "sky.exr"))
    scene = build_scene(stage, tiny.write(stage, tmp_path / "stage"))
    nodes = {node.bl_idname: node for node in scene.world.node_tree.nodes}
    assert nodes["ShaderNodeTexEnvironment"].image.size[:] == (16, 8)
    assert nodes["ShaderNodeMapping"].inputs["Rotation"].default_value[2] == pytest.approx(0.7)
    assert nodes["ShaderNodeBackground"].inputs["Strength"].default_value == 1.5


def test_an_environment_that_changed_is_refused(tmp_path: Path) -> None:
    environment = replace(write_environment(tmp_path / "sky.exr"), sha256="0" * 64)
    stage = replace(tiny.STAGE, environment=environment)
    folder = tiny.write(stage, tmp_path / "stage")
    with pytest.raises(AssetError, match=r"sky\.exr: changed"):
        build_scene(stage, folder)


def test_area_lights_shine_at_their_target_unseen_by_the_camera(tmp_path: Path) -> None:
    build_scene(tiny.STAGE, tiny.write(tiny.STAGE, tmp_path / "stage"))
    light = bpy.data.objects["area"]
    beam = -np.array(light.matrix_world)[:3, 2]
    wanted = np.subtract(tiny.LIGHT.target, tiny.LIGHT.position)
    assert np.allclose(beam, wanted / np.linalg.norm(wanted), atol=1e-6)
    assert not light.visible_camera
    assert light.data.energy == tiny.LIGHT.power
