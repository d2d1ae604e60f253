"""Take the meshes out of a file: `python -m transphy3d.blender.extract FILE OUT.npz [OUT.json]`.

Nothing in the file is run: `transphy3d.blender.importers` says how it is opened.

OUT.npz holds `names` and `materials` (K,), and for each mesh k `vertices{k}` (V, 3) float64 in
metres, `faces{k}` (F, 3) int32 and, where there is one, `uv{k}` (F, 3, 2) float32: evaluated
meshes with their modifiers, as the first scene shows them to a render, one for each material.
`moves` (M,) are words for what makes the file more than a static thing. OUT.json gets the
`Inspection` of its materials.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from transphy3d.blender.fbx_motion import fbx_moves
from transphy3d.blender.importers import Shown, limit_process, open_file, shown_meshes
from transphy3d.blender.inspect_materials import inspect_scene
from transphy3d.blender.process import failure, run
from transphy3d.files import write_text
from transphy3d.jsonio import to_json


def meshes(scene: Any) -> Iterator[dict[str, Any]]:
    """Every visible object's mesh by material: names, vertices in metres, faces and uv."""
    for shown in shown_meshes(scene):
        yield from _object_meshes(shown)


def _object_meshes(shown: Shown) -> Iterator[dict[str, Any]]:
    mesh, matrix = shown.mesh, shown.matrix
    count = len(mesh.loop_triangles)
    vertices = _floats(mesh.vertices, "co", (len(mesh.vertices), 3))
    placed = vertices @ matrix[:3, :3].T + matrix[:3, 3]
    faces = _ints(mesh.loop_triangles, "vertices", (count, 3))
    uv = _uv(mesh, _ints(mesh.loop_triangles, "loops", (count, 3)))
    if np.linalg.det(matrix[:3, :3]) < 0:
        faces, uv = faces[:, ::-1], None if uv is None else uv[:, ::-1]
    slots = _ints(mesh.loop_triangles, "material_index", (count,))
    yield from _by_material(shown.item, placed, faces, uv, slots)


def _by_material(item: Any, vertices: Any, faces: Any, uv: Any, slots: Any) -> Iterator[Any]:
    used = np.unique(slots)
    for slot in used:
        mine = slots == slot
        material = _material(item, int(slot))
        kept, index = np.unique(faces[mine], return_inverse=True)
        yield {
            "name": f"{item.name} {material}".strip() if len(used) > 1 else item.name,
            "material": material,
            "vertices": vertices[kept],
            "faces": index.reshape(-1, 3).astype(np.int32),
            "uv": None if uv is None else uv[mine],
        }


def _material(item: Any, slot: int) -> str:
    """The name of the material in a slot, "" where there is none."""
    return item.material_slots[slot].name if slot < len(item.material_slots) else ""


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


def moves(scene: Any, source: Path) -> list[str]:
    """What moves or deforms in the scene of a file: its shape here is one of many, or none."""
    shown = [item for item in scene.objects if item.type in {"MESH", "ARMATURE"}]
    found = {
        "a rig": any(item.type == "ARMATURE" for item in shown),
        "shape keys": any(getattr(item.data, "shape_keys", None) for item in shown),
        "particles": any(item.particle_systems for item in shown if item.type == "MESH"),
        "an animation": any(action.fcurves for action in bpy.data.actions)
        or (source.suffix.lower() == ".fbx" and fbx_moves(source)),
    }
    return [what for what, is_there in found.items() if is_there]


def save(found: list[dict[str, Any]], motion: list[str], out: Path) -> None:
    """Write the meshes as the module's docstring says."""
    arrays = {
        "names": np.array([mesh["name"] for mesh in found], dtype=np.str_),
        "materials": np.array([mesh["material"] for mesh in found], dtype=np.str_),
        "moves": np.array(motion, dtype=np.str_),
    }
    for k, mesh in enumerate(found):
        arrays |= {
            f"{key}{k}": mesh[key] for key in ("vertices", "faces", "uv") if mesh[key] is not None
        }
    with out.open("wb") as stream:
        np.savez(stream, **arrays)


def main(arguments: list[str]) -> int:
    """Extract; on failure the last line of stderr says why, and the exit code is `failure`'s."""
    source, out, *report = map(Path, arguments)
    limit_process()
    try:
        scene = open_file(source)
        save(list(meshes(scene)), moves(scene, source), out)
        for path in report:
            write_text(path, to_json(inspect_scene(scene, source.parent)))
    except Exception as error:  # whatever bpy raises becomes one line for the caller
        return failure(error)
    return 0


if __name__ == "__main__":
    run(main)
