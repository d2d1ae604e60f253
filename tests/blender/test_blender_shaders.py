"""Light through built materials against the equations of optics, in Cycles on a few pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from transphy3d.blender.shaders import build_material
from transphy3d.materials.library import load_library
from transphy3d.materials.optics import (
    conductor_f0,
    dispersed_ior,
    fresnel_dielectric,
    transmittance,
)
from transphy3d.materials.spec import Material, Texture

GLASS = Material(
    name="glass",
    kind="glass",
    optical_class="transparent",
    model="dielectric",
    density=2500,
    friction=0.4,
    restitution=0.1,
    ior=1.52,
)
WATER = replace(GLASS, name="water", kind="liquid", ior=1.333)
TINT = (20.0, 100.0, 300.0)
BOX = [(0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
BOTTOM, TOP = 0, 1
BESIDE = 0.0137  # y of the beam: Cycles leaks on the edge of two triangles, here a diagonal
GAP = 1e-5  # metres of air before what catches the light
WIDE = 0.5  # half the width of slabs, metres; beams stay far from the edge

Made = bpy.types.Material


def build(
    material: Material, wall: float = 0.0, shared: bool = False, liquid: bool = False
) -> Made:
    return build_material(material, wall=wall, shares_interface=shared, liquid_interface=liquid)


def emitter(color: tuple[float, float, float]) -> Made:
    made = bpy.data.materials.new("emitter")
    made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Color"].default_value = (*color, 1)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    return made


def position_emitter() -> Made:
    """Shines with the world's x, in metres, in all three channels."""
    made = emitter((0, 0, 0))
    tree = made.node_tree
    position = tree.nodes.new("ShaderNodeNewGeometry").outputs["Position"]
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(position, split.inputs[0])
    tree.links.new(split.outputs[0], tree.nodes["Emission"].inputs["Color"])
    return made


