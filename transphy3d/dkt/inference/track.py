"""Where a camera was at each frame of a video: an arm, a rig or a tracker tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from transphy3d.errors import JobError, ShardError
from transphy3d.groundtruth.camera import invert_rigid

Floats = NDArray[np.floating[Any]]
OTHERS = 6
MAX_TURN = 40.0  # degrees between optical axes, beyond which little is seen in both frames
RIGID_TOLERANCE = 1e-3
TUM_COLUMNS = 8


@dataclass(frozen=True)
class Track:
    """World to camera (T, 4, 4), metres and OpenCV axes, of each frame of a video."""

    poses: Floats

    def motion(self, frame: int) -> NDArray[np.float64]:
        """The first frame's camera to that of another, (4, 4)."""
        moved: NDArray[np.float64] = self.poses[frame] @ invert_rigid(self.poses[0])
        return moved

    def baselines(self) -> NDArray[np.float64]:
        """Metres between the first camera and each, (T,)."""
        centres = np.stack([invert_rigid(pose)[:3, 3] for pose in self.poses])
        return np.asarray(np.linalg.norm(centres - centres[0], axis=1), np.float64)

    def companions(self, frames: int) -> list[int]:
        """Frames, of so many, to compare the first one with: well apart, looking the same way.

        Raises JobError if the camera does not move.
        """
        baselines = self.baselines()[:frames]
        alike = self.poses[:frames, 2, :3] @ self.poses[0, 2, :3] > np.cos(np.radians(MAX_TURN))
        fit = [k for k in np.argsort(baselines) if alike[k] and baselines[k] > 0]
        if not fit:
            raise JobError(
                "--poses: the camera stays where it is, or turns away at once; metres need it to "
                "move sideways, or use --sensor"
            )
        chosen = np.linspace(len(fit) // 3, len(fit) - 1, OTHERS).round().astype(int)
        return sorted({int(fit[k]) for k in chosen})


def read_track(path: Path) -> Track:
    """A camera's path from .npy, or from a text file as TUM's RGB-D benchmark has it.

    .npy : (T, 4, 4) or (T, 3, 4), world to camera; text : lines of a time that is not looked at,
    position and quaternion xyzw of the camera in the world. One pose a frame, in order.
    Raises ShardError, naming the file, for anything else.
    """
    try:
        poses = _from_array(path) if path.suffix == ".npy" else _from_text(path)
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: cannot be read as poses ({error})") from None
    wrong = _not_rigid(poses)
    if wrong.any():
        raise ShardError(f"{path}: pose {int(np.argmax(wrong)) + 1} is not a rotation and a shift")
    return Track(poses)


def _from_array(path: Path) -> NDArray[np.float64]:
    stored = np.load(path, allow_pickle=False)
    if stored.ndim != 3 or stored.shape[1:] not in ((4, 4), (3, 4)) or not len(stored):
        raise ValueError(f"{stored.shape} is not (T, 4, 4)")
    poses = np.tile(np.eye(4), (len(stored), 1, 1))
    poses[:, :3] = stored[:, :3]
    return poses


def _from_text(path: Path) -> NDArray[np.float64]:
    rows = np.loadtxt(path, comments="#", ndmin=2)
    if rows.shape[1] != TUM_COLUMNS or not len(rows):
        raise ValueError(f"{rows.shape[1]} columns; time, 3 of position, 4 of rotation are needed")
    to_world = np.tile(np.eye(4), (len(rows), 1, 1))
    to_world[:, :3, :3] = Rotation.from_quat(rows[:, 4:]).as_matrix()
    to_world[:, :3, 3] = rows[:, 1:4]
    return np.stack([invert_rigid(pose) for pose in to_world])


def _not_rigid(poses: Floats) -> NDArray[np.bool_]:
    turns = np.nan_to_num(poses[:, :3, :3])
    off = np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max((1, 2)) > RIGID_TOLERANCE
    return np.asarray(~np.isfinite(poses).all((1, 2)) | off | (np.linalg.det(turns) < 0))
