"""Presets become complete settings; what the job says wins over them."""

from __future__ import annotations

import pytest

from transphy3d.config import RenderConfig
from transphy3d.scenes.render_settings import PRESETS, resolve


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_keeps_what_glass_needs(preset: str) -> None:
    settings = resolve(RenderConfig(preset=preset), seed=0, threads=0)
    assert settings.caustics
    assert settings.transmission_bounces >= 12
    assert settings.transparent_bounces >= 8
    assert settings.max_bounces >= settings.transmission_bounces


def test_samples_of_the_job_win() -> None:
    assert resolve(RenderConfig(samples=5), 0, 0).samples == 5
    assert resolve(RenderConfig(), 0, 0).samples == PRESETS["standard"].samples


def test_the_reference_is_not_denoised_unless_the_job_says_so() -> None:
    assert resolve(RenderConfig(preset="reference"), 0, 0).denoiser == "none"
    asked = RenderConfig(preset="reference", denoiser="openimagedenoise")
    assert resolve(asked, 0, 0).denoiser == "openimagedenoise"
    assert resolve(RenderConfig(preset="standard"), 0, 0).denoiser == "auto"


def test_any_seed_fits_cycles() -> None:
    assert resolve(RenderConfig(), 2**62 + 3, 0).seed == 3
    assert resolve(RenderConfig(), 0, 0).seed == 0
