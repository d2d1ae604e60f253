"""Bring a mesh file of unknown origin into an empty Blender, and show what a render would see.

Nothing in the file is run: scripts stay switched off, a .blend is appended and never opened,
drivers and animation are dropped before anything is evaluated, and the process that does it
gives itself limits first, because a small file can ask for any amount of memory.
"""

from __future__ import annotations

import json
import resource
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import bpy
import numpy as np

from transphy3d.blender import gltf_extensions

MEMORY_LIMIT = 16 << 30  # bytes of address space
CPU_LIMIT = 600  # seconds of all threads together
FILE_LIMIT = 4 << 30  # bytes of any file that the process writes
MAX_BYTES = 1 << 30
MAX_FACES = 5_000_000  # of all meshes, before modifiers
MAX_TRIANGLES = 20_000_000  # of all that is shown, after modifiers and instancing
GLTF_MAGIC = b"glTF"
SHAPES = {"MESH", "CURVE", "SURFACE", "META", "FONT"}
HELPERS = {"WIRE", "BOUNDS"}  # how cutters of Boolean modifiers are displayed


def limit_process(
    memory: int = MEMORY_LIMIT, seconds: int = CPU_LIMIT, written: int = FILE_LIMIT
) -> None:
    """Bound this process's address space and files in bytes and its processor time in seconds."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def open_file(path: Path) -> Any:
    """The scene that shows a file, in an otherwise empty Blender; Z is up where the format knows.

    path : .blend, .glb, .gltf, .obj, .fbx, .ply or .stl, in any case
    Raises ValueError, in words for users, for a file that is empty, too large, of an unknown
    kind, without objects or with too many faces, and what Blender raises for one it cannot read.
    """
    suffix = path.suffix.lower()
    if suffix not in IMPORTERS:
        known = ", ".join(IMPORTERS)
        raise ValueError(f"{suffix or 'no suffix'} is no kind of mesh file; use one of {known}")
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise ValueError(f"it has {size} bytes, which is none or more than {MAX_BYTES}")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False
    IMPORTERS[suffix](path)
    forget_motion()
    scene = bpy.context.window_manager.windows[0].scene
    _check(scene)
    return scene


def _check(scene: Any) -> None:
    if not scene.objects:
        raise ValueError("it holds no objects")
    faces = sum(len(mesh.polygons) for mesh in bpy.data.meshes)
    if faces > MAX_FACES:
        raise ValueError(f"its {faces} faces are more than {MAX_FACES}; decimate the mesh")


def _blend(path: Path) -> None:
    """Append a file's first scene, or all its objects."""
    with bpy.data.libraries.load(str(path), link=False) as (source, target):
        target.scenes = source.scenes[:1]
        if not source.scenes:
            target.objects = source.objects
    if target.scenes:
        bpy.context.window_manager.windows[0].scene = target.scenes[0]
        return
    for item in target.objects:
        bpy.context.scene.collection.objects.link(item)


def _gltf(path: Path) -> None:
    check_gltf(path)
    gltf_extensions.enable()
    bpy.ops.import_scene.gltf(filepath=str(path), import_pack_images=False)


def _fbx(path: Path) -> None:
    bpy.ops.import_scene.fbx(filepath=str(path), use_anim=False, use_image_search=False)


def _obj(path: Path) -> None:
    bpy.ops.wm.obj_import(filepath=str(path))


def _ply(path: Path) -> None:
    bpy.ops.wm.ply_import(filepath=str(path))


def _stl(path: Path) -> None:
    bpy.ops.wm.stl_import(filepath=str(path))


IMPORTERS: dict[str, Callable[[Path], None]] = {
    ".blend": _blend,
    ".glb": _gltf,
    ".gltf": _gltf,
    ".obj": _obj,
    ".fbx": _fbx,
    ".ply": _ply,
    ".stl": _stl,
}


def check_gltf(path: Path) -> None:
    """Raise ValueError for a glTF file that names files outside its folder or is too large.

    Blender's importer reads whatever path a `uri` gives and unpacks sparse accessors of any size.
    """
    content = _gltf_json(path)
    root = path.parent.resolve()
    for item in [*content.get("buffers", []), *content.get("images", [])]:
        uri = item.get("uri", "data:")
        if not uri.startswith("data:") and not _lies_inside(uri, root):
            raise ValueError(f"it names {uri[:80]!r}, which lies outside its folder")
    corners = sum(item.get("count", 0) for item in content.get("accessors", []))
    if corners > 6 * MAX_FACES:
        raise ValueError(f"its {corners} values are more than {6 * MAX_FACES}; decimate the mesh")


def _lies_inside(uri: str, root: Path) -> bool:
    """Whether a relative reference leads to a place in the folder `root`."""
    return not urlsplit(uri).scheme and (root / unquote(uri)).resolve().is_relative_to(root)


def _gltf_json(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        head = stream.read(20)
        if head[:4] != GLTF_MAGIC:
            content = json.loads(head + stream.read())
        elif len(head) < 20:
            raise ValueError("it ends within its header")
        else:
            content = json.loads(stream.read(struct.unpack_from("<I", head, 12)[0]))
    if not isinstance(content, dict):
        raise ValueError("its JSON is no object")
    return content


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


@dataclass(frozen=True)
class Shown:
    """One mesh as a render sees it, with modifiers; valid until the next one is asked for.

    item : the evaluated object, whose material slots count
    mesh : its evaluated mesh, with loop triangles
    matrix : (4, 4) float64, from the mesh to the world in metres
    """

    item: Any
    mesh: Any
    matrix: Any


def shown_meshes(scene: Any) -> Iterator[Shown]:
    """Every object and instance that the first view layer shows to a render, with triangles.

    Raises ValueError where modifiers and instances make more than MAX_TRIANGLES of them.
    """
    triangles = 0
    graph = scene.view_layers[0].depsgraph
    graph.update()
    scale = np.diag([scene.unit_settings.scale_length] * 3 + [1.0])
    for instance in graph.object_instances:
        item = instance.object
        shown = instance.show_self and not item.hide_render
        if not shown or item.type not in SHAPES or item.display_type in HELPERS:
            continue
        mesh = item.to_mesh()
        if mesh is not None:
            mesh.calc_loop_triangles()
            triangles += len(mesh.loop_triangles)
            if triangles > MAX_TRIANGLES:
                raise ValueError(f"it shows more than {MAX_TRIANGLES} triangles; simplify it")
            if len(mesh.loop_triangles):
                yield Shown(item, mesh, scale @ np.array(instance.matrix_world))
            item.to_mesh_clear()
