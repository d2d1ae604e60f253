"""Pictures of a material, read within bounds and sampled at points of the surface."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from PIL import Image

from transphy3d.blender.surface_points import Floats

MAX_PIXELS = 1 << 27  # 16384 x 8192; decoded pictures take 4 bytes a pixel
DRAFT = 1024  # JPEG files are decoded no larger than about this
KEPT = 2048  # longest edge of what is kept of a picture, taking every so many pixels
FORMATS = ("PNG", "JPEG", "JPEG2000", "WEBP", "TIFF", "TGA", "BMP")
UNKNOWN = 0.5
LINEAR = ("Non-Color", "Linear", "Raw", "ACES", "Generic Data")

Image.MAX_IMAGE_PIXELS = None  # sizes are judged here, before anything is decoded


class Pictures:
    """The pictures of one file, each decoded once.

    folder : the asset's; files outside it are not read
    notes : what could not be read, for people
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._read: dict[int, Floats | None] = {}
        self.notes: list[str] = []

    def sample(self, image: Any, uv: Floats, extension: str) -> Floats:
        """(N, 4) scene-linear colour and alpha at (N, 2) positions, nearest pixel.

        A picture that cannot be read is mid-grey, and opaque. Raises ValueError for one whose
        header declares more than MAX_PIXELS.
        """
        pixels = self._pixels(image)
        if pixels is None:
            return np.tile([UNKNOWN, UNKNOWN, UNKNOWN, 1.0], (len(uv), 1))
        height, width = pixels.shape[:2]
        wrapped = uv % 1.0 if extension in ("REPEAT", "MIRROR") else np.clip(uv, 0, 1 - 1e-9)
        column = np.minimum((wrapped[:, 0] * width).astype(int), width - 1)
        row = np.minimum(((1 - wrapped[:, 1]) * height).astype(int), height - 1)
        found: Floats = pixels[row, column].astype(np.float64) / 255
        if not image.colorspace_settings.name.startswith(LINEAR):
            found[:, :3] = linear(found[:, :3])
        if extension == "CLIP":
            found[((uv < 0) | (uv > 1)).any(axis=1)] = 0.0
        return found

    def _pixels(self, image: Any) -> Floats | None:
        key = image.as_pointer()
        if key not in self._read:
            self._read[key] = self._decode(image)
            if self._read[key] is None:
                self.notes.append(f"picture {image.name!r} is missing or of an unread kind")
        return self._read[key]

    def _decode(self, image: Any) -> Any:
        """(height, width, 4) uint8, or None."""
        if image.source == "GENERATED":
            color = np.clip(np.array(image.generated_color[:]) * 255, 0, 255)
            return color.astype(np.uint8)[None, None]
        stream = self._stream(image)
        if stream is None:
            return None
        try:
            with Image.open(stream, formats=FORMATS) as opened:
                pixels = _rgba(opened, image.name)
        except (OSError, SyntaxError):  # Pillow's words for what it cannot read
            return None
        step = -(-max(pixels.shape) // KEPT)
        return pixels[::step, ::step].copy()

    def _stream(self, image: Any) -> Any:
        if image.packed_file:
            return io.BytesIO(image.packed_file.data)
        path = Path(bpy.path.abspath(image.filepath.replace("<UDIM>", "1001")))
        inside = path.is_file() and path.resolve().is_relative_to(self._folder)
        return path if inside else None


def _rgba(opened: Image.Image, name: str) -> Any:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"picture {name!r} is {width} x {height}, more than {MAX_PIXELS} pixels; scale it down"
        )
    opened.draft("RGB", (DRAFT, DRAFT))
    if opened.mode.startswith("I"):  # 16 bits a channel, which Pillow would clip
        grey = (np.asarray(opened, np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    return np.asarray(opened.convert("RGBA"))


def linear(encoded: Floats) -> Floats:
    """sRGB to linear, IEC 61966-2-1."""
    low = encoded / 12.92
    high = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, low, high)


# How the values of procedural textures are spread: noise gathers around its middle.
SPREADS: dict[str, Callable[[Floats], Floats]] = {
    "ShaderNodeTexNoise": lambda even: np.clip(0.5 + 0.12 * _normal(even), 0, 1),
    "ShaderNodeTexWhiteNoise": lambda even: even,
    "ShaderNodeTexVoronoi": lambda even: even,
    "ShaderNodeTexWave": lambda even: 0.5 - 0.5 * np.cos(np.pi * even),
    "ShaderNodeTexMagic": lambda even: 0.5 - 0.5 * np.cos(np.pi * even),
    "ShaderNodeTexGradient": lambda even: even,
    "ShaderNodeTexGabor": lambda even: np.clip(0.5 + 0.12 * _normal(even), 0, 1),
}


def _normal(even: Floats) -> Floats:
    """Normal quantiles by the logistic curve, whose distribution is within 0.01 (Camilli 1994)."""
    odds: Floats = np.log(even / (1 - even)) / 1.702
    return odds
