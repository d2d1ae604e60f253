"""Cycles as a stage's `RenderSettings` say, and files that depend on nothing but the pixels."""

from __future__ import annotations

from typing import Any

from transphy3d.errors import RenderError
from transphy3d.scenes.stage import LightTransport, Stage

LENGTH_UNIT_METRES = 1.0


def set_engine(scene: Any, stage: Stage) -> None:
    """What holds for every phase: engine, resolution, threads, colour and plain files."""
    render = scene.render
    render.engine = "CYCLES"
    if render.engine != "CYCLES":
        raise RenderError("Blender does not accept Cycles as its engine: reinstall bpy")
    render.resolution_x, render.resolution_y = stage.width, stage.height
    render.resolution_percentage = 100
    render.film_transparent = False
    render.use_compositing = False
    render.use_sequencer = False
    render.use_motion_blur = False
    render.use_file_extension = False  # frames are written under a scratch name
    render.dither_intensity = 0.0  # noise would cost bytes and hide nothing in 8-bit video
    scene.unit_settings.scale_length = LENGTH_UNIT_METRES
    _set_threads(render, stage.render.threads)
    _strip_metadata(render)


def _set_threads(render: Any, threads: int) -> None:
    render.threads_mode = "FIXED" if threads else "AUTO"
    if threads:
        render.threads = threads


def _strip_metadata(render: Any) -> None:
    """No dates, host names and file names of this run in the frames."""
    for name in render.bl_rna.properties.keys():  # noqa: SIM118  (a bpy collection, not a dict)
        if name.startswith("use_stamp_"):
            setattr(render, name, False)


def set_light_transport(scene: Any, settings: LightTransport) -> None:
    """Samples, bounces, clamping and caustics of the beauty frames."""
    cycles = scene.cycles
    cycles.samples = settings.samples
    cycles.use_adaptive_sampling = False
    cycles.max_bounces = settings.max_bounces
    cycles.transmission_bounces = settings.transmission_bounces
    cycles.transparent_max_bounces = settings.transparent_bounces
    cycles.glossy_bounces = settings.glossy_bounces
    cycles.diffuse_bounces = settings.diffuse_bounces
    cycles.volume_bounces = settings.volume_bounces
    cycles.sample_clamp_direct = 0.0
    cycles.sample_clamp_indirect = settings.clamp_indirect
    cycles.caustics_reflective = settings.caustics
    cycles.caustics_refractive = settings.caustics
    cycles.blur_glossy = settings.filter_glossy
    cycles.use_light_tree = True
    cycles.pixel_filter_type = "BLACKMAN_HARRIS"
    cycles.filter_width = 1.5


def set_view(scene: Any, transform: str, exposure: float) -> None:
    """Scene-linear light to display values on an sRGB screen; RenderError if unknown."""
    scene.display_settings.display_device = "sRGB"
    try:
        scene.view_settings.view_transform = transform
    except TypeError as error:
        raise RenderError(f"render.view_transform: {error}") from error
    scene.view_settings.look = "None"
    scene.view_settings.exposure = exposure
    scene.view_settings.gamma = 1.0
