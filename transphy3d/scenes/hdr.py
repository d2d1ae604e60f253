"""Reading HDR environments: OpenEXR files, and Radiance .hdr files with run-length coding.

Layout of .hdr: Ward, "Real Pixels", Graphics Gems II, 1991, and the Radiance file format notes.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from transphy3d.errors import AssetError

SUFFIXES = (".exr", ".hdr")
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear sRGB primaries, ITU-R BT.709
MANTISSA_BITS = 8
EXPONENT_BIAS = 128


def read_hdr(path: Path) -> NDArray[np.float32]:
    """Radiance of a latitude-longitude image, (H, W, 3) linear; the first row is the zenith.

    Raises AssetError for a file that is missing, damaged or of another format.
    """
    if not path.is_file():
        raise AssetError(f"environment {path}: no such file; check lights.environments")
    reader = {".exr": _read_exr, ".hdr": _read_radiance}.get(path.suffix.lower())
    if reader is None:
        raise AssetError(f"environment {path}: is no {' or '.join(SUFFIXES)} file; convert it")
    try:
        pixels = reader(path)
    except (RuntimeError, ValueError, KeyError, IndexError, OSError) as error:
        raise AssetError(f"environment {path}: cannot be read ({error}); replace it") from error
    if not np.isfinite(pixels).all():
        raise AssetError(f"environment {path}: holds infinite radiance or NaN; mend it")
    return np.maximum(pixels, 0)  # lossy compression undershoots beside bright lamps


def mean_luminance(pixels: NDArray[np.float32]) -> float:
    """Mean luminance over the upper hemisphere, each direction as likely."""
    rows, polar = _upper_rows(pixels)
    return float(np.average(rows, weights=np.sin(polar)))


def level_luminance(pixels: NDArray[np.float32], horizon: float) -> float:
    """Irradiance over pi of a level surface that sees the sky above `horizon`, in luminance.

    horizon : elevation in radians up to which walls hide the sky
    A uniform sky without walls gives its own luminance.
    """
    rows, polar = _upper_rows(pixels)
    weights = np.sin(polar) * np.cos(polar)
    seen = np.where(polar < np.pi / 2 - horizon, rows, 0.0)
    return float(np.average(seen, weights=weights))


def _upper_rows(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Luminance of each row above the horizon, and its angle from the zenith in radians."""
    rows = (pixels[: pixels.shape[0] // 2].astype(np.float64) @ LUMINANCE).mean(axis=1)
    return rows, (np.arange(len(rows)) + 0.5) / pixels.shape[0] * np.pi


def _read_exr(path: Path) -> NDArray[np.float32]:
    with OpenEXR.File(str(path)) as file:
        channels = file.channels()
        if "RGB" in channels or "RGBA" in channels:
            whole = channels["RGB" if "RGB" in channels else "RGBA"].pixels
            return np.asarray(whole[..., :3], dtype=np.float32)
        planes = [channels[name].pixels for name in "RGB"]
        return np.stack(planes, axis=-1).astype(np.float32)  # type: ignore[no-any-return]


def _read_radiance(path: Path) -> NDArray[np.float32]:
    data = path.read_bytes()
    header = re.match(rb"#\?.*?\n\n-Y (\d+) \+X (\d+)\n", data, re.DOTALL)
    if header is None or b"32-bit_rle_rgbe" not in header[0]:
        raise ValueError("no Radiance header with FORMAT=32-bit_rle_rgbe and -Y +X order")
    height, width = int(header[1]), int(header[2])
    codes = np.frombuffer(data, np.uint8, offset=header.end())
    start = np.array([2, 2, width >> 8, width & 255], dtype=np.uint8)
    if np.array_equal(codes[:4], start) and width >= 8:
        rgbe = _run_lengths(codes.tobytes(), height, width)
    else:
        rgbe = codes[: height * width * 4].reshape(height, width, 4)
    scale = np.ldexp(1.0, rgbe[..., 3].astype(np.int32) - EXPONENT_BIAS - MANTISSA_BITS)
    return np.where(rgbe[..., 3:] > 0, rgbe[..., :3] * scale[..., None], 0).astype(np.float32)


def _run_lengths(codes: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Unpack rows that hold the four components one after another."""
    rows = np.zeros((height, 4, width), dtype=np.uint8)
    place = 0
    for row in rows:
        place += 4
        for component in row:
            filled = 0
            while filled < width:
                count = codes[place]
                run = count > 128
                length = count - 128 if run else count
                if length == 0 or filled + length > width:
                    raise ValueError("a run leads past the end of its row")
                stop = place + 2 if run else place + 1 + length
                component[filled : filled + length] = np.frombuffer(codes[place + 1 : stop], "u1")
                place, filled = stop, filled + length
    return rows.transpose(0, 2, 1)
