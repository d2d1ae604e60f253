"""ClearPose (Chen et al. 2022): videos of a real table of transparent things, 640x480.

    set{s}/scene{n}/{000000}-color.png, -depth.png (sensor, mm), -depth_true.png (mm),
    -label.png (0 = none), -normal_true.png, and metadata.mat keyed by frame

Depth of the objects is drawn from posed models into the sensor's depth of everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from transphy3d.dkt.sets.decode import (
    ALL_DEPTHS,
    OPENCV,
    damaged,
    mm_depth,
    picture,
    plain_png,
    png_normals,
    toward_camera,
)
from transphy3d.dkt.sets.folder import Files, search
from transphy3d.dkt.sets.kind import Opened, SetKind, video
from transphy3d.dkt.sets.recording import Camera, Floats, Size

FPS = 30.0
# Of the published pictures at their width, for a scene without metadata.
WIDTH = 640
INTRINSICS = np.array([[601.33, 0, 334.67], [0, 601.33, 248.0], [0, 0, 1.0]])
# Scenes of each set, None for all; the tests are those of the set's own paper, table 2.
Scenes = dict[int, tuple[int, ...] | None]
TRAIN: Scenes = {1: (1, 2, 3, 4), **dict.fromkeys((4, 5, 6, 7), (1, 2, 3, 4, 5))}
NEW_BACKGROUND: Scenes = {1: (5,), **dict.fromkeys((4, 5, 6, 7), (6,))}
SPLITS: dict[str, Scenes] = {
    "train": TRAIN,
    "test": NEW_BACKGROUND | {2: None, 3: None, 8: None, 9: None},
    "heavy-occlusion": {2: None, 3: None},
    "new-background": NEW_BACKGROUND,
    "opaque-objects": {8: (1, 2, 3)},
    "translucent-cover": {8: (4,), 9: (7, 8)},
    "non-planar": {8: (5,), 9: (11, 12)},
    "liquid": {8: (6,), 9: (9, 10)},
}


def normals(path: Path) -> NDArray[np.float32]:
    """Stored without saying which side, and cut down to 8 bits instead of rounded."""
    stored = png_normals(OPENCV, 0.5, path)
    return toward_camera(stored, usual_intrinsics(stored.shape[1]))


def usual_intrinsics(width: int) -> Floats:
    """(3, 3) pixels of a picture so wide."""
    return np.diag([width / WIDTH, width / WIDTH, 1.0]) @ INTRINSICS


def labels(path: Path) -> NDArray[np.int32]:
    """(H, W) class of the object, 0 = none."""
    return plain_png(path).astype(np.int32)


TRUTH = Files("{}-depth_true.png", partial(mm_depth, ALL_DEPTHS))
CHANNELS = {
    "rgb": Files("{}-color.png", picture),
    "depth": TRUTH,
    "sensor": Files("{}-depth.png", partial(mm_depth, ALL_DEPTHS)),
    "normal": Files("{}-normal_true.png", normals),
    "instance": Files("{}-label.png", labels),
}


def find(root: Path, split: str) -> Opened:
    """The scenes of a split that are there, each a video."""
    opened = Opened()
    for scene in _scenes(root, SPLITS[split]):
        name = f"{scene.parent.name}/{scene.name}"
        opened += video(scene, name, search(scene, CHANNELS), TRUTH, FPS, film)
    return opened


def _scenes(root: Path, wanted: Scenes) -> Iterator[Path]:
    for number, scenes in wanted.items():
        folder = root / f"set{number}"
        there = {
            int(place.name.removeprefix("scene")): place
            for place in folder.glob("scene*")
            if place.name.removeprefix("scene").isdigit()
        }
        yield from (there[n] for n in sorted(there) if scenes is None or n in scenes)


def film(path: Path, ids: tuple[str, ...], size: Size) -> Camera:
    """From metadata.mat; a frame that is missing there has a pose of NaN.

    Its rotation_translation_matrix is camera to world: the set's own tool takes its inverse to
    bring objects to the camera.
    """
    table = _metadata(path / "metadata.mat")
    if not table:
        return Camera(usual_intrinsics(size[1]))
    poses = np.stack([_pose(table.get(frame)) for frame in ids])
    given = next((table[frame] for frame in ids if frame in table), None)
    if given is None:
        return Camera(usual_intrinsics(size[1]))
    return Camera(np.asarray(given["intrinsic_matrix"], np.float64), poses)


def _pose(entry: dict[str, Any] | None) -> Floats:
    if entry is None:
        return np.full((4, 4), np.nan)
    camera_to_world = np.vstack([entry["rotation_translation_matrix"], [0, 0, 0, 1]])
    return np.asarray(np.linalg.inv(camera_to_world.astype(np.float64)))


def _metadata(path: Path) -> dict[str, Any]:
    """Fields by name by frame; none without the file. Raises ShardError if it is damaged."""
    if not path.is_file():
        return {}
    try:
        table: dict[str, Any] = loadmat(str(path), simplify_cells=True)
    except (MatReadError, NotImplementedError, OSError, TypeError, ValueError) as error:
        raise damaged(path, error) from None
    return table


KIND = SetKind(
    splits=tuple(SPLITS),
    train="train",
    test="test",
    frame_wise=False,
    normals=True,
    expected="set{1-9}/scene{n}/{000000}-color.png beside -depth_true.png",
    find=find,
)
