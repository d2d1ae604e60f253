"""Inspecting made materials in this process, and what each looks like most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import judged_gltf
import judged_graphs

from transphy3d.assets.material_report import Inspection, Looks
from transphy3d.blender.inspect_materials import inspect_file, inspect_scene
from transphy3d.blender.nodegraph import NodeGraph

LOOKS = ("clear", "frosted", "mirror", "glossy", "dull_metal")


def main_look(looks: Looks) -> str:
    """The look of at least half of the surface, or "matte"."""
    shares = {name: getattr(looks, name) for name in LOOKS}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= 0.5 else "matte"


def inspect_graph(build: Callable[[NodeGraph], None], folder: Path) -> Inspection:
    """A square of two metres, all of one material that `build` makes."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    material = bpy.data.materials.new("skin")
    build(NodeGraph(material))
    bpy.ops.mesh.primitive_plane_add(size=2.0)
    bpy.context.object.data.materials.append(material)
    return inspect_scene(bpy.context.scene, folder)


def answers(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Name, look and what the inspector says of every made material."""
    for name, (build, look) in judged_graphs.CASES.items():
        yield name, look, main_look(inspect_graph(build, folder).looks)
    for name, (skin, look) in judged_gltf.CASES.items():
        found = inspect_file(judged_gltf.write(folder / "made.gltf", skin))
        yield name, look, main_look(found.looks)
