"""The formulas against published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from transphy3d.materials.optics import (
    conductor_f0,
    dispersed_ior,
    fresnel_dielectric,
    multiple_scattering_albedo,
    transmittance,
)


def test_cauchy_meets_the_tabulated_indices_of_schott_glasses() -> None:
    assert dispersed_ior(1.5168, 64.17) == pytest.approx((1.5151, 1.5195, 1.5240), abs=4e-4)
    assert dispersed_ior(1.7283, 28.41) == pytest.approx((1.7234, 1.7368, 1.7515), abs=1.2e-3)


def test_fresnel_at_normal_brewsters_and_grazing_angle() -> None:
    brewster = math.atan(1.5)  # no light polarised along the plane of incidence comes back
    across = math.cos(2 * brewster) ** 2
    assert fresnel_dielectric(1.0, 1.5) == pytest.approx(0.04)
    assert fresnel_dielectric(math.cos(brewster), 1.5) == pytest.approx(across / 2)
    assert fresnel_dielectric(0.0, 1.5) == pytest.approx(1.0)


def test_light_is_trapped_beyond_the_critical_angle() -> None:
    critical = math.asin(1 / 1.5)
    angles = np.cos([critical - 0.01, critical + 0.01])
    inside = fresnel_dielectric(angles, 1 / 1.5)
    assert inside[0] < 0.7
    assert inside[1] == 1.0


def test_silver_reflects_more_than_iron() -> None:
    assert conductor_f0(0.054, 3.429) == pytest.approx(0.983, abs=1e-3)
    assert conductor_f0(2.895, 2.918) == pytest.approx(0.511, abs=1e-3)


def test_transmittance_halves_every_half_length() -> None:
    assert transmittance(100.0, math.log(2) / 100 * np.arange(3)) == pytest.approx([1, 0.5, 0.25])


def test_a_deep_medium_is_white_without_absorption_and_dark_with_much() -> None:
    white, grey, dark = multiple_scattering_albedo((0, 100, 10_000), (1000, 1000, 1000))
    assert white == pytest.approx(1.0)
    assert 0.4 < grey < 0.6
    assert dark < 0.05
