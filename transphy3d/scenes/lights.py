"""Light: an HDR environment, and rigs of area lights placed relative to the scene.

Radiances of HDR files differ by a factor of ten and more between a night and a sunrise, and walls
hide the horizon where a low sun shines. Each environment is therefore scaled so that a white
level sheet amid the objects, lit by the part of the sky above the walls, has a luminance of one;
the job's `strength` multiplies that. The view transform shows it as a light grey, so that
pictures are neither black nor burnt. The gain is limited by the mean of the whole sky, lest a
sun that the sheet does not see burns out the walls that do; what is then missing comes from a
lamp overhead.

A plugin adds a rig with `RIGS.register(name, rig)`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transphy3d.config import LightsConfig
from transphy3d.errors import AssetError, JobError
from transphy3d.files import sha256_file
from transphy3d.materials.spec import RGB
from transphy3d.scenes.geometry import Bounds
from transphy3d.scenes.hdr import SUFFIXES, level_luminance, mean_luminance, read_hdr
from transphy3d.scenes.registry import Registry
from transphy3d.scenes.spec import AreaLight, Environment, LightSpec, Vec3

BUILTIN = "builtin"
BUILTIN_PREFIX = "builtin:"
BUILTIN_FOLDER = "4.5/datafiles/studiolights/world"
DIMMEST = 1e-4  # mean luminance below which a file is taken to be black
LEAST_SEEN = 0.3  # of the whole sky's mean luminance that counts, however little is seen
ENOUGH = 0.8  # share of the wanted light below which a lamp makes up for the rest
LAMP_EDGE = 0.7  # metres
LAMP_KELVIN = 4500.0
WALL_GAP = 0.08  # metres between a light and the bounds of the room


@dataclass(frozen=True)
class Setting:
    """What lights are placed around.

    reach : greatest horizontal distance of the support from the origin, metres
    bounds : the air of the room, metres
    horizon : elevation in radians up to which walls hide the sky
    """

    reach: float
    bounds: Bounds
    horizon: float


@dataclass(frozen=True)
class Rig:
    """Area lights, and the share of the environment's strength that stays beside them."""

    environment: float
    areas: tuple[AreaLight, ...]


RIGS: Registry[Callable[[np.random.Generator, Setting], Rig]] = Registry("lights.rigs")


def sample_lights(
    config: LightsConfig,
    setting: Setting,
    environment_rng: np.random.Generator,
    rig_rng: np.random.Generator,
) -> LightSpec:
    """All light of a scene; the environment and the rig have random streams of their own."""
    name = RIGS.draw(config.rigs, rig_rng)
    rig = RIGS.get(name)(rig_rng, setting)
    path = _choose(environment_files(config.environments), environment_rng)
    rotation = float(environment_rng.uniform(0, 2 * np.pi))
    strength = float(environment_rng.uniform(*config.strength)) * rig.environment
    pixels = read_hdr(path)
    environment = load_environment(path, pixels, rotation, strength, setting.horizon)
    lit = environment.strength * level_luminance(pixels, setting.horizon)
    lamps = (ceiling_lamp(setting, strength - lit),) if lit < ENOUGH * strength else ()
    return LightSpec(rig=name, environment=environment, areas=rig.areas + lamps)


def load_environment(
    path: Path, pixels: NDArray[np.float32], rotation: float, strength: float, horizon: float
) -> Environment:
    """An environment that lights a white level sheet to the luminance `strength` at most.

    pixels : the file's, (H, W, 3)
    horizon : elevation in radians up to which walls hide the sky
    Raises AssetError for a black sky.
    """
    luminance = max(level_luminance(pixels, horizon), LEAST_SEEN * mean_luminance(pixels))
    if luminance < DIMMEST:
        raise AssetError(f"environment {path}: its sky is black ({luminance:g}); replace it")
    return Environment(
        path=BUILTIN_PREFIX + path.name if path.parent == builtin_folder() else str(path),
        sha256=sha256_file(path),
        rotation=rotation,
        strength=strength / luminance,
    )


def ceiling_lamp(setting: Setting, luminance: float) -> AreaLight:
    """A lamp over the objects that lights a white level sheet to a luminance by itself."""
    height = setting.bounds[1][2] - WALL_GAP
    return AreaLight(
        position=(0.0, 0.0, height),
        target=(0.0, 0.0, 0.0),
        size=(LAMP_EDGE, LAMP_EDGE),
        power=key_power(np.pi * luminance, height),
        color=tint(LAMP_KELVIN),
    )


def resolved(environment: Environment) -> Environment:
    """The environment with the path of a file on this machine in place of "builtin:<name>"."""
    name = environment.path.removeprefix(BUILTIN_PREFIX)
    path = str(builtin_folder() / name) if name != environment.path else name
    return replace(environment, path=path)


