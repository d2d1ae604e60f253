"""Metres and intrinsics, against exact geometry of spheres on a floor."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation
from synthetic import BALLS, cast, frame, intrinsics, look_at, orbit

from transphy3d.dkt.inference.lens import find_lens
from transphy3d.dkt.inference.metres import (
    Mount,
    check_track,
    mount_scale,
    read_depth_map,
    sensor_scale,
    track_scale,
)
from transphy3d.dkt.inference.plane import dominant_plane
from transphy3d.dkt.inference.track import Track, read_track
from transphy3d.dkt.inference.video import open_video
from transphy3d.errors import JobError, ShardError
from transphy3d.groundtruth.camera import fov_intrinsics, invert_rigid, pixel_rays

SIZE = (72, 96)
K = intrinsics(96, 72)


def scene(pose=None, balls=BALLS):
    """True depth, 0 beyond 5 m, and what a perfect model sees of it: an affine map to [0, 1]."""
    depth = cast(orbit(1)[0] if pose is None else pose, K, SIZE, balls)[0]
    inverse = np.divide(1, depth, out=np.zeros(SIZE), where=depth > 0)
    low, high = inverse[depth > 0].min(), inverse.max()
    return depth, ((inverse - low) / (high - low)).clip(0, 1).astype(np.float32)


def worst(found, depth):
    """The largest relative error."""
    return np.abs(found / depth - 1)[depth > 0].max()


def test_a_sensor_that_is_wrong_on_glass_still_gives_the_scale():
    depth, near = scene(balls=())
    sensor = depth.copy()
    sensor[20:35, 30:60] += 0.3  # seen through
    sensor[60:, :50], sensor[60:, 50:] = 0, np.nan
    assert worst(sensor_scale(near, sensor).depth(near), depth) < 1e-4


def test_height_and_pitch_give_metres_of_things_on_the_floor():
    pose = orbit(1)[0]
    depth, near = scene(pose)
    height = -(pose[:3, :3].T @ pose[:3, 3])[2]
    pitch = np.degrees(np.arcsin(-pose[2, 2]))
    scale = mount_scale(near, K, Mount(height, pitch))
    assert worst(scale.depth(near), depth) < 1e-4


def test_height_and_pitch_hold_for_a_rolled_camera_and_a_noisy_model():
    pose = orbit(1)[0]
    turn = np.radians(20)
    roll = np.eye(4)
    roll[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    depth, near = scene(roll @ pose)
    noisy = near + np.random.default_rng(0).normal(0, 0.005, SIZE).astype(np.float32)
    height = -(pose[:3, :3].T @ pose[:3, 3])[2]
    pitch = np.degrees(np.arcsin(-pose[2, 2]))
    found = mount_scale(noisy, K, Mount(height, pitch)).depth(near)
    assert worst(found, depth) < 0.05


def filmed(poses, dim=1.0):
    """A video from these poses, each frame `dim` times as bright as the one before."""
    noise = np.random.default_rng(0)
    pictures = [frame(pose, K, SIZE, noise=noise)["rgb"] for pose in poses]
    return open_video(np.stack([(p * dim**k).astype("u1") for k, p in enumerate(pictures)]))


@pytest.mark.parametrize(("dim", "noise"), [(1, 0), (0.93, 0.01)])
def test_poses_of_a_moving_camera_give_metres(dim, noise):
    poses = orbit(9)
    depth, near = scene(poses[0])
    noisy = near + np.random.default_rng(0).normal(0, noise, SIZE).astype(np.float32)
    scale = track_scale(noisy, K, Track(poses), filmed(poses, dim))
    assert worst(scale.depth(near), depth) < 0.05
    assert scale.source == "the poses of 6 frames, up to 0.15 m from the first"


def test_poses_in_another_world_and_of_a_camera_that_turns_away_give_the_same():
    poses = orbit(9)
    near = scene(poses[0])[1]
    video = filmed(poses)
    known = track_scale(near, K, Track(poses), video)
    away = np.diag([-1.0, 1, -1, 1]) @ poses[-1:]
    longer = open_video(np.concatenate([video.source, video.source[:1]]))
    moved = np.concatenate([poses, away]) @ look_at(np.array([3.0, 1, 2]), np.zeros(3))
    found = track_scale(near, K, Track(moved), longer)
    assert found.factor == pytest.approx(known.factor, rel=1e-6)
    assert found.shift == pytest.approx(known.shift, rel=1e-6)


def test_poses_that_tell_nothing_are_refused():
    still = Track(np.repeat(orbit(1), 5, axis=0))
    with pytest.raises(JobError, match="stays where it is"):
        check_track(still, 5)
    with pytest.raises(JobError, match=r"5 poses for 7 frames; .* --frames 5"):
        check_track(still, 7)
    poses = orbit(9)
    blank = open_video(np.full((9, *SIZE, 3), 128, np.uint8))
    with pytest.raises(JobError, match="alike at any scale"):
        track_scale(scene(poses[0])[1], K, Track(poses), blank)
    wrong = Track(orbit(9, arc=-0.25))
    with pytest.raises(JobError, match="alike at any scale"):
        track_scale(scene(poses[0])[1], K, wrong, filmed(poses))


def test_poses_are_read_from_arrays_and_from_tum_files(tmp_path):
    poses = orbit(4)
    np.save(tmp_path / "poses.npy", poses[:, :3])
    np.testing.assert_array_equal(read_track(tmp_path / "poses.npy").poses, poses)
    lines = ["# time x y z qx qy qz qw"]
    for number, pose in enumerate(poses):
        world = invert_rigid(pose)
        numbers = [number / 24, *world[:3, 3], *Rotation.from_matrix(world[:3, :3]).as_quat()]
        lines.append(" ".join(f"{value:.12g}" for value in numbers))
    (tmp_path / "poses.txt").write_text("\n".join(lines))
    np.testing.assert_allclose(read_track(tmp_path / "poses.txt").poses, poses, atol=1e-9)


def test_files_that_are_no_poses_are_refused(tmp_path):
    scaled = orbit(3)
    scaled[1, :3, :3] *= 2
    for name, stored, words in (
        ("flat.npy", np.eye(4), r"\(4, 4\) is not \(T, 4, 4\)"),
        ("scaled.npy", scaled, "pose 2 is not a rotation"),
        ("nan.npy", orbit(2) * np.nan, "pose 1 is not a rotation"),
    ):
        np.save(tmp_path / name, stored)
        with pytest.raises(ShardError, match=words):
            read_track(tmp_path / name)
    (tmp_path / "short.txt").write_text("0 1 2 3\n")
    with pytest.raises(ShardError, match="4 columns; time, 3 of position"):
        read_track(tmp_path / "short.txt")
    with pytest.raises(ShardError, match="cannot be read as poses"):
        read_track(tmp_path / "missing.txt")


def test_without_a_plane_under_the_camera_height_is_refused():
    mount = Mount(0.5, 30)
    with pytest.raises(JobError, match="on one plane"):
        mount_scale(np.random.default_rng(0).random(SIZE, np.float32), K, mount)
    with pytest.raises(JobError, match="straight at it"):
        mount_scale(np.full(SIZE, 0.5, np.float32), K, mount)
    ceiling = scene(look_at(np.array([0.0, -1, 0.5]), np.zeros(3)))[1][::-1]
    with pytest.raises(JobError, match="not under the"):
        mount_scale(ceiling, K, mount)


def test_sensors_that_do_not_fit_are_refused():
    depth, near = scene()
    with pytest.raises(JobError, match="too few"):
        sensor_scale(near, np.full(SIZE, np.nan))
    with pytest.raises(JobError, match="is 48x36, the video 96x72"):
        sensor_scale(near, depth[::2, ::2])
    with pytest.raises(JobError, match="far where near"):
        sensor_scale(1 - near, depth)


def test_depth_maps_come_in_metres_or_millimetres(tmp_path):
    depth, _ = scene()
    np.save(tmp_path / "a.npy", depth)
    Image.fromarray(np.round(depth * 1000).astype("u2")).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_depth_map(tmp_path / "a.npy"), depth)
    np.testing.assert_allclose(read_depth_map(tmp_path / "a.png"), depth, atol=0.00051)
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ShardError, match=r"b.png: cannot be read"):
        read_depth_map(tmp_path / "b.png")
    Image.fromarray(np.full(SIZE, 128, np.uint8)).save(tmp_path / "c.png")
    with pytest.raises(ShardError, match=r"c.png: .*pixels are L, not 16 bits"):
        read_depth_map(tmp_path / "c.png")


@pytest.fixture
def video():
    return open_video(np.zeros((1, *SIZE, 3), np.uint8))


def test_given_intrinsics_are_taken_as_they_are(video):
    expected = [[80, 0, 47], [0, 81, 35], [0, 0, 1]]
    lens = find_lens(video, "80,81,47,35")
    assert lens.matrix.tolist() == expected and not lens.assumed


@pytest.mark.parametrize(
    "record",
    [
        {"fx": 160, "fy": 162, "cx": 94, "cy": 70, "width": 192, "height": 144},
        {"fx": 80, "fy": 81, "ppx": 47, "ppy": 35},
        {"K": [80, 0, 47, 0, 81, 35, 0, 0, 1]},
        {"camera_matrix": {"rows": 3, "cols": 3, "data": [80, 0, 47, 0, 81, 35, 0, 0, 1]}},
    ],
)
def test_intrinsics_are_read_as_programs_write_them_and_follow_the_size(video, tmp_path, record):
    path = tmp_path / "k.json"
    path.write_text(json.dumps(record))
    matrix = find_lens(video, str(path)).matrix
    np.testing.assert_allclose(matrix, [[80, 0, 47], [0, 81, 35], [0, 0, 1]])


def test_a_field_of_view_means_square_pixels_about_the_centre(video):
    np.testing.assert_allclose(find_lens(video, fov=50).matrix, K)


def test_wrong_intrinsics_say_what_is_due(video, tmp_path):
    path = tmp_path / "k.yaml"
    path.write_text("{fx: 80, fy: 80, cx: 40, cy: 40, width: 96, height: 96}")
    for given, words in [
        ("80,81", "neither a file nor fx,fy,cx,cy"),
        ("-80,81,47,35", "positive"),
        (str(path), "of another shape"),
    ]:
        with pytest.raises(JobError, match=words):
            find_lens(video, given)
    path.write_text("{fx: wide, fy: 80, cx: 40, cy: 40}")
    with pytest.raises(JobError, match="numbers are due"):
        find_lens(video, str(path))
    with pytest.raises(JobError, match="give one"):
        find_lens(video, "80,81,47,35", fov=50)


def test_the_focal_length_that_a_camera_wrote_is_found(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26
    Image.new("RGB", (96, 72)).save(tmp_path / "a.jpg", exif=exif)
    lens = find_lens(open_video(tmp_path))
    # 26 mm on 35 mm film: the diagonal is seen under 2 atan(43.27 / 2 / 26) = 79.5 degrees.
    diagonal = 2 * np.degrees(np.arctan(np.hypot(96, 72) / 2 / lens.matrix[0, 0]))
    assert diagonal == pytest.approx(79.53, abs=0.01)
    assert "26 mm" in lens.source and not lens.assumed


def test_where_nothing_is_known_the_field_of_view_is_assumed_and_said_so(video):
    lens = find_lens(video)
    np.testing.assert_allclose(lens.matrix, fov_intrinsics(60, 96, 72))
    assert lens.assumed and "assumed" in lens.source


@pytest.mark.parametrize("seed", range(4))
def test_of_two_planes_the_larger_one_is_found(seed):
    rays = pixel_rays(K, *SIZE)
    floor = 0.1 + 0.4 * rays[..., 1] + 0.5
    wall = 0.2 - 0.3 * rays[..., 0] + 0.05 * rays[..., 1]
    near = np.where(np.arange(96) < 43, wall, floor)
    plane = dominant_plane(near, rays, np.random.default_rng(seed))
    assert (*plane.slope, plane.offset) == pytest.approx((0, 0.4, 0.6), abs=1e-6)
    assert plane.share == pytest.approx(53 / 96, abs=0.02)
