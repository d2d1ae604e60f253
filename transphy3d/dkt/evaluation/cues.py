"""Baselines that need no model: what the darkness or the sharpness of a picture gives away.

Each is a disparity up to scale and shift, (T, H, W). The alignment before scoring fits the sign
too, so a cue scores what it can, whether dark is near or far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transphy3d.shards.recording import Recording

# Weights of red, green and blue in luma, ITU-R BT.709.
LUMA = (0.2126, 0.7152, 0.0722)


def darkness(recording: Recording) -> NDArray[np.float64]:
    """1 - luma of the display values."""
    return 1 - luma(recording["rgb"][:])


def image_gradient(recording: Recording) -> NDArray[np.float64]:
    """Sharp or blurred: magnitude of luma's gradient."""
    return gradient_magnitude(recording["rgb"][:])


def gradient_magnitude(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(T, H, W) of pictures (T, H, W, 3), by central differences within a frame."""
    down, right = np.gradient(luma(rgb), axis=(1, 2))
    return np.hypot(down, right)


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Luma of display values, in [0, 1]."""
    return rgb @ np.array(LUMA) / 255
