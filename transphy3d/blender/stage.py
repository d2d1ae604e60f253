"""A `Stage` as a Blender scene: meshes, materials, light and the camera."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector
from numpy.typing import NDArray

from transphy3d.blender.shaders import build_material
from transphy3d.errors import AssetError
from transphy3d.files import sha256_file
from transphy3d.jsonio import to_json
from transphy3d.scenes.spec import AreaLight, Environment, Matrix3, Matrix4
from transphy3d.scenes.stage import Stage, StageObject

SENSOR_WIDTH_MM = 36.0
CLIP_NEAR_METRES = 1e-3
CLIP_FAR_METRES = 1e4
# Cycles' automatic choice takes much time and memory even for an image of 1024
# columns, for a map that guides samples, not their values.
IMPORTANCE_MAP_WIDTH = 1024
# OpenCV's camera looks along +z with y down, Blender's along -z with y up.
OPENCV_TO_BLENDER = np.diag([1.0, -1.0, -1.0, 1.0])


def build_scene(stage: Stage, folder: Path) -> Any:
    """A fresh Blender scene with all that `stage` holds; meshes are read from `folder`.

    Raises AssetError for a mesh or environment that is missing or damaged.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    _add_objects(scene, stage, folder)
    scene.world = build_world(stage.environment)
    for area in stage.areas:
        scene.collection.objects.link(_area_light(area))
    scene.camera = _camera(scene, stage)
    return scene


def _add_objects(scene: Any, stage: Stage, folder: Path) -> None:
    """Objects share meshes and materials wherever these are equal, so they are synced once."""
    mesh = _remember(lambda name, angle: load_mesh(folder / "meshes" / f"{name}.npz", angle))
    materials: dict[tuple[Any, ...], Any] = {}
    for spec in stage.objects:
        data = mesh(spec.mesh, spec.sharp_angle)
        item = bpy.data.objects.new(spec.name, data)
        if not data.materials:
            data.materials.append(None)
        slot = item.material_slots[0]
        slot.link = "OBJECT"
        slot.material = _material(spec, "ior" in data.attributes, materials)
        item.matrix_world = Matrix(spec.matrix)
        item.pass_index = spec.instance
        item["transparent"] = spec.material.optical_class == "transparent"
        scene.collection.objects.link(item)


def _remember(make: Callable[..., Any]) -> Callable[..., Any]:
    """`make`, called once for equal arguments."""
    made: dict[tuple[Any, ...], Any] = {}

    def remembered(*key: Any) -> Any:
        if key not in made:
            made[key] = make(*key)
        return made[key]

    return remembered


def _material(spec: StageObject, liquid_interface: bool, made: dict[tuple[Any, ...], Any]) -> Any:
    key = (to_json(spec.material), spec.wall, spec.shares_interface, liquid_interface)
    if key not in made:
        made[key] = build_material(
            spec.material,
            wall=spec.wall,
            shares_interface=spec.shares_interface,
            liquid_interface=liquid_interface,
        )
    return made[key]


def load_mesh(path: Path, sharp_angle: float) -> Any:
    """A Blender mesh from an .npz of vertices, faces and, where present, uv and ior.

    Smooth but for edges between faces that meet at more than `sharp_angle` degrees.
    """
    if not path.is_file():
        raise AssetError(f"{path}: the stage names this mesh, but there is no such file")
    with np.load(path) as arrays:
        vertices, faces = arrays["vertices"], arrays["faces"]
        uv, ior = arrays.get("uv"), arrays.get("ior")
    _check_faces(path, vertices, faces)
    mesh = _triangles(path.stem, vertices, faces)
    if uv is not None:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.uv.foreach_set("vector", np.ascontiguousarray(uv, np.float32).ravel())
    if ior is not None:
        attribute = mesh.attributes.new("ior", "FLOAT", "FACE")
        attribute.data.foreach_set("value", np.ascontiguousarray(ior, np.float32))
    mesh.set_sharp_from_angle(angle=math.radians(sharp_angle))
    return mesh


