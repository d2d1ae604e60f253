"""From a stored frame to another size: which pixels are taken, and the intrinsics that follow.

Pixel (u, v) has its centre at (u + 0.5, v + 0.5), so a scale and a shift of the picture are a
scale and a shift of fx, fy, cx and cy. A flip mirrors the world together with the camera: the
picture of a mirrored scene, with a proper pose of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Framing:
    """Scale a (H, W) picture to `scaled`, cut `size` out of it at (top, left), then flip it.

    source, scaled, size : (height, width) in pixels
    flip : mirror left and right
    """

    source: tuple[int, int]
    scaled: tuple[int, int]
    size: tuple[int, int]
    top: int
    left: int
    flip: bool = False

    def intrinsics(self, intrinsics: Floats) -> Floats:
        """(3, 3) of the new picture from those of the stored one."""
        vertical, horizontal = (a / b for a, b in zip(self.scaled, self.source, strict=True))
        change = np.array([[horizontal, 0, -self.left], [0, vertical, -self.top], [0, 0, 1]])
        framed = change @ intrinsics
        if self.flip:
            framed[0, 2] = self.size[1] - framed[0, 2]
        return np.asarray(framed)

    def poses(self, world_to_camera: Floats) -> Floats:
        """(T, 4, 4) of the new pictures; flipped ones see a world mirrored in x."""
        return MIRROR @ world_to_camera @ MIRROR if self.flip else world_to_camera

    def rows(self) -> NDArray[np.int64]:
        """(height,) stored rows, nearest to the centres of the new ones."""
        return _nearest(self.source[0], self.scaled[0])[self.top : self.top + self.size[0]]

    def columns(self) -> NDArray[np.int64]:
        """(width,) stored columns, nearest to the centres of the new ones, flip included."""
        kept = _nearest(self.source[1], self.scaled[1])[self.left : self.left + self.size[1]]
        return kept[::-1] if self.flip else kept


def _nearest(source: int, scaled: int) -> NDArray[np.int64]:
    return ((np.arange(scaled) + 0.5) * source / scaled).astype(np.int64)


def covering(
    source: tuple[int, int],
    size: tuple[int, int],
    *,
    shift: tuple[float, float] = (0.5, 0.5),
    flip: bool = False,
) -> Framing:
    """The smallest scale at which the picture covers `size`, and a cut out of it.

    shift : where the cut lies, (down, right), from 0 to 1; one half is the middle
    """
    factor = max(wanted / have for wanted, have in zip(size, source, strict=True))
    scaled = (
        max(size[0], round(source[0] * factor)),
        max(size[1], round(source[1] * factor)),
    )
    room = (scaled[0] - size[0], scaled[1] - size[1])
    top, left = (round(r * s) for r, s in zip(room, shift, strict=True))
    return Framing(source, scaled, size, top, left, flip)
