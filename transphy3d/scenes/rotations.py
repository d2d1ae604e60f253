"""Unit quaternions (w, x, y, z), the order of all files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from transphy3d.scenes.spec import Pose, Quat


def turn(angle: float) -> Quat:
    """A rotation by `angle` radians about Z."""
    return (float(np.cos(angle / 2)), 0.0, 0.0, float(np.sin(angle / 2)))


def uniform_rotation(rng: np.random.Generator) -> Quat:
    """A rotation drawn uniformly over SO(3): a normalised 4-D Gaussian (Marsaglia 1972)."""
    quat = rng.normal(size=4)
    quat = quat / np.linalg.norm(quat)
    return (float(quat[0]), float(quat[1]), float(quat[2]), float(quat[3]))


def matrix(quat: Quat) -> NDArray[np.float64]:
    """The (3, 3) rotation matrix of a quaternion."""
    w, x, y, z = quat
    result: NDArray[np.float64] = Rotation.from_quat((x, y, z, w)).as_matrix()
    return result


def pose_matrix(pose: Pose) -> NDArray[np.float64]:
    """The (4, 4) object-to-world matrix of a pose."""
    result = np.eye(4)
    result[:3, :3] = matrix(pose.rotation)
    result[:3, 3] = pose.position
    return result
