"""Presets of Cycles' settings, and the settings of one sequence.

The figures behind the numbers stand in docs/rendering.md; benchmarks/render_quality.py measures
them again.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

from transphy3d.config import RenderConfig
from transphy3d.jsonio import record
from transphy3d.scenes.stage import LightTransport, RenderSettings

CYCLES_SEEDS = 2**31


@record
class Preset(LightTransport):
    """What a preset fixes; `denoise` allows the denoiser."""

    denoise: bool


PRESETS: dict[str, Preset] = {
    "preview": Preset(
        samples=4,  # enough for the denoiser to tell shapes; caustics smear
        # A ray through one hollow vessel crosses four walls' surfaces, through two vessels one
        # behind the other eight; four more for a reflection inside and for the table behind.
        max_bounces=12,
        transmission_bounces=12,
        transparent_bounces=8,  # what ray-visibility tricks in users' own materials need
        glossy_bounces=4,  # mirrors facing each other; beyond that each is dark
        diffuse_bounces=2,  # light from table and walls; a third bounce changes little
        volume_bounces=0,  # absorption needs none; only scattering liquids do
        # Caustics through glass are rare and bright: ten times white keeps the light that they
        # carry and drops the fireflies, which no denoiser removes.
        clamp_indirect=10.0,
        caustics=True,  # light through glass is one; without them its shadow is black
        filter_glossy=0.5,  # blurs second and later glossy hits, where noise hides them anyway
        denoise=True,
    ),
    "standard": Preset(
        # Denoised, 1.6 to 2 dB better than 64 samples without, at a fifth of the CPU time.
        samples=8,
        max_bounces=24,  # transmission's share and the reflections around it
        transmission_bounces=16,  # three hollow vessels in a row and the way out of one
        transparent_bounces=16,
        glossy_bounces=8,  # metal in a metal bowl
        diffuse_bounces=4,  # as Blender: indoors the third and fourth still lift the corners
        volume_bounces=2,  # cloudy liquids look thin with none
        clamp_indirect=10.0,  # as in preview
        caustics=True,
        filter_glossy=0.2,  # less blur than preview: reflections of reflections stay legible
        denoise=True,
    ),
    "reference": Preset(
        samples=2048,  # five times less noise than 64, for comparisons and stills
        # All bounces lie beyond what changes a pixel in piles of glass.
        max_bounces=32,
        transmission_bounces=24,
        transparent_bounces=32,
        glossy_bounces=16,
        diffuse_bounces=8,
        volume_bounces=4,
        clamp_indirect=0.0,  # no bias
        caustics=True,
        filter_glossy=0.0,  # no bias
        denoise=False,
    ),
}


def resolve(config: RenderConfig, seed: int, threads: int) -> RenderSettings:
    """The settings of one sequence.

    seed : any non-negative integer, the sequence's own; threads : 0 = all cores
    """
    preset = PRESETS[config.preset]
    transport = {field.name: getattr(preset, field.name) for field in fields(LightTransport)}
    if config.samples is not None:
        transport["samples"] = config.samples
    return RenderSettings(
        **transport,
        device=config.device,
        denoiser=_denoiser(config, preset),
        view_transform=config.view_transform,
        exposure=config.exposure,
        seed=seed % CYCLES_SEEDS,
        threads=threads,
    )


def _denoiser(
    config: RenderConfig, preset: Preset
) -> Literal["auto", "optix", "openimagedenoise", "none"]:
    """A denoiser named in the job holds; `auto` leaves it to the preset."""
    return "none" if config.denoiser == "auto" and not preset.denoise else config.denoiser
