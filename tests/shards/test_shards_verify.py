"""A good file has no problems; a file damaged in one way is reported in that way and place."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
import synthetic

from transphy3d.shards import checks
from transphy3d.shards.pack import pack
from transphy3d.shards.schema import object_table
from transphy3d.shards.verify import info, verify

FRAMES = 3
BAD = 1


@pytest.fixture(scope="module")
def record():
    return synthetic.meta(FRAMES)


@pytest.fixture(scope="module")
def good_frames(record):
    return synthetic.render(record)


@pytest.fixture
def frames(good_frames):
    return [{name: values.copy() for name, values in frame.items()} for frame in good_frames]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sequence.h5"


def found(path: Path, **options) -> set[tuple]:
    """(frame, channel, check) of every problem; each must name the sequence."""
    problems = verify(path, stride=1, **options)
    assert all(problem.sequence == "000000" for problem in problems), problems
    return {(problem.frame, problem.channel, problem.check) for problem in problems}


def test_a_good_sequence_has_no_problems(path, record, good_frames):
    synthetic.write(path, record, good_frames)
    assert verify(path, stride=1) == []


def test_a_good_packed_folder_has_no_problems(path, record, good_frames, tmp_path):
    synthetic.write(path, record, good_frames)
    pack(path, tmp_path / "packed", name="balls")
    assert verify(tmp_path / "packed") == []


@pytest.mark.parametrize("channels", [("rgb",), ("depth",), ("normal",), ("rgb", "instance")])
def test_a_sequence_with_few_channels_has_no_problems(path, record, good_frames, channels):
    synthetic.write(path, record, good_frames, channels)
    assert verify(path, stride=1) == []


def ball(frame: dict, number: int) -> np.ndarray:
    return frame["instance"] == number


def set_nan(frame):
    frame["depth"][3, 5] = np.nan


def make_negative(frame):
    frame["depth_behind"][3, 5] = -1


def blacken(frame):
    frame["rgb"][:] = 0


def empty_depth(frame):
    for name in ("depth", "depth_behind", "normal", "instance"):
        frame[name][:] = 0


def lose_normals(frame):
    frame["normal"][ball(frame, 1)] = 0


def instance_on_nothing(frame):
    for name in ("depth", "depth_behind", "normal"):
        frame[name][ball(frame, 1)] = 0


def unknown_id(frame):
    frame["instance"][ball(frame, 1)] = 9


def flip_normals(frame):
    frame["normal"][ball(frame, 2)] *= -1


def opengl_normals(frame):
    frame["normal"] *= np.float32([1, -1, 1])


def turn_one_balls_normals(frame):
    frame["normal"][ball(frame, 3)] = [0.9, 0, -0.43589]


def behind_before_depth(frame):
    frame["depth_behind"][ball(frame, 1)] = frame["depth"][ball(frame, 1)] * 0.9


def behind_differs_on_opaque(frame):
    frame["depth_behind"][ball(frame, 3)] += 0.01


def behind_lost_on_opaque(frame):
    frame["depth_behind"][ball(frame, 3)] = 0


def swap_ids(frame):
    one, two = ball(frame, 1), ball(frame, 2)
    frame["instance"][one], frame["instance"][two] = 2, 1


def drop_ids(frame):
    frame["instance"][ball(frame, 2)] = 0


@pytest.mark.parametrize(
    ("damage", "channel", "check"),
    [
        (set_nan, "depth", "finite"),
        (make_negative, "depth_behind", "finite"),
        (blacken, "rgb", "constant"),
        (empty_depth, "depth", "constant"),
        (lose_normals, "normal", "coverage"),
        (instance_on_nothing, "instance", "coverage"),
        (unknown_id, "instance", "ids"),
        (flip_normals, "normal", "facing"),
        (opengl_normals, "normal", "slope"),
        (turn_one_balls_normals, "normal", "slope"),
        (behind_before_depth, "depth_behind", "behind"),
        (behind_differs_on_opaque, "depth_behind", "behind"),
        (behind_lost_on_opaque, "depth_behind", "behind"),
        (swap_ids, "instance", "bounds"),
        (drop_ids, "instance", "visible_object"),
    ],
)
def test_a_damaged_frame_is_named(path, record, frames, damage, channel, check):
    damage(frames[BAD])
    synthetic.write(path, record, frames)
    problems = found(path)
    assert (BAD, channel, check) in problems
    assert all(BAD <= frame <= BAD + 1 for frame, _, _ in problems)


@pytest.mark.parametrize(("size", "problems"), [((36, 48), 0), ((72, 96), 1)])
def test_normals_of_few_pixels_are_not_judged_alone(path, size, problems):
    record = synthetic.meta(1, size)
    (frame,) = synthetic.render(record)
    turn_one_balls_normals(frame)
    synthetic.write(path, record, [frame])
    assert len(verify(path, stride=1)) == problems


@pytest.mark.parametrize(("optical_class", "problems"), [("transparent", 0), ("opaque", FRAMES)])
def test_only_transparent_surroundings_are_seen_through(
    path, record, frames, optical_class, problems
):
    tray = {"materials": {"body": {"optical_class": optical_class}}}
    scene = {"spec": {"support": tray, "room": {"materials": {}}}}
    for frame in frames:
        frame["depth_behind"][ball(frame, 0)] *= np.float32(1.1)
    synthetic.write(path, dataclasses.replace(record, scene=scene), frames)
    assert len(verify(path, stride=1)) == problems


def test_costly_checks_look_at_every_stride_th_frame(path, record, frames):
    flip_normals(frames[BAD])
    synthetic.write(path, record, frames)
    assert verify(path, stride=2) == []
    assert (BAD, "normal", "facing") in found(path)


def test_an_object_that_vanished_from_every_channel_is_missing(path, record, frames):
    rest = synthetic.BALLS[:2]
    frames[BAD] = synthetic.render(record, rest)[BAD]
    synthetic.write(path, record, frames)
    assert (BAD, "depth", "missing_object") in found(path)


def test_depth_that_contradicts_the_poses_is_found_by_reprojection(path, record, frames):
    for name in ("depth", "depth_behind"):
        frames[BAD][name] *= np.float32(1.01)
    synthetic.write(path, record, frames, ("rgb", "depth"))
    assert (BAD, "depth", "reprojection") in found(path)


def test_a_pose_of_another_moment_is_found_by_reprojection(path, record, good_frames):
    shifted = [np.array(pose) for pose in record.world_to_camera]
    shifted[BAD][2, 3] += 0.005
    poses = tuple(tuple(map(tuple, pose.tolist())) for pose in shifted)
    moved = dataclasses.replace(record, world_to_camera=poses)
    synthetic.write(path, moved, good_frames, ("depth",))
    assert (BAD, "depth", "reprojection") in found(path)


def flat(number: int, depth: np.ndarray) -> checks.Frame:
    """A frame of depth alone, seen from the origin."""
    k = synthetic.intrinsics(depth.shape[1], depth.shape[0])
    return checks.Frame(number, {"depth": depth}, np.eye(4), k, object_table(()))


def test_what_another_frame_hides_is_no_contradiction():
    far = np.full((40, 60), 3.0, np.float32)
    hidden = far.copy()
    hidden[:, :45] = 1.0  # most of what the one frame sees lies behind a wall in the other
    assert list(checks.frames_reproject(flat(1, far), flat(0, hidden))) == []


@pytest.mark.parametrize("factor", [0.99, 1.002])
def test_depth_off_by_little_is_a_contradiction_all_the_same(factor):
    far = np.full((40, 60), 3.0, np.float32)
    (finding,) = checks.frames_reproject(flat(1, far * np.float32(factor)), flat(0, far))
    assert finding.check == "reprojection"


@pytest.mark.parametrize("channel", ["rgb", "depth"])
def test_a_repeated_frame_is_named_while_the_camera_moves(path, record, frames, channel):
    frames[BAD][channel] = frames[BAD - 1][channel]
    synthetic.write(path, record, frames, (channel,))
    assert (BAD, channel, "repeated") in found(path, deep=False)


def test_a_repeated_frame_is_right_while_the_camera_rests(path, record, frames):
    still = dataclasses.replace(record, world_to_camera=record.world_to_camera[:1] * FRAMES)
    synthetic.write(path, still, [frames[0]] * FRAMES)
    assert verify(path, stride=1) == []


def test_a_pose_that_is_not_rigid_is_named(path, record, good_frames):
    poses = np.array(record.world_to_camera)
    poses[BAD, :3, :3] *= 1.001
    broken = tuple(tuple(map(tuple, pose)) for pose in poses.tolist())
    synthetic.write(path, dataclasses.replace(record, world_to_camera=broken), good_frames)
    assert (BAD, "world_to_camera", "camera") in found(path, deep=False)


def test_intrinsics_with_skew_are_named(path, record, good_frames):
    k = np.array(record.intrinsics)
    k[0, 1] = 2
    broken = dataclasses.replace(record, intrinsics=tuple(map(tuple, k.tolist())))
    synthetic.write(path, broken, good_frames)
    assert (None, "intrinsics", "camera") in found(path, deep=False)


@pytest.mark.parametrize("channel", synthetic.CHANNELS)
def test_a_changed_byte_in_a_chunk_is_named(path, record, good_frames, channel):
    synthetic.write(path, record, good_frames)
    with h5py.File(path, "r+") as file:
        dataset = file["000000"][channel].id
        origin = (BAD,) + (0,) * (dataset.rank - 1)
        chunk = bytearray(dataset.read_direct_chunk(origin)[1])
        chunk[len(chunk) // 2] ^= 1
        dataset.write_direct_chunk(origin, bytes(chunk))
    assert found(path) == {(BAD, channel, "checksum")}


def test_a_changed_table_is_named(path, record, good_frames):
    synthetic.write(path, record, good_frames)
    with h5py.File(path, "r+") as file:
        file["000000/world_to_camera"][BAD, 0, 3] += 1
    assert found(path) == {(None, "world_to_camera", "checksum")}


@pytest.mark.parametrize(
    ("table", "channel"), [("objects", "objects"), ("checksums/rgb", "rgb"), ("scene", "scene")]
)
def test_a_lost_table_is_named(path, record, good_frames, table, channel):
    synthetic.write(path, record, good_frames)
    with h5py.File(path, "r+") as file:
        del file["000000"][table]
    assert found(path) == {(None, channel, "schema")}


def test_a_channel_of_the_wrong_type_is_named(path, record, good_frames):
    synthetic.write(path, record, good_frames)
    with h5py.File(path, "r+") as file:
        del file["000000/depth"]
        file["000000/depth"] = np.zeros((FRAMES, 72, 96), "f8")
    assert found(path) == {(None, "depth", "schema")}


def test_another_version_is_reported(path, record, good_frames):
    synthetic.write(path, record, good_frames)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    (problem,) = verify(path)
    assert problem.check == "open"
    assert "99" in problem.message


def test_a_truncated_file_is_reported(path, record, good_frames):
    synthetic.write(path, record, good_frames)
    path.write_bytes(path.read_bytes()[:5000])
    (problem,) = verify(path)
    assert (problem.path, problem.check) == (str(path), "open")


def test_a_shard_that_differs_from_its_sum_is_named(path, record, good_frames, tmp_path):
    synthetic.write(path, record, good_frames)
    packed = tmp_path / "packed"
    pack(path, packed, name="balls")
    with (packed / "balls-00000.h5").open("ab") as file:
        file.write(b"x")
    problems = verify(packed, deep=False)
    assert [(p.path, p.check) for p in problems] == [(str(packed / "balls-00000.h5"), "sums")]


def test_info_sums_up_a_data_set(path, record, good_frames):
    synthetic.write(path, record, good_frames)
    summary = info(path)
    assert summary["frames"] == FRAMES
    assert summary["objects"] == 3
    assert summary["optical_classes"] == {"transparent": 1, "reflective": 1, "opaque": 1}
    assert sum(summary["stored_bytes"].values()) < path.stat().st_size
