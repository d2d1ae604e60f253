"""Pictures of high dynamic range as the usual ones: BT.2100 to BT.709, each pixel for itself.

Diffuse white becomes white (203 cd/m2 in PQ, 75 % in HLG: ITU-R BT.2408); what is brighter is
clipped.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from av.video.reformatter import ColorTrc
from numpy.typing import NDArray

TRANSFERS = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
DIFFUSE_WHITE = 203.0  # cd/m2
HLG_WHITE = 0.75
SYSTEM_GAMMA = 1.2  # of HLG on a display of 1000 cd/m2, BT.2100
DISPLAY_GAMMA = 2.4  # BT.1886
# BT.2020's primaries in BT.709's, BT.2087.
TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)


def standard_range(codes: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """(H, W, 3) R'G'B' codes of BT.2020 as 8-bit BT.709. transfer : one of TRANSFERS"""
    light = _light(TRANSFERS[transfer])[codes] @ TO_709.T
    return np.rint(255 * light.clip(0, 1) ** (1 / DISPLAY_GAMMA)).astype(np.uint8)


@cache
def _light(name: str) -> NDArray[np.float32]:
    """(65536,) display light of each code, diffuse white = 1."""
    signal = np.linspace(0, 1, 1 << 16)
    if name == "PQ":
        return (pq_light(signal) / DIFFUSE_WHITE).astype(np.float32)
    white = hlg_light(np.array(HLG_WHITE))
    return np.asarray((hlg_light(signal) / white) ** SYSTEM_GAMMA, np.float32)


def pq_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """cd/m2 of a PQ signal in [0, 1], BT.2100."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = signal ** (1 / m2)
    return np.asarray(10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def hlg_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scene light in [0, 1] of an HLG signal in [0, 1], BT.2100."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