def _check_faces(path: Path, vertices: NDArray[Any], faces: NDArray[Any]) -> None:
    """Blender crashes on wrong indices instead of refusing them."""
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= len(vertices):
        raise AssetError(f"{path}: face indices do not fit its {len(vertices)} vertices")
    if not np.isfinite(vertices).all():
        raise AssetError(f"{path}: vertices hold NaN or infinity")


def _triangles(name: str, vertices: NDArray[Any], faces: NDArray[Any]) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    return mesh


def build_world(environment: Environment | None) -> Any:
    """The world: an HDR environment turned about Z, or black."""
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    tree = world.node_tree
    background = tree.nodes["Background"]
    if environment is None:
        background.inputs["Color"].default_value = (0.0, 0.0, 0.0, 1.0)
        return world
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    texture.image = _environment_image(environment)
    mapping = tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Rotation"].default_value = (0.0, 0.0, environment.rotation)
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    background.inputs["Strength"].default_value = environment.strength
    world.cycles.sampling_method = "MANUAL"
    world.cycles.sample_map_resolution = IMPORTANCE_MAP_WIDTH
    return world


def _environment_image(environment: Environment) -> Any:
    """The image, checked: Cycles would draw a missing one in pink and go on."""
    path = Path(environment.path)
    if not path.is_file():
        raise AssetError(f"environment {path}: no such file; check lights.environments")
    if sha256_file(path) != environment.sha256:
        raise AssetError(f"environment {path}: changed since the scene was sampled (SHA-256)")
    image = bpy.data.images.load(str(path.resolve()))
    if not image.has_data and not image.size[0]:
        raise AssetError(f"environment {path}: Blender cannot read it as an image")
    return image


def _area_light(area: AreaLight) -> Any:
    """A rectangle that shines toward its target along its own -z.

    Hidden from the camera alone, for ground truth knows no lights; glass and metal still show it.
    """
    light = bpy.data.lights.new("area", "AREA")
    light.shape = "RECTANGLE"
    light.size, light.size_y = area.size
    light.energy = area.power
    light.color = area.color
    item = bpy.data.objects.new("area", light)
    direction = Vector(area.target) - Vector(area.position)
    rotation = direction.to_track_quat("-Z", "Y").to_matrix().to_4x4()
    item.matrix_world = Matrix.Translation(area.position) @ rotation
    item.visible_camera = False
    return item


def _camera(scene: Any, stage: Stage) -> Any:
    camera = bpy.data.cameras.new("camera")
    camera.clip_start, camera.clip_end = CLIP_NEAR_METRES, CLIP_FAR_METRES
    camera.dof.use_dof = False
    set_intrinsics(scene, camera, stage.intrinsics, stage.width, stage.height)
    item = bpy.data.objects.new("camera", camera)
    item.matrix_world = camera_matrix(stage.world_to_camera[0])
    scene.collection.objects.link(item)
    return item


def set_intrinsics(scene: Any, camera: Any, intrinsics: Matrix3, width: int, height: int) -> None:
    """Focal lengths and principal point of `intrinsics` (pixels) as Blender's lens and shift.

    Blender measures shifts in units of the sensor's width, y up, and takes unequal focal
    lengths as pixels that are not square, whose ratio must not fall below one.
    """
    (fx, _, cx), (_, fy, cy), _ = intrinsics
    camera.type = "PERSP"
    camera.sensor_fit = "HORIZONTAL"
    camera.sensor_width = SENSOR_WIDTH_MM
    camera.lens = fx * SENSOR_WIDTH_MM / width
    camera.shift_x = (width / 2 - cx) / width
    camera.shift_y = (cy - height / 2) * (fx / fy) / width
    scene.render.pixel_aspect_x = max(fy / fx, 1.0)
    scene.render.pixel_aspect_y = max(fx / fy, 1.0)


def camera_matrix(world_to_camera: Matrix4) -> Matrix:
    """Blender's camera-to-world matrix of a 4x4 world-to-camera matrix in OpenCV axes."""
    return Matrix(np.linalg.inv(np.asarray(world_to_camera)) @ OPENCV_TO_BLENDER)