def slab(
    made: Made,
    low: float,
    high: float,
    without: tuple[int, ...] = (),
    ior: tuple[float, float] | None = None,
) -> bpy.types.Object:
    """A wide box from z = low to high; `ior` of its top and of its other faces."""
    corners = [(-WIDE, -WIDE), (WIDE, -WIDE), (WIDE, WIDE), (-WIDE, WIDE)]
    points = [(x, y, z) for z in (low, high) for x, y in corners]
    faces = [face for index, face in enumerate(BOX) if index not in without]
    mesh = bpy.data.meshes.new("slab")
    mesh.from_pydata(points, [], faces)
    if ior is not None:
        values = [ior[0] if index == TOP else ior[1] for index in range(len(BOX))]
        mesh.attributes.new("ior", "FLOAT", "FACE").data.foreach_set("value", values)
    mesh.materials.append(made)
    item = bpy.data.objects.new("slab", mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


@pytest.fixture
def scene() -> bpy.types.Scene:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.sample_clamp_indirect = 0
    scene.cycles.blur_glossy = 0
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    scene.world = world
    return scene


@pytest.fixture
def look(scene: bpy.types.Scene, tmp_path: Path) -> Callable[..., np.ndarray]:
    """Mean radiance (3,) seen along a beam that meets z = 0 from above at (0, BESIDE)."""

    def measure(
        angle: float = 0.0,
        *,
        bounces: int = 12,
        world: float = 0.0,
        samples: int = 1024,
        at: tuple[float, float] = (0.0, BESIDE),
    ) -> np.ndarray:
        for name in ("max", "transmission", "glossy", "diffuse", "volume"):
            setattr(scene.cycles, f"{name}_bounces", bounces)
        scene.cycles.samples = samples
        background = scene.world.node_tree.nodes["Background"].inputs
        background["Color"].default_value = (world, world, world, 1)
        aim(scene, angle, at)
        return render(scene, tmp_path / "beam.exr").mean((0, 1))

    return measure


def aim(scene: bpy.types.Scene, angle: float, at: tuple[float, float]) -> None:
    camera = bpy.data.cameras.new("beam")
    camera.type, camera.ortho_scale = "ORTHO", 1e-6
    item = bpy.data.objects.new("beam", camera)
    tilt = math.radians(angle)
    item.location = (at[0] - 0.3 * math.sin(tilt), at[1], 0.3 * math.cos(tilt))
    item.rotation_euler = (0, -tilt, 0)
    scene.collection.objects.link(item)
    scene.camera = item
    scene.render.resolution_x = scene.render.resolution_y = 8


def render(scene: bpy.types.Scene, path: Path) -> np.ndarray:
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(scene.render.resolution_y, scene.render.resolution_x, 4)[..., :3]


def reflected(angle: float, ior: Any) -> np.ndarray:
    return fresnel_dielectric(math.cos(math.radians(angle)), ior)


def refracted(angle: float, ior: Any) -> Any:
    """Tangent of the angle of refraction, by Snell's law."""
    sine = math.sin(math.radians(angle)) / np.asarray(ior)
    return sine / np.sqrt(1 - sine**2)


@pytest.mark.parametrize("angle", [0, 45, 75])
def test_glass_reflects_as_fresnel_says(look: Any, angle: float) -> None:
    slab(build(replace(GLASS, absorption=(1e5,) * 3)), -0.05, 0.0)
    assert look(angle, world=1.0) == pytest.approx(np.full(3, reflected(angle, 1.52)), abs=0.004)


def test_a_beam_leaves_a_slab_where_snell_says(look: Any) -> None:
    slab(build(GLASS), -0.05, 0.0)
    slab(position_emitter(), -0.06, -0.05 - GAP)
    lit = transmitted_position(look, 50)
    assert lit == pytest.approx(np.full(3, 0.05 * refracted(50, 1.52)), abs=1e-4)


def transmitted_position(look: Any, angle: float) -> np.ndarray:
    """Mean x (3,) at which light per channel meets what lies behind, by two like renders."""
    weighted = look(angle, bounces=2)
    bpy.data.objects["slab.001"].active_material = emitter((1, 1, 1))
    return weighted / look(angle, bounces=2)


def test_a_dispersive_slab_spreads_red_green_and_blue(look: Any) -> None:
    ior_rgb = dispersed_ior(1.728, 28.4)
    slab(build(replace(GLASS, ior=1.728, ior_rgb=ior_rgb)), -0.2, 0.0)
    slab(position_emitter(), -0.21, -0.2 - GAP)
    lit = transmitted_position(look, 60)
    expected = 0.2 * refracted(60, ior_rgb)
    assert expected[0] - expected[2] > 0.002
    assert lit == pytest.approx(expected, abs=1e-4)


def test_a_slab_absorbs_as_beer_and_lambert_say(look: Any) -> None:
    slab(build(replace(GLASS, absorption=TINT)), -0.004, 0.0)
    slab(emitter((1, 1, 1)), -0.02, -0.01)
    expected = (1 - reflected(0, 1.52)) ** 2 * transmittance(TINT, 0.004)
    assert look(bounces=2) == pytest.approx(expected, abs=0.004)


def test_absorption_counts_metres_of_the_world_not_of_the_object(look: Any) -> None:
    scaled = slab(build(replace(GLASS, absorption=TINT)), -0.004, 0.0)
    scaled.scale = (1, 1, 2)
    slab(emitter((1, 1, 1)), -0.02, -0.01)
    expected = (1 - reflected(0, 1.52)) ** 2 * transmittance(TINT, 0.008)
    assert look(bounces=2) == pytest.approx(expected, abs=0.004)


def test_an_invisible_absorption_costs_no_volume() -> None:
    clear = build(replace(GLASS, absorption=(0.3, 0.4, 0.9)), wall=0.003)
    tinted = build(replace(GLASS, absorption=(13.8, 4.3, 4.6)), wall=0.003)
    assert not has_volume(clear)
    assert has_volume(tinted)


def test_a_liquid_absorbs_over_its_own_depth_not_its_vessels_wall() -> None:
    cider = replace(WATER, absorption=(1.0, 1.0, 2.0))
    assert has_volume(build(cider, wall=0.001, liquid=True))


def has_volume(made: Made) -> bool:
    return bool(made.node_tree.nodes["Material Output"].inputs["Volume"].is_linked)


@pytest.mark.parametrize("angle", [0, 40, 70])
def test_glass_over_water_shares_one_interface(look: Any, angle: float) -> None:
    slab(build(GLASS, wall=0.02, shared=True), -0.02, 0.0, without=(BOTTOM,))
    slab(position_emitter(), -0.09, -0.08 - GAP)
    ratio = 1.333 / 1.52
    slab(build(WATER, liquid=True), -0.08, -0.02, ior=(ratio, 1.333))
    through, x = water_path(angle)
    seen = look(angle, bounces=3)
    bpy.data.objects["slab.001"].active_material = emitter((1, 1, 1))
    light = look(angle, bounces=3)
    assert light == pytest.approx(np.full(3, through), abs=0.004)
    assert seen / light == pytest.approx(np.full(3, x), abs=2e-4)


def water_path(angle: float) -> tuple[float, float]:
    """Transmittance of air, 20 mm of glass, 60 mm of water, air, and the x it leaves at."""
    sine = math.sin(math.radians(angle))
    cosine = [math.sqrt(1 - (sine / ior) ** 2) for ior in (1.0, 1.52, 1.333)]
    ratios = (1.52, 1.333 / 1.52, 1 / 1.333)
    lost = [fresnel_dielectric(c, ratio) for c, ratio in zip(cosine, ratios, strict=True)]
    x = 0.02 * refracted(angle, 1.52) + 0.06 * refracted(angle, 1.333)
    return float(np.prod(1 - np.array(lost))), float(x)


def vessel_wall(made: Made, without: tuple[int, ...] = ()) -> None:
    """A wall 3 mm thick beside an axis that lies 30 mm below it, as a standing vessel's."""
    wall = slab(made, 0.030, 0.033, without)
    turned = [(z, x, y) for x, y, z in (vertex.co for vertex in wall.data.vertices)]
    for vertex, point in zip(wall.data.vertices, turned, strict=True):
        vertex.co = point
    wall.rotation_euler = (0, -math.pi / 2, 0)
    wall.location = (0, 0, -0.033)


@pytest.mark.parametrize("shared", [False, True])
def test_a_dry_wall_tints_alike_by_surface_and_by_volume(look: Any, shared: bool) -> None:
    vessel_wall(build(replace(GLASS, absorption=TINT), wall=0.003, shared=shared))
    slab(emitter((1, 1, 1)), -0.06, -0.05)
    expected = (1 - reflected(0, 1.52)) ** 2 * transmittance(TINT, 0.003)
    assert look(bounces=2) == pytest.approx(expected, abs=0.004)


def test_a_wetted_wall_tints_once(look: Any) -> None:
    vessel_wall(build(replace(GLASS, absorption=TINT), wall=0.003, shared=True), without=(BOTTOM,))
    slab(emitter((1, 1, 1)), -0.06, -0.05)
    slab(build(WATER, liquid=True), -0.04, -0.003, ior=(1.333 / 1.52, 1.333))
    through, _ = water_path(0)
    assert look(bounces=3) == pytest.approx(through * transmittance(TINT, 0.003), abs=0.004)


def test_surface_tint_leaves_highlights_white(look: Any) -> None:
    dark = (2000.0, 500.0, 100.0)
    vessel_wall(build(replace(GLASS, absorption=dark), wall=0.003, shared=True))
    slab(emitter((0, 0, 0)), -0.06, -0.05)
    assert look(world=1.0, bounces=1) == pytest.approx(np.full(3, reflected(0, 1.52)), abs=0.004)


def test_metals_reflect_as_their_complex_index_says(look: Any) -> None:
    for name in ("metal_gold_polished", "metal_copper_polished", "metal_chrome_mirror"):
        metal = replace(load_library()[name].sample(np.random.default_rng(0)), roughness=0.0)
        item = slab(build(metal), -0.05, 0.0)
        expected = conductor_f0(metal.conductor_ior, metal.conductor_extinction)
        assert look(world=1.0, samples=16) == pytest.approx(expected, abs=0.002)
        bpy.data.objects.remove(item)


def test_a_thin_scattering_wall_loses_no_light(look: Any) -> None:
    slab(build(replace(GLASS, scattering=(300.0,) * 3), wall=0.002), -0.002, 0.0)
    seen = look(world=1.0, bounces=64, samples=256)
    assert seen == pytest.approx(np.ones(3), abs=0.02)


def test_checks_have_the_size_that_the_texture_says(look: Any) -> None:
    texture = Texture(kind="checker", scale=0.1, colors=((0.8,) * 3, (0.1,) * 3))
    cloth = replace(GLASS, model="principled", ior=1.0, roughness=1.0, texture=texture)
    slab(build(cloth), -0.05, 0.0)
    seen = [look(world=1.0, samples=16, at=(x, 0.06))[0] for x in (0.05, 0.15, 0.25)]
    assert seen == pytest.approx([0.1, 0.8, 0.1], abs=0.03) or seen == pytest.approx(
        [0.8, 0.1, 0.8], abs=0.03
    )


def test_no_record_reflects_more_than_it_receives(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """Every record on a ball in a white furnace: never brighter than it, and never black."""
    samples = [record.sample(np.random.default_rng(0)) for record in load_library().records]
    columns = math.ceil(math.sqrt(len(samples)))
    for index, material in enumerate(samples):
        # Without dispersion, whose noise would hide what is looked for.
        ball(build(replace(material, ior_rgb=None)), index % columns, index // columns)
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
    scene.cycles.samples = 64
    camera_over(scene, columns, pixels=8 * columns)
    pixels = render(scene, tmp_path / "furnace.exr")
    tiles = pixels.reshape(columns, 8, columns, 8, 3)[:, 2:6, :, 2:6].mean((1, 3))
    seen = dict(zip([sample.name for sample in samples], tiles.reshape(-1, 3), strict=False))
    assert {name: rgb for name, rgb in seen.items() if rgb.max() > 1.02} == {}
    assert {name: rgb for name, rgb in seen.items() if rgb.max() < 0.01} == {}


def ball(made: Made, column: int, row: int) -> None:
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.02, location=(0.05 * column, 0.05 * row, 0))
    item = bpy.context.object
    item.data.materials.append(made)
    item.data.shade_smooth()


def camera_over(scene: bpy.types.Scene, columns: int, pixels: int) -> None:
    camera = bpy.data.cameras.new("top")
    camera.type, camera.ortho_scale = "ORTHO", 0.05 * columns
    item = bpy.data.objects.new("top", camera)
    middle = 0.05 * (columns - 1) / 2
    item.location = (middle, middle, 1)
    scene.collection.objects.link(item)
    scene.camera = item
    scene.render.resolution_x = scene.render.resolution_y = pixels
