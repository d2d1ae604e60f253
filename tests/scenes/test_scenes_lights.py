from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from transphy3d.config import LightsConfig
from transphy3d.errors import AssetError, JobError
from transphy3d.scenes.hdr import LUMINANCE, level_luminance, mean_luminance, read_hdr
from transphy3d.scenes.lights import (
    BUILTIN_PREFIX,
    Setting,
    environment_files,
    key_power,
    load_environment,
    resolved,
    sample_lights,
)

ROOM = Setting(reach=0.5, bounds=((-2, -2, -0.7), (2, 2, 2)), horizon=0.8)


def write_exr(path: Path, pixels: np.ndarray) -> Path:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"RGB": pixels.astype(np.float32)}).write(str(path))
    return path


def rgbe(pixels: np.ndarray) -> np.ndarray:
    """Shared-exponent bytes of radiances that are exact in them."""
    _, exponent = np.frexp(pixels.max(axis=-1))
    scaled = pixels * np.ldexp(1.0, 8 - exponent)[..., None]
    return np.concatenate([scaled, exponent[..., None] + 128], axis=-1).astype(np.uint8)


def write_radiance(path: Path, pixels: np.ndarray, packed: bool) -> Path:
    height, width, _ = pixels.shape
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n".encode()
    codes = rgbe(pixels)
    if not packed:
        path.write_bytes(head + codes.tobytes())
        return path
    body = b""
    for row in codes:
        body += bytes([2, 2, width >> 8, width & 255])
        for plane in row.T:
            runs = np.flatnonzero(np.diff(plane, prepend=-1, append=-1))
            for start, stop in pairwise(runs):
                literal = bytes([stop - start]) + plane[start:stop].tobytes()
                body += bytes([128 + stop - start, plane[start]]) if stop - start > 2 else literal
    path.write_bytes(head + body)
    return path


def test_every_builtin_environment_lights_a_level_sheet_alike():
    for path in environment_files("builtin"):
        environment = load_environment(path, read_hdr(path), 0.0, strength=1.3, horizon=0.0)
        lit = environment.strength * level_luminance(read_hdr(path), 0.0)
        assert 0.4 < lit <= 1.3 + 1e-9, path.name
        assert environment.strength * mean_luminance(read_hdr(path)) <= 1.3 / 0.3 + 1e-9


def test_all_eight_builtin_environments_are_read_without_negative_light():
    files = environment_files("builtin")
    assert len(files) == 8
    for path in files:
        pixels = read_hdr(path)
        assert pixels.shape[1] == 2 * pixels.shape[0]
        assert pixels.min() >= 0 and pixels.max() > 0.5, path.name


def test_what_lossy_compression_left_below_zero_is_black(tmp_path):
    pixels = np.full((8, 16, 3), 0.5)
    pixels[3, 4] = -1e-3
    read = read_hdr(write_exr(tmp_path / "sky.exr", pixels))
    assert not read[3, 4].any()
    assert read[0, 0].tolist() == [0.5, 0.5, 0.5]


def test_a_uniform_sky_has_its_own_luminance_and_walls_take_their_share():
    sky = np.full((256, 8, 3), 2.0, dtype=np.float32)
    assert mean_luminance(sky) == pytest.approx(2.0)
    assert level_luminance(sky, 0.0) == pytest.approx(2.0)
    # A cap of half angle a around the zenith gives sin(a)^2 of the whole irradiance.
    assert level_luminance(sky, np.radians(60)) == pytest.approx(2.0 * 0.25, rel=0.02)


def test_luminance_weighs_the_zenith_more_for_a_level_sheet():
    sky = np.zeros((128, 8, 3), dtype=np.float32)
    sky[:16] = 1.0
    assert level_luminance(sky, 0.0) > mean_luminance(sky) > 0
    assert sum(LUMINANCE) == pytest.approx(1.0)


@pytest.mark.parametrize("packed", [False, True])
def test_radiance_files_are_read_exactly(tmp_path, packed):
    rng = np.random.default_rng(0)
    levels = rng.integers(128, 256, size=(6, 16, 1)) * 2.0 ** rng.integers(-6, 6, size=(6, 16, 1))
    pixels = np.concatenate([levels, levels, levels], axis=-1)
    pixels[2:4] = pixels[2, 3]
    path = write_radiance(tmp_path / "sky.hdr", pixels, packed)
    np.testing.assert_array_equal(read_hdr(path), pixels.astype(np.float32))


