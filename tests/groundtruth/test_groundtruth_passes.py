"""Reading ground truth: what counts as nothing, which way normals look, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from transphy3d.errors import RenderError
from transphy3d.groundtruth.camera import pixel_rays
from transphy3d.groundtruth.passes import facing, ground_truth, read_truth

INTRINSICS = np.array([(4.0, 0, 2), (0, 4, 1), (0, 0, 1)])


def write_exr(path: Path, **passes: np.ndarray) -> Path:
    channels = {
        f"ViewLayer.{name.replace('_', '.')}": pixels.astype(np.float32)
        for name, pixels in passes.items()
    }
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(path))
    return path


def frame_passes() -> dict[str, np.ndarray]:
    """2 x 4 pixels of a wall at z = 3 that faces the camera; the last column is empty."""
    empty = np.arange(4) == 3
    depth = np.where(empty, 1e10, 3.0) * np.ones((2, 1))
    down = np.where(empty, 0.0, -1.0) * np.ones((2, 1))
    index = np.where(empty, 0, [7, 65535, 2, 0]) * np.ones((2, 1))
    zero = np.zeros((2, 4))
    return {
        "Depth_Z": depth, "Normal_X": zero, "Normal_Y": zero, "Normal_Z": down, "IndexOB_X": index,
    }  # fmt: skip


def test_the_background_is_zero_everywhere(tmp_path: Path) -> None:
    path = write_exr(tmp_path / "truth.exr", **frame_passes())
    truth = ground_truth(path, None, INTRINSICS, np.eye(4))
    assert truth.depth.tolist() == [[3, 3, 3, 0]] * 2
    assert truth.instance.tolist() == [[7, 65535, 2, 0]] * 2
    assert truth.normal[0].tolist() == [[0, 0, -1]] * 3 + [[0, 0, 0]]
    assert truth.depth_behind is None
    assert (truth.depth.dtype, truth.instance.dtype) == (np.float32, np.uint16)


def test_normals_are_turned_into_the_camera_frame(tmp_path: Path) -> None:
    passes = frame_passes()
    passes["Normal_X"], passes["Normal_Z"] = passes["Normal_Z"], passes["Normal_X"]
    path = write_exr(tmp_path / "truth.exr", **passes)
    along_x = np.eye(4)  # the camera looks along the world's x
    along_x[:3, :3] = [(0, -1, 0), (0, 0, -1), (1, 0, 0)]
    truth = ground_truth(path, path, INTRINSICS, along_x)
    assert truth.normal[0, 0].tolist() == [0, 0, -1]
    assert np.array_equal(truth.depth, truth.depth_behind)


def test_rays_go_through_pixel_centres() -> None:
    rays = pixel_rays(INTRINSICS, 2, 4)
    assert rays.shape == (2, 4, 3)
    assert np.allclose(rays[0, 0], [(0.5 - 2) / 4, (0.5 - 1) / 4, 1])
    assert np.allclose(rays[1, 3], [(3.5 - 2) / 4, (1.5 - 1) / 4, 1])


def test_a_normal_that_turns_away_becomes_grazing_and_others_stay() -> None:
    ray = np.array((0.6, 0, 0.8))
    away = np.array((1.0, 0, 0)) + 0.05 * ray
    toward = np.array((0, 0.6, -0.8))
    fixed = facing(np.stack([away, toward]), np.stack([ray, ray]))
    assert np.array_equal(fixed[1], toward)
    assert -1e-4 < fixed[0] @ ray < 0
    assert np.isclose(np.linalg.norm(fixed[0]), 1)
    flat = away - (away @ ray) * ray
    assert fixed[0] @ flat / np.linalg.norm(flat) > 1 - 1e-9


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    path = write_exr(tmp_path / "truth.exr", **frame_passes())
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RenderError, match=r"truth\.exr"):
        read_truth(path)


def test_a_file_without_a_pass_is_refused(tmp_path: Path) -> None:
    passes = frame_passes()
    del passes["IndexOB_X"]
    path = write_exr(tmp_path / "truth.exr", **passes)
    with pytest.raises(RenderError, match=r"no pass IndexOB\.X"):
        read_truth(path)
