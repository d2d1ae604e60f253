"""What a scene at rest has to fulfil."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from transphy3d.physics.world import World
from transphy3d.scenes.rotations import matrix
from transphy3d.scenes.spec import Pose

# Gaps from this on, in metres, are no overlap and need no measuring.
TOUCHING = 0.0005
# A vessel keeps its liquid up to this lean, degrees: its level would visibly tilt beyond.
MAX_LIQUID_TILT = 1.0


def deepest_overlap(world: World, handles: Sequence[int], others: Sequence[int]) -> float:
    """The greatest overlap in metres among `handles`, and between them and `others`; 0 if none."""
    pairs = [*combinations(handles, 2), *((a, b) for a in handles for b in others)]
    return max(0.0, -min((world.gap(a, b, TOUCHING) for a, b in pairs), default=0.0))


def tilt(pose: Pose) -> float:
    """Degrees between an object's own Z axis and the vertical."""
    return float(np.degrees(np.arccos(np.clip(matrix(pose.rotation)[2, 2], -1, 1))))