def test_own_folders_are_used_and_named_by_their_full_path(tmp_path):
    path = write_exr(tmp_path / "sky.exr", np.full((8, 16, 3), 0.5))
    config = LightsConfig(environments=str(tmp_path), strength=(1.0, 1.0), rigs={"environment": 1})
    rng = np.random.default_rng
    light = sample_lights(config, Setting(0.5, ROOM.bounds, 0.0), rng(0), rng(1))
    assert light.environment is not None
    assert light.environment.path == str(path)
    assert light.environment.strength == pytest.approx(2.0)


def test_builtin_environments_are_found_again_on_any_machine():
    light = sample_lights(LightsConfig(), ROOM, np.random.default_rng(0), np.random.default_rng(1))
    assert light.environment is not None
    assert light.environment.path.startswith(BUILTIN_PREFIX)
    assert Path(resolved(light.environment).path).is_file()


@pytest.mark.parametrize("content", [b"", b"not an image", b"#?RADIANCE\n\n-Y 4 +X 4\nxx"])
@pytest.mark.parametrize("name", ["sky.exr", "sky.hdr"])
def test_damaged_environments_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AssetError, match=name.replace(".", r"\.")):
        read_hdr(tmp_path / name)


def test_missing_black_and_infinite_environments_are_refused(tmp_path):
    with pytest.raises(AssetError, match="no such file"):
        read_hdr(tmp_path / "gone.exr")
    black = write_exr(tmp_path / "black.exr", np.zeros((8, 16, 3)))
    with pytest.raises(AssetError, match="black"):
        load_environment(black, read_hdr(black), 0.0, 1.0, 0.0)
    endless = write_exr(tmp_path / "endless.exr", np.full((8, 16, 3), np.inf))
    with pytest.raises(AssetError, match="infinite"):
        read_hdr(endless)


def test_empty_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(JobError, match="holds no"):
        environment_files(str(tmp_path))
    with pytest.raises(JobError, match="is not a folder"):
        environment_files(str(tmp_path / "gone"))


@pytest.mark.parametrize("rig", ["environment", "window", "studio"])
def test_lights_are_inside_the_room_and_above_the_objects(rig):
    for seed in range(20):
        config = LightsConfig(rigs={rig: 1.0})
        light = sample_lights(
            config, ROOM, np.random.default_rng(seed), np.random.default_rng(seed)
        )
        assert light.rig == rig
        assert (len(light.areas) > 1) or rig != "studio"
        for area in light.areas:
            assert (np.array(area.position) > ROOM.bounds[0]).all()
            assert (np.array(area.position) < ROOM.bounds[1]).all()
            assert area.position[2] > 0 and area.power > 0


def test_a_lamp_makes_up_for_a_sky_that_walls_hide(tmp_path):
    sky = np.zeros((64, 16, 3))
    sky[24:32] = 1.0  # light near the horizon alone
    write_exr(tmp_path / "low.exr", sky)
    config = LightsConfig(environments=str(tmp_path), strength=(1.0, 1.0), rigs={"environment": 1})
    rng = np.random.default_rng
    free = Setting(0.5, ROOM.bounds, 0.0)
    assert sample_lights(config, free, rng(0), rng(0)).areas == ()
    walled = sample_lights(config, ROOM, rng(0), rng(0)).areas
    assert len(walled) == 1
    height = walled[0].position[2]
    assert walled[0].power == pytest.approx(np.pi**2 * height**2)


def test_the_power_of_a_light_follows_from_lamberts_law():
    # Radiance P / (pi A) seen under the solid angle A / d^2 on the axis.
    power, area, distance = key_power(3.0, 2.0), 0.01, 2.0
    assert power / (np.pi * area) * area / distance**2 == pytest.approx(3.0)


def test_the_rig_moves_no_environment():
    chosen = [
        sample_lights(
            LightsConfig(rigs={rig: 1.0}), ROOM, np.random.default_rng(5), np.random.default_rng(6)
        ).environment
        for rig in ("environment", "studio")
    ]
    assert chosen[0] is not None and chosen[1] is not None
    assert (chosen[0].path, chosen[0].rotation) == (chosen[1].path, chosen[1].rotation)
