"""Picture files as frames."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from transphy3d.errors import ShardError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
BYTE_STEP = 257  # 65535 / 255


def is_picture(path: Path) -> bool:
    """Whether a file is named as a picture."""
    return path.suffix.lower() in SUFFIXES


def pictures(folder: Path) -> list[Path]:
    """The picture files of a folder in natural order: 2.png before 10.png."""
    return sorted((p for p in folder.iterdir() if is_picture(p)), key=lambda p: _natural(p.name))


def _natural(name: str) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB, turned as its EXIF says, alpha dropped.

    Raises ShardError if the file cannot be decoded.
    """
    try:
        with Image.open(path) as picture:
            turned = ImageOps.exif_transpose(picture)
            if turned.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
                grey = np.asarray(turned).clip(0, 65535) // BYTE_STEP
                return np.repeat(grey.astype(np.uint8)[..., None], 3, 2)
            return np.asarray(turned.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow says of broken PNG
        raise ShardError(f"{path}: cannot be decoded ({error}); remove or replace it") from None
