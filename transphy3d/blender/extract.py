"""Take the meshes out of a .blend: `python -m transphy3d.blender.extract IN.blend OUT.npz`.

Nothing in the file is run: its data are appended to an empty Blender with script execution
switched off, not opened, and drivers and animation are dropped before anything is evaluated.

OUT.npz holds `names` (K,), and for each mesh k `vertices{k}` (V, 3) float64 in metres,
`faces{k}` (F, 3) int32 and, where there is one, `uv{k}` (F, 3, 2) float32: evaluated meshes
with their modifiers, as the first scene shows them to a render, one for each material.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

MEMORY_LIMIT = 16 << 30  # bytes of address space
SHAPES = {"MESH", "CURVE", "SURFACE", "META", "FONT"}
HELPERS = {"WIRE", "BOUNDS"}  # how cutters of Boolean modifiers are displayed


def append(path: Path) -> Any:
    """Append a file's first scene, or all its objects, and return the scene that shows them.

    Raises ValueError if the file holds no objects, and what bpy raises if it is no .blend.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False
    with bpy.data.libraries.load(str(path), link=False) as (source, target):
        if not source.objects:
            raise ValueError("it holds no objects")
        target.scenes = source.scenes[:1]
        if not source.scenes:
            target.objects = source.objects
    forget_motion()
    if target.scenes:
        bpy.context.window_manager.windows[0].scene = target.scenes[0]
        return target.scenes[0]
    for item in target.objects:
        bpy.context.scene.collection.objects.link(item)
    return bpy.context.scene


def forget_motion() -> None:
    """Drop every driver and animation, so that no expression of the file is ever evaluated."""
    for collection in _collections():
        for block in collection:
            if getattr(block, "animation_data", None):
                block.animation_data_clear()
            tree = getattr(block, "node_tree", None)
            if tree is not None and tree.animation_data:
                tree.animation_data_clear()


def _collections() -> Iterator[Any]:
    for name in dir(bpy.data):
        value = getattr(bpy.data, name)
        if isinstance(value, bpy.types.bpy_prop_collection):
            yield value


def meshes(scene: Any) -> Iterator[dict[str, Any]]:
    """Every visible object's mesh by material: name, vertices in metres, faces and uv."""
    graph = scene.view_layers[0].depsgraph
    graph.update()
    scale = scene.unit_settings.scale_length
    for instance in graph.object_instances:
        item = instance.object
        shown = instance.show_self and not item.hide_render
        if shown and item.type in SHAPES and item.display_type not in HELPERS:
            yield from _object_meshes(item, np.array(instance.matrix_world), scale)


def _object_meshes(item: Any, matrix: Any, scale: float) -> Iterator[dict[str, Any]]:
    mesh = item.to_mesh()
    if mesh is None:
        return
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    if count:
        vertices = _floats(mesh.vertices, "co", (len(mesh.vertices), 3))
        placed = (vertices @ matrix[:3, :3].T + matrix[:3, 3]) * scale
        faces = _ints(mesh.loop_triangles, "vertices", (count, 3))
        uv = _uv(mesh, _ints(mesh.loop_triangles, "loops", (count, 3)))
        if np.linalg.det(matrix[:3, :3]) < 0:
            faces, uv = faces[:, ::-1], None if uv is None else uv[:, ::-1]
        slots = _ints(mesh.loop_triangles, "material_index", (count,))
        yield from _by_material(item, placed, faces, uv, slots)
    item.to_mesh_clear()


def _by_material(item: Any, vertices: Any, faces: Any, uv: Any, slots: Any) -> Iterator[Any]:
    used = np.unique(slots)
    for slot in used:
        mine = slots == slot
        material = item.material_slots[slot].name if slot < len(item.material_slots) else ""
        kept, index = np.unique(faces[mine], return_inverse=True)
        yield {
            "name": f"{item.name} {material}".strip() if len(used) > 1 else item.name,
            "vertices": vertices[kept],
            "faces": index.reshape(-1, 3).astype(np.int32),
            "uv": None if uv is None else uv[mine],
        }


def _floats(collection: Any, field: str, shape: tuple[int, ...]) -> Any:
    values = np.empty(int(np.prod(shape)), np.float32)
    collection.foreach_get(field, values)
    return values.reshape(shape).astype(np.float64)


def _ints(collection: Any, field: str, shape: tuple[int, ...]) -> Any:
    values = np.empty(int(np.prod(shape)), np.int32)
    collection.foreach_get(field, values)
    return values.reshape(shape)


def _uv(mesh: Any, loops: Any) -> Any:
    layer = mesh.uv_layers.active
    if layer is None:
        return None
    return _floats(layer.uv, "vector", (len(mesh.loops), 2)).astype(np.float32)[loops]


def save(found: list[dict[str, Any]], out: Path) -> None:
    """Write the meshes as the module's docstring says."""
    arrays = {"names": np.array([mesh["name"] for mesh in found], dtype=np.str_)}
    for k, mesh in enumerate(found):
        arrays |= {
            f"{key}{k}": mesh[key] for key in ("vertices", "faces", "uv") if mesh[key] is not None
        }
    with out.open("wb") as stream:
        np.savez(stream, **arrays)


def main(arguments: list[str]) -> int:
    """Extract; on failure the last line of stderr says why and the exit code is 1."""
    source, out = map(Path, arguments)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    try:
        save(list(meshes(append(source))), out)
    except Exception as error:  # whatever bpy raises becomes one line for the caller
        print(f"{type(error).__name__}: {error}".replace("\n", " "), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # Blender's own teardown sometimes hangs
