"""Refraction and reflection in numbers: dispersion, Fresnel and Beer-Lambert."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transphy3d.materials.spec import RGB

NM_RGB = (630.0, 532.0, 465.0)
# Fraunhofer lines d, F and C, at which refractive index and Abbe number are defined.
NM_D, NM_F, NM_C = 587.56, 486.13, 656.27
# Path through a solid object, or a liquid, that decides which effects are worth their cost.
SOLID_METRES = 0.05

FloatArray = NDArray[np.float64]


def dispersed_ior(ior: float, abbe: float) -> RGB:
    """Refractive index at 630, 532 and 465 nm from the index and Abbe number of the d line.

    Cauchy's two-term formula n = A + B / wavelength^2, with B from the definition of the Abbe
    number, V = (n_d - 1) / (n_F - n_C), and A from n_d.
    """
    slope = (ior - 1) / (abbe * (NM_F**-2 - NM_C**-2))
    red, green, blue = (ior + slope * (nm**-2 - NM_D**-2) for nm in NM_RGB)
    return red, green, blue


def fresnel_dielectric(cos_in: ArrayLike, ior: ArrayLike) -> FloatArray:
    """Reflectance of unpolarised light at a boundary; `ior` is index behind over index before.

    cos_in : cosine of the angle of incidence. Fresnel's equations; 1 under total reflection.
    """
    cos_in, ior = np.asarray(cos_in, np.float64), np.asarray(ior, np.float64)
    square = 1 - (1 - cos_in**2) / ior**2
    cos_out = np.sqrt(np.maximum(square, 0))
    across = (cos_in - ior * cos_out) / (cos_in + ior * cos_out)
    along = (ior * cos_in - cos_out) / (ior * cos_in + cos_out)
    return np.where(square <= 0, 1.0, (across**2 + along**2) / 2)


def conductor_f0(ior: ArrayLike, extinction: ArrayLike) -> FloatArray:
    """Reflectance of a metal in air at normal incidence, |(n + ik - 1) / (n + ik + 1)|^2."""
    index = np.asarray(ior, np.float64) + 1j * np.asarray(extinction, np.float64)
    return np.asarray(np.abs((index - 1) / (index + 1)) ** 2, np.float64)


def transmittance(absorption: ArrayLike, metres: ArrayLike) -> FloatArray:
    """Share of light left after `metres` in a medium that absorbs `absorption` 1/m.

    Beer and Lambert's law, exp(-absorption * metres).
    """
    depth = np.asarray(absorption, np.float64) * np.asarray(metres, np.float64)
    return np.asarray(np.exp(-depth), np.float64)


def multiple_scattering_albedo(absorption: RGB, scattering: RGB) -> RGB:
    """Colour of a deep scattering medium, which a random walk turns back into its coefficients.

    absorption, scattering : 1/m, scattering reduced to isotropic. Inverts the fit of Chiang,
    Kutz and Burley 2016 (Practical and Controllable Subsurface Scattering), which Cycles uses:
    single-scattering albedo = 1 - exp(-5.09406 A + 2.61188 A^2 - 4.31805 A^3).
    """
    color = np.linspace(0, 1, 1025)
    single = 1 - np.exp(-5.09406 * color + 2.61188 * color**2 - 4.31805 * color**3)
    absorbed, scattered = np.asarray(absorption), np.asarray(scattering)
    red, green, blue = np.interp(scattered / (scattered + absorbed), single, color)
    return float(red), float(green), float(blue)
