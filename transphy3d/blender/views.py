"""Render assets for judging: `python -m transphy3d.blender.views REQUEST.json`.

Each asset of a `ViewRequest` stands with its original materials on a checkered floor, which
shows through what is transparent, under an HDR sky, which shows in what is reflective.
Nothing in the files is run; lights and cameras of theirs are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector
from numpy.typing import NDArray

from transphy3d.assets.view_spec import DIRECTIONS, ViewItem, ViewOutcome, ViewRequest
from transphy3d.blender import device as devices
from transphy3d.blender.engine import set_light_transport, set_view
from transphy3d.blender.importers import limit_process, open_file, shown_meshes
from transphy3d.blender.process import run
from transphy3d.blender.stage import build_world
from transphy3d.jsonio import from_json, to_json
from transphy3d.scenes.stage import LightTransport

FIELD_OF_VIEW = math.radians(32)
MARGIN = 1.08  # distance of the camera over that at which the object just fits
FLOOR_EDGE = 60.0  # in radii of the object
TILE = 0.7  # in radii of the object
TILES = ((0.22, 0.22, 0.22, 1.0), (0.45, 0.45, 0.45, 1.0))  # linear colours of the floor
FLOOR_GAP = 1e-4  # in radii: glass that touches the floor renders black
SHOWN = {"MESH", "CURVE", "SURFACE", "META", "FONT"}
Y_TO_Z_UP = Matrix(((1, 0, 0), (0, 0, -1), (0, 1, 0)))
TRANSPORT = LightTransport(
    samples=0,  # the request's
    max_bounces=16,
    transmission_bounces=16,
    transparent_bounces=16,
    glossy_bounces=6,
    diffuse_bounces=3,
    volume_bounces=0,
    clamp_indirect=10.0,
    caustics=True,
    filter_glossy=0.5,
)


def render_views(request: ViewRequest, item: ViewItem) -> None:
    """Render one asset from all directions. Raises ValueError and what Blender raises."""
    scene = _stage(open_file(Path(item.path)), item.turn)
    low, high = _bounds(scene)
    _add_floor(scene, low, high)
    scene.world = build_world(request.environment)
    _set_engine(scene, request)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    for number, direction in enumerate(DIRECTIONS):
        _aim(camera, *direction, low, high)
        scene.render.filepath = str(Path(item.folder) / f"{number}.png")
        bpy.ops.render.render(write_still=True, scene=scene.name)


def _stage(source: Any, turn: Any) -> Any:
    """A scene with default settings that holds what `source` shows, turned upright."""
    shown = list(dict.fromkeys(_shown(source)))
    scene = bpy.data.scenes.new("views")
    for item in shown:
        scene.collection.objects.link(item)
    bpy.context.window_manager.windows[0].scene = scene
    if turn is not None:
        _turn(shown, Y_TO_Z_UP @ Matrix(turn) @ Y_TO_Z_UP.transposed())
    return scene


def _shown(scene: Any) -> Iterator[Any]:
    """The objects that a render of the scene sees, and those that place instances of others."""
    graph = scene.view_layers[0].depsgraph
    graph.update()
    for instance in graph.object_instances:
        visible = instance.show_self and not instance.object.hide_render
        if visible and instance.object.type in SHOWN:
            yield (instance.parent if instance.is_instance else instance.object).original


def _turn(items: list[Any], rotation: Any) -> None:
    for item in items:
        if item.parent not in items:
            item.matrix_world = rotation.to_4x4() @ item.matrix_world
    bpy.context.view_layer.update()


def _bounds(scene: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest corner, in the scene's units, of all that is shown."""
    lows, highs = [], []
    for shown in shown_meshes(scene):
        points = np.empty((len(shown.mesh.vertices), 3), np.float32)
        shown.mesh.vertices.foreach_get("co", points.ravel())
        placed = points @ shown.matrix[:3, :3].T + shown.matrix[:3, 3]
        lows.append(placed.min(axis=0))
        highs.append(placed.max(axis=0))
    if not lows:
        raise ValueError("it shows no surface to a render")
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (high > low).any()):
        raise ValueError("its vertices are not finite, or all in one place")
    return low, high


def _add_floor(scene: Any, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    radius = float(np.linalg.norm(high - low)) / 2
    mesh = bpy.data.meshes.new("floor")
    half = FLOOR_EDGE * radius / 2
    x, y = (low + high)[:2] / 2
    z = float(low[2]) - FLOOR_GAP * radius
    corners = [(x + i * half, y + j * half, z) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    mesh.materials.append(_checkers(TILE * radius))
    scene.collection.objects.link(bpy.data.objects.new("floor", mesh))


def _checkers(tile: float) -> Any:
    material = bpy.data.materials.new("floor")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    checker = nodes.new("ShaderNodeTexChecker")
    checker.inputs["Scale"].default_value = 1 / tile
    checker.inputs["Color1"].default_value, checker.inputs["Color2"].default_value = TILES
    place = nodes.new("ShaderNodeNewGeometry")
    links.new(place.outputs["Position"], checker.inputs["Vector"])
    surface = nodes["Principled BSDF"]
    surface.inputs["Roughness"].default_value = 0.8
    links.new(checker.outputs["Color"], surface.inputs["Base Color"])
    return material


def _aim(
    camera: Any,
    azimuth: float,
    elevation: float,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> None:
    """Look at the middle of a box from a direction in degrees, so that all of it is seen."""
    a, e = math.radians(azimuth), math.radians(elevation)
    toward = Vector((math.cos(a) * math.cos(e), math.sin(a) * math.cos(e), math.sin(e)))
    rotation = toward.to_track_quat("Z", "Y").to_matrix()
    middle = (low + high) / 2
    corners = middle + (np.indices((2, 2, 2)).reshape(3, 8).T - 0.5) * (high - low)
    seen = (corners - middle) @ np.array(rotation)  # camera axes: x right, y up, z backward
    distance = float(
        (np.abs(seen[:, :2]).max(axis=1) / math.tan(FIELD_OF_VIEW / 2) + seen[:, 2]).max()
    )
    camera.matrix_world = Matrix.Translation(Vector(middle) + MARGIN * distance * toward) @ (
        rotation.to_4x4()
    )
    camera.data.angle = FIELD_OF_VIEW
    camera.data.clip_start, camera.data.clip_end = distance / 1000, distance * 1000


def _set_engine(scene: Any, request: ViewRequest) -> None:
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x = render.resolution_y = request.edge
    render.use_file_extension = False
    render.use_persistent_data = True
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"
    device = devices.choose_device("auto")
    devices.set_device(scene, device)
    set_light_transport(scene, TRANSPORT)
    scene.cycles.samples = request.samples
    devices.set_denoiser(scene, devices.choose_denoiser("auto", device), device)
    set_view(scene, "AgX", 0.0)


def main(arguments: list[str]) -> int:
    """Render the request that is the one argument; one bad asset stops no others."""
    request = from_json(ViewRequest, Path(arguments[0]).read_bytes())
    limit_process(memory=request.memory, seconds=request.seconds)
    for number, item in enumerate(request.items):
        error = ""
        try:
            render_views(request, item)
        except Exception as found:  # whatever bpy raises becomes one line for the caller
            error = " ".join(str(found).split())[:500] or type(found).__name__
        with Path(request.log).open("a", encoding="utf-8") as log:
            log.write(to_json(ViewOutcome(item=number, error=error)) + "\n")
    return 0


if __name__ == "__main__":
    run(main)
