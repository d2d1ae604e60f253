"""Unit quaternions (w, x, y, z), the order of all files, and matrices as plain tuples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from transphy3d.scenes.spec import Matrix3, Matrix4, Pose, Quat


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


def as_matrix3(values: NDArray[np.float64]) -> Matrix3:
    """A (3, 3) array as nested tuples."""
    rows: Matrix3 = tuple(map(tuple, values.tolist()))  # type: ignore[assignment]
    return rows


def as_matrix4(values: NDArray[np.float64]) -> Matrix4:
    """A (4, 4) array as nested tuples."""
    rows: Matrix4 = tuple(map(tuple, values.tolist()))  # type: ignore[assignment]
    return rows
