"""The three phases: what each switches on, and what it hides.

Cycles writes depth and object index from a pixel's first, jittered sample and averages normals
over all samples. So ground truth is a render of its own: one sample through the pixel's centre,
an opaque diffuse surface on everything, and nothing that blurs.
"""

from __future__ import annotations

from typing import Any

import bpy

from transphy3d.blender.device import Device, assert_effective, set_denoiser
from transphy3d.blender.engine import set_light_transport, set_view
from transphy3d.scenes.stage import Phase, RenderSettings

SUFFIX: dict[Phase, str] = {"truth": "exr", "behind": "exr", "rgb": "png"}
CENTRE_FILTER_PIXELS = 0.01  # the narrowest that Blender allows: rays within 0.005 px of centre
PNG_COMPRESSION_PERCENT = 15
OPAQUE_NAME = "ground-truth-opaque"


def set_phase(
    scene: Any, phase: Phase, settings: RenderSettings, device: Device, denoiser: str
) -> None:
    """Turn `scene` into what `phase` renders, and drop what Cycles kept from another phase."""
    _forget(scene)
    if phase == "rgb":
        _set_beauty(scene, settings, denoiser, device)
    else:
        _set_truth(scene, phase)
    assert_effective(scene, device, denoiser if phase == "rgb" else "NONE")


def _forget(scene: Any) -> None:
    """Persistent data must not outlive a change of shaders or visibility: off frees it."""
    scene.render.use_persistent_data = False
    scene.render.use_persistent_data = True


def _set_beauty(scene: Any, settings: RenderSettings, denoiser: str, device: Device) -> None:
    layer = scene.view_layers[0]
    layer.material_override = None
    layer.use_pass_z = layer.use_pass_normal = layer.use_pass_object_index = False
    scene.world = bpy.data.worlds[0]
    set_visible(scene, lights=True, transparent=True)
    set_light_transport(scene, settings)
    set_view(scene, settings.view_transform, settings.exposure)
    set_denoiser(scene, denoiser, device)
    image = scene.render.image_settings
    image.file_format = "PNG"
    image.color_mode = "RGB"
    image.color_depth = "8"
    image.compression = PNG_COMPRESSION_PERCENT


def _set_truth(scene: Any, phase: Phase) -> None:
    layer = scene.view_layers[0]
    layer.material_override = _opaque()
    layer.pass_alpha_threshold = 0.0
    layer.use_pass_z = True
    layer.use_pass_normal = layer.use_pass_object_index = phase == "truth"
    scene.world = None
    set_visible(scene, lights=False, transparent=phase == "truth")
    set_view(scene, "Raw", 0.0)
    _set_one_ray(scene)
    image = scene.render.image_settings
    image.file_format = "OPEN_EXR_MULTILAYER"
    image.color_depth = "32"
    image.exr_codec = "ZIP"  # lossless, 16 times smaller than NONE, and as fast


def _set_one_ray(scene: Any) -> None:
    """One sample through each pixel's centre that ends on the first surface."""
    cycles = scene.cycles
    cycles.samples = 1
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = False
    cycles.pixel_filter_type = "BOX"
    cycles.filter_width = CENTRE_FILTER_PIXELS
    cycles.max_bounces = 0
    cycles.seed = 0


def _opaque() -> Any:
    """The one surface of the ground truth: diffuse, without bump, seen from both sides."""
    found = bpy.data.materials.get(OPAQUE_NAME)
    if found is not None:
        return found
    material = bpy.data.materials.new(OPAQUE_NAME)
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    diffuse = nodes.new("ShaderNodeBsdfDiffuse")
    output = nodes.new("ShaderNodeOutputMaterial")
    material.node_tree.links.new(diffuse.outputs["BSDF"], output.inputs["Surface"])
    return material


def set_visible(scene: Any, *, lights: bool, transparent: bool) -> None:
    """Show or hide the lights and the objects of the transparent optical class."""
    for item in scene.objects:
        if item.type == "LIGHT":
            item.hide_render = not lights
        elif item.type == "MESH":
            item.hide_render = item["transparent"] and not transparent