def environment_files(source: str) -> list[Path]:
    """The files to draw from, sorted by name: `builtin`, or those of a folder.

    Raises AssetError where bpy is not installed or its files are gone, JobError for a folder
    without any.
    """
    folder = builtin_folder() if source == BUILTIN else Path(source).expanduser()
    if not folder.is_dir():
        raise JobError(f"lights.environments: {source!r} is not a folder; correct the path")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise JobError(f"lights.environments: {source!r} holds no {' or '.join(SUFFIXES)} file")
    return files


def builtin_folder() -> Path:
    """The HDR files inside the installed bpy, which need not be imported for that."""
    found = importlib.util.find_spec("bpy")
    if found is None or found.origin is None:
        raise AssetError("lights.environments: bpy is not installed; name a folder of .exr files")
    folder = Path(found.origin).parent / BUILTIN_FOLDER
    if not folder.is_dir():
        raise AssetError(f"lights.environments: {folder} is missing; reinstall bpy 4.5")
    return folder


def _choose(files: list[Path], rng: np.random.Generator) -> Path:
    return files[int(rng.integers(len(files)))]


def key_power(irradiance: float, distance: float) -> float:
    """Watts of a small area light that gives `irradiance` at `distance` metres on its axis.

    A Lambertian emitter of P watts and area A has the radiance P / (pi A), and lights a surface
    that faces it at a distance d with P / (pi d^2). An environment of radiance one gives pi.
    """
    return float(irradiance * np.pi * distance**2)


def place(
    setting: Setting, azimuth: float, elevation: float, distance: float, size: float, ratio: float
) -> tuple[Vec3, tuple[float, float]]:
    """Position and size of a light in a direction from the origin, inside the room.

    azimuth, elevation : radians; size : greatest edge, metres; ratio : of the other edge to it
    """
    direction = np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    low, high = np.array(setting.bounds[0]) + WALL_GAP, np.array(setting.bounds[1]) - WALL_GAP
    x, y, z = np.clip(distance * direction, low, high)
    return (float(x), float(y), float(z)), (size, size * ratio)


def tint(kelvin: float) -> RGB:
    """Linear colour of a light between candle (2700 K) and overcast sky (7500 K), mean one.

    A straight line between both ends in mired, close to Planck's locus for this range.
    """
    share = (1e6 / kelvin - 1e6 / 7500) / (1e6 / 2700 - 1e6 / 7500)
    warm, cool = np.array([1.75, 0.95, 0.30]), np.array([0.86, 0.98, 1.16])
    red, green, blue = cool + share * (warm - cool)
    return float(red), float(green), float(blue)


def _area(
    rng: np.random.Generator,
    setting: Setting,
    direction: tuple[float, float],
    size: tuple[float, float],
    irradiance: float,
) -> AreaLight:
    """A light at (azimuth, elevation) with an edge drawn from `size`, aimed at the objects."""
    away = setting.reach + float(rng.uniform(1.1, 2.0))
    edge, ratio = float(rng.uniform(*size)), float(rng.uniform(0.35, 1.0))
    position, edges = place(setting, *direction, away, edge, ratio)
    return AreaLight(
        position=position,
        target=(0.0, 0.0, 0.05),
        size=edges,
        power=key_power(irradiance, float(np.linalg.norm(position))),
        color=tint(float(rng.uniform(3000, 7000))),
    )


def environment_rig(rng: np.random.Generator, setting: Setting) -> Rig:
    """The environment alone."""
    return Rig(1.0, ())


def window_rig(rng: np.random.Generator, setting: Setting) -> Rig:
    """One large upright light from the side, as from a window, beside a dimmer environment."""
    direction = float(rng.uniform(0, 2 * np.pi)), float(np.radians(rng.uniform(10, 40)))
    area = _area(rng, setting, direction, (0.9, 1.6), float(rng.uniform(3.0, 6.0)))
    return Rig(0.45, (area,))


def studio_rig(rng: np.random.Generator, setting: Setting) -> Rig:
    """Two or three soft boxes around the objects and a dim environment."""
    start = float(rng.uniform(0, 2 * np.pi))
    areas = []
    for number in range(int(rng.integers(2, 4))):
        azimuth = start + number * 2 * np.pi / 3 + float(rng.uniform(-0.4, 0.4))
        elevation = float(np.radians(rng.uniform(25, 75)))
        irradiance = float(rng.uniform(1.5, 3.5))
        areas.append(_area(rng, setting, (azimuth, elevation), (0.3, 1.1), irradiance))
    return Rig(0.3, tuple(areas))


RIGS.register("environment", environment_rig)
RIGS.register("window", window_rig)
RIGS.register("studio", studio_rig)
