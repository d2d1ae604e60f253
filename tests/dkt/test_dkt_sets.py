"""Public data sets, each in its exact layout with its known defects."""

import json
import pickle

import dkt_run
import numpy as np
import OpenEXR
import pytest
import set_fixtures as fixtures
import tiny_dkt
from command_line import run_cli
from torch.utils.data import DataLoader

from transphy3d.dkt.config import load_training_job
from transphy3d.dkt.evaluation.evaluate import Evaluation, measure
from transphy3d.dkt.evaluation.metrics import Protocol
from transphy3d.dkt.evaluation.predictors import baselines, model_predictor
from transphy3d.dkt.evaluation.results import latex, markdown
from transphy3d.dkt.evaluation.sensor import METHOD, depth_normals, filled
from transphy3d.dkt.evaluation.trial import open_trial
from transphy3d.dkt.inference.look import make_settings
from transphy3d.dkt.sets import SETS, open_set
from transphy3d.dkt.sets.decode import known_depth
from transphy3d.dkt.sets.released import pixel_intrinsics
from transphy3d.dkt.training.data import make_loader, open_clips
from transphy3d.dkt.training.forecast import describe
from transphy3d.errors import JobError, ShardError
from transphy3d.groundtruth.camera import unproject
from transphy3d.shards.draws import Draw
from transphy3d.shards.torch_clips import Clips

MILLIMETRE = 0.0005 + 1e-6
ALL = Protocol()


def reasons(opened):
    return {line.split(" (first")[0] for line in opened.describe()[1:]}


def angle(a, b):
    """The largest, in degrees, where both are known."""
    both = (a != 0).any(-1) & (b != 0).any(-1)
    return np.degrees(np.arccos(np.clip((a[both] * b[both]).sum(-1), -1, 1))).max()


def expected(made, name):
    return np.stack([shown[name] for shown in made])


def within(depth, low, high):
    return np.where((depth >= low) & (depth <= high), depth, 0)


def test_clearpose_is_metres_poses_and_normals_that_face_the_camera(tmp_path):
    made = fixtures.clearpose(tmp_path)
    (recording,) = open_set("clearpose", tmp_path, "test").recordings
    assert (recording.name, len(recording), recording.fps) == ("set1/scene5", 3, 30)
    assert recording["rgb"][:].dtype == np.uint8
    assert np.array_equal(recording["rgb"][:], expected(made, "rgb"))
    np.testing.assert_allclose(recording["depth"][:], expected(made, "depth"), atol=MILLIMETRE)
    np.testing.assert_allclose(recording["sensor"][:], expected(made, "sensor"), atol=MILLIMETRE)
    assert np.array_equal(recording["instance"][:], expected(made, "instance"))
    np.testing.assert_allclose(recording.world_to_camera, expected(made, "pose"), atol=1e-12)
    np.testing.assert_allclose(recording.intrinsics, made[0]["k"])
    assert angle(recording["normal"][:], expected(made, "normal")) < 0.6
    unknown = (recording["normal"][:] == 0).all(-1)
    assert np.array_equal(unknown, (expected(made, "normal") == 0).all(-1))


def test_clearpose_splits_are_the_scenes_of_its_paper(tmp_path):
    for name in ("set1/scene1", "set1/scene5", "set2/scene10", "set2/scene2", "set8/scene4"):
        fixtures.clearpose(tmp_path, name, count=1)

    def names(split):
        return [r.name for r in open_set("clearpose", tmp_path, split).recordings]

    assert names("train") == ["set1/scene1"]
    assert names("test") == ["set1/scene5", "set2/scene2", "set2/scene10", "set8/scene4"]
    assert names("heavy-occlusion") == ["set2/scene2", "set2/scene10"]
    assert names("translucent-cover") == ["set8/scene4"]
    with pytest.raises(ShardError, match="is not clearpose, split liquid: expected set"):
        names("liquid")


def test_clearpose_reports_what_is_missing_and_goes_on(tmp_path):
    made = fixtures.clearpose(tmp_path, count=5)
    folder = tmp_path / "set1/scene5"
    (folder / "000001-depth_true.png").unlink()
    (folder / "000003-depth.png").unlink()
    (folder / "metadata.mat").unlink()
    opened = open_set("clearpose", tmp_path, "test")
    assert reasons(opened) == {
        "1 frame left out: no *-depth_true.png",
        "1 frame kept without sensor: no *-depth.png",
    }
    (recording,) = opened.recordings
    assert recording.ids == ("000000", "000002", "000003", "000004")
    assert np.array_equal(recording["rgb"][1], made[2]["rgb"])
    assert not recording["sensor"][2].any() and recording["sensor"][1].any()
    assert recording.world_to_camera is None
    np.testing.assert_allclose(recording.intrinsics, fixtures.CLEARPOSE)


def test_dreds_is_read_at_the_size_of_its_truth(tmp_path):
    made = fixtures.dreds(tmp_path)
    opened = open_set("dreds", tmp_path, "train")
    assert [len(r) for r in opened.recordings] == [1, 1, 1]
    assert [r.name for r in opened.recordings] == [f"part0/3/{n:04d}" for n in range(3)]
    for recording, shown in zip(opened.recordings, made, strict=True):
        assert np.array_equal(recording["rgb"][0], shown["rgb"])
        assert np.array_equal(recording["depth"][0], within(shown["depth"], 0.2, 2.0))
        assert np.array_equal(recording["sensor"][0], within(shown["sensor"], 0.2, 2.0))
        assert np.array_equal(recording["instance"][0], shown["instance"])
        np.testing.assert_allclose(recording["normal"][0], shown["normal"], atol=1e-6)
        np.testing.assert_allclose(recording.intrinsics, shown["k"])
    assert open_set("dreds", tmp_path / "DREDS-CatKnown", "train").recordings


def test_std_tests_are_videos_in_the_order_of_their_frames(tmp_path):
    made = fixtures.std(tmp_path, count=11)
    fixtures.std(tmp_path, "STD-CatKnown/train_3", count=1)
    fixtures.std(tmp_path, "STD-CatNovel/real_data_novel/test_novel_1", truth="depth_0", count=2)
    (recording,) = open_set("std", tmp_path, "catknown").recordings
    assert recording.name == "STD-CatKnown/test_0"
    assert recording.world_to_camera is None
    for frame in (2, 10):
        truth = within(made[frame]["depth"], 0.2, 2.0)
        assert np.array_equal(recording["depth"][frame], truth)
    assert np.array_equal(recording["instance"][:], expected(made, "instance"))
    focal = 918.295227050781 * 64 / 1280
    np.testing.assert_allclose(recording.intrinsics[0], [focal, 0, 32])
    (novel,) = open_set("std", tmp_path, "catnovel").recordings
    assert len(novel) == 2 and novel["depth"][0].any()


def test_hiss_leaves_out_what_its_list_of_bad_frames_names(tmp_path):
    made = fixtures.hiss(tmp_path)
    fixtures.hiss(tmp_path, folder="102344049/bed_3", count=2)
    (tmp_path / "HISS/train/bad_his.txt").write_text(
        "datasets/HISS/train/102344049/table/0002_depth.exr 0.31\n\n"
    )
    opened = open_set("hiss", tmp_path, "train")
    assert [r.name[-4:] for r in opened.recordings] == ["0000", "0001", "0003"]
    assert reasons(opened) == {
        "1 frame left out: named in bad_his.txt",
        "2 frames left out: on glass, mirror or bed, as its authors do",
    }
    last = opened.recordings[-1]
    assert np.array_equal(last["depth"][0], within(made[3]["depth"], 0.1, 5.0))
    assert np.array_equal(last["instance"][0], made[3]["instance"] > 0)
    assert "normal" not in last.channels
    np.testing.assert_allclose(last.intrinsics, made[3]["k"])


def test_hiss_labels_may_be_numbers(tmp_path):
    fixtures.hiss(tmp_path, count=1)
    numbers = np.tile(np.arange(4, dtype="u1"), (36, 16))
    fixtures.write_picture(tmp_path / "HISS/train/102344049/table/0000_mask.png", numbers)
    (still,) = open_set("hiss", tmp_path, "train").recordings
    assert np.array_equal(still["instance"][0], numbers > 1)


def test_cleargrasp_real_pictures_have_no_nan_left(tmp_path):
    made = fixtures.cleargrasp_real(tmp_path)
    path = tmp_path / "real-test/d435/000000000-opaque-depth-img.exr"
    holed = made[0]["depth"].astype("f2")
    holed[:9] = np.nan
    holed[9:12] = -1
    holed[12:15] = np.inf
    fixtures.write_exr(path, fixtures.three(holed, "f2"))
    first, second = open_set("cleargrasp", tmp_path, "real").recordings
    assert first["depth"][0].dtype == np.float32
    assert not first["depth"][0][:15].any()
    assert np.array_equal(first["depth"][0][15:], holed[15:].astype("f4"))
    assert np.array_equal(second["depth"][0], made[1]["depth"].astype("f2").astype("f4"))
    assert np.array_equal(second["sensor"][0], made[1]["sensor"].astype("f2").astype("f4"))
    assert np.array_equal(second["instance"][0], made[1]["instance"] == 1)
    assert angle(second["normal"][0], made[1]["normal"]) < 0.1
    np.testing.assert_allclose(second.intrinsics, made[1]["k"])


def test_cleargrasp_trains_on_what_is_not_for_testing(tmp_path):
    made = fixtures.cleargrasp(tmp_path)
    fixtures.cleargrasp(tmp_path, "synthetic-test/stemless", count=1)
    fixtures.cleargrasp_real(tmp_path)
    train = open_set("cleargrasp", tmp_path, "train").recordings
    assert [r.name.split("/", 1)[1] for r in train] == [
        f"cup-with-waves-train/{n:09d}" for n in range(2)
    ]
    assert np.array_equal(train[1]["depth"][0], made[1]["depth"].astype("f2").astype("f4"))
    assert angle(train[1]["normal"][0], made[1]["normal"]) < 0.1
    assert "sensor" not in train[0].channels
    assert len(open_set("cleargrasp", tmp_path, "synthetic-test").recordings) == 1


def test_released_archives_are_metres_in_opencv_axes(tmp_path):
    made = fixtures.released(tmp_path, count=3)
    (recording,) = open_set("released", tmp_path, "train").recordings
    assert (recording.name, len(recording)) == ("000007", 3)
    step = max(shown["depth"].max() for shown in made) / 65535
    np.testing.assert_allclose(recording["depth"][:], expected(made, "depth"), atol=step)
    assert np.array_equal(recording["rgb"][:], expected(made, "rgb"))
    assert angle(recording["normal"][:], expected(made, "normal")) < 0.5
    np.testing.assert_allclose(recording.world_to_camera, expected(made, "pose"))
    np.testing.assert_allclose(recording.intrinsics, made[0]["k"])


def test_released_focals_are_shares_of_the_width_unless_told_otherwise():
    shares = np.array([[1.37373877, 0, 0.5], [0, 1.37373877, 0.5], [0, 0, 1]])
    by_width = pixel_intrinsics(shares, (480, 832))
    assert by_width[[0, 1, 0, 1], [0, 1, 2, 2]] == pytest.approx((1142.95, 1142.95, 416, 240), 1e-5)
    assert pixel_intrinsics(shares, (480, 832), "each")[1, 1] == pytest.approx(1.37373877 * 480)


def test_released_frames_without_depth_and_broken_archives_are_reported(tmp_path):
    fixtures.released(tmp_path, count=3, empty=(1,))
    fixtures.released(tmp_path, sequence=8)
    fixtures.cut(tmp_path / "train/000008.tar", 0.6)
    (tmp_path / "train/000009.tar").write_bytes(b"<html>not found</html>")
    opened = open_set("released", tmp_path, "train")
    (recording,) = opened.recordings
    assert not recording["depth"][1].any() and recording["depth"][2].any()
    lines = " ".join(opened.describe())
    assert "1 frame kept, its depth unknown: max_depth is 0" in lines
    assert "000008.tar" in lines and "000009.tar" in lines


def test_released_never_takes_one_split_for_another(tmp_path):
    fixtures.released(tmp_path)
    assert open_set("released", tmp_path / "train", "train").recordings
    with pytest.raises(ShardError, match="is not released, split test"):
        open_set("released", tmp_path / "train", "test")
    with pytest.raises(ShardError, match="is not released, split test"):
        open_set("released", tmp_path, "test")


@pytest.mark.parametrize("name", SETS)
def test_another_folder_is_an_error_that_says_what_was_expected(tmp_path, name):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").write_bytes(b"")
    with pytest.raises(ShardError, match=rf"is not {name}, split .*: expected .*nothing of it"):
        open_set(name, tmp_path, SETS[name].test)
    with pytest.raises(ShardError, match="there is no such folder"):
        open_set(name, tmp_path / "none", SETS[name].test)
    with pytest.raises(JobError, match="split 'tets'"):
        open_set(name, tmp_path, "tets")


def test_an_unknown_set_names_the_nearest():
    with pytest.raises(JobError, match="did you mean 'clearpose'"):
        open_set("clearpos", "anywhere", "test")


def test_a_missing_channel_names_the_nearest(tmp_path):
    fixtures.hiss(tmp_path, count=1)
    still = open_set("hiss", tmp_path, "train").recordings[0]
    with pytest.raises(ShardError, match="has no 'dept'; did you mean 'depth'"):
        still["dept"]


@pytest.mark.parametrize("ending", ["_depth.exr", "_color.png"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, ending):
    fixtures.hiss(tmp_path, count=2)
    path = tmp_path / f"HISS/train/102344049/table/0001{ending}"
    fixtures.cut(path)
    still = open_set("hiss", tmp_path, "train").recordings[1]
    with pytest.raises(ShardError, match=f"{path.name}: cannot be decoded.*download it again"):
        still.read("rgb", "depth")
    trial = open_trial(tmp_path, "hiss", "train", Protocol())
    assert len(trial.recordings) == 1
    assert "1 frame left out: cannot be decoded" in trial.notes[1]


def test_a_video_is_measured_without_its_damaged_frame(tmp_path):
    made = fixtures.clearpose(tmp_path, count=4)
    fixtures.cut(tmp_path / "set1/scene5/000001-color.png")
    trial = open_trial(tmp_path, "clearpose", None, ALL)
    (recording,) = trial.recordings
    assert "1 frame left out: cannot be decoded (first: set1/scene5 1)" in trial.notes
    kept = [made[n] for n in (0, 2, 3)]
    assert np.array_equal(recording["rgb"][:], expected(kept, "rgb"))
    assert np.array_equal(recording["rgb"][-1], made[3]["rgb"])
    np.testing.assert_allclose(recording.world_to_camera, expected(kept, "pose"), atol=1e-12)
    assert recording["normal"].shape == (3, 48, 64, 3)


def test_the_caption_says_what_depths_count(tmp_path):
    fixtures.std(tmp_path, count=1)
    trial = open_trial(tmp_path, "std", None, ALL)
    assert trial.notes == ("Data: std, catknown, depth 0.2 to 2 m: 1 recording, 1 frame",)


def test_channels_of_another_picture_are_refused(tmp_path):
    fixtures.std(tmp_path, count=1)
    path = tmp_path / "STD-CatKnown/test_0/0000_depth_415.exr"
    fixtures.write_exr(path, fixtures.three(np.ones((48, 64))))
    (recording,) = open_set("std", tmp_path, "catknown").recordings
    with pytest.raises(ShardError, match="sensor is 64x48 and the true depth 64x36"):
        recording["sensor"][0]


def test_depth_is_known_where_it_is_finite_positive_and_in_range():
    stored = np.array([np.nan, np.inf, -1, 0, 0.1, 0.2, 2.0, 2.1], "f4")
    assert known_depth(stored, (0.2, 2.0)).tolist() == [0, 0, 0, 0, 0, np.float32(0.2), 2, 0]


def test_recordings_travel_to_other_processes(tmp_path):
    fixtures.clearpose(tmp_path)
    fixtures.released(tmp_path)
    for name, split in (("clearpose", "test"), ("released", "train")):
        (recording,) = open_set(name, tmp_path, split).recordings
        again = pickle.loads(pickle.dumps(recording))
        assert np.array_equal(again["depth"][1], recording["depth"][1])
        assert np.array_equal(again.intrinsics, recording.intrinsics)


def test_holes_take_the_nearest_known_depth():
    depth = np.array([[1.0, 0, 0, 3.0], [0, 0, 0, 0]])
    assert filled(depth).tolist() == [[1, 1, 3, 3], [1, 1, 3, 3]]
    assert not filled(np.zeros((2, 2))).any()


def test_normals_of_depth_are_those_of_the_surface():
    shown = fixtures.scene(1, (72, 128))[0]
    found = depth_normals(shown["depth"].astype("f8"), shown["k"])
    inner = np.zeros(found.shape[:2], bool)
    inner[50:70, 4:30] = (shown["instance"] == 0)[50:70, 4:30]
    cosine = (found[inner] * shown["normal"][inner]).sum(-1)
    assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 0.5


JOB = """
name: mixed
task: {task}
base: {{network: network, vae: vae, rank: 4, dtype: float32}}
data:
  - {{path: shards}}
  - {{path: sets, set: clearpose}}
  - {{path: sets, set: released}}
  - {{path: sets, set: dreds}}
  - {{path: sets, set: cleargrasp}}
{more}clips: {{size: [32, 48], latents: [1, 2], tokens: 2, flip: 0.5}}
run: {{steps: 3, save_every: 2, workers: 0, log_every: 1, checkpointing: false}}
"""
HISS = "  - {path: sets, set: hiss}\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = dkt_run.lay_out(tmp_path_factory.mktemp("sets"))
    fixtures.clearpose(root / "sets", "set1/scene1", count=6)
    fixtures.clearpose(root / "sets", "set1/scene5", count=4)
    fixtures.released(root / "sets", count=6, empty=(2,))
    fixtures.dreds(root / "sets")
    fixtures.hiss(root / "sets")
    fixtures.cleargrasp(root / "sets")
    fixtures.cleargrasp_real(root / "sets")
    for task in ("depth", "normal"):
        more = HISS if task == "depth" else ""
        (root / f"{task}.yaml").write_text(JOB.format(task=task, more=more))
    return root


def test_training_mixes_all_sets_and_single_pictures_only_alone(root):
    clips = open_clips(load_training_job(root / "depth.yaml"))
    alone = [clips[Draw(n, 1)] for n in range(12)]
    moving = [clips[Draw(n, 5)] for n in range(6)]
    assert {int(item["part"]) for item in alone} == {0, 1, 2, 3, 4, 5}
    assert {int(item["part"]) for item in moving} == {0, 1, 2}
    for item in alone + moving:
        assert item["rgb"].shape[1:] == (3, 32, 48)
        assert item["valid"].any() or int(item["part"]) == 2  # which has a frame without depth
        assert item["disparity"].isfinite().all()
    poses = {int(item["part"]): item["world_to_camera"] for item in alone}
    assert poses[1].isfinite().all() and poses[3].isnan().all()


def test_batches_of_mixed_sets_come_out_of_workers(root):
    job = load_training_job(root / "depth.yaml")
    job = job.model_copy(update={"run": job.run.model_copy(update={"workers": 1})})
    shapes = {tuple(b["rgb"].shape) for b in make_loader(job, open_clips(job), 0, 0, 1)}
    assert shapes <= {(2, 1, 3, 32, 48), (1, 5, 3, 32, 48)}


def test_normals_are_mixed_too_and_sets_without_are_refused(root):
    clips = open_clips(load_training_job(root / "normal.yaml"))
    for item in (clips[Draw(n, 1)] for n in range(10)):
        length = item["normal"].norm(dim=1)
        assert ((length == 0) | ((length - 1).abs() < 1e-2)).all()
        assert (item["normal"][:, 2][length > 0] < 0).float().mean() > 0.99
    text = (root / "normal.yaml").read_text().replace("set: dreds", "set: hiss")
    (root / "wrong.yaml").write_text(text)
    with pytest.raises(JobError, match="hiss has no normals"):
        open_clips(load_training_job(root / "wrong.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("set: dreds", "set: dred", "did you mean 'dreds'"),
        ("set: dreds", "set: std", "is not a set for training"),
        ("set: clearpose", "set: clearpose, split: tran", "did you mean 'train'"),
    ],
)
def test_wrong_sets_in_a_job_are_errors_with_a_remedy(root, old, new, words):
    (root / "wrong.yaml").write_text((root / "depth.yaml").read_text().replace(old, new))
    with pytest.raises(JobError, match=words):
        open_clips(load_training_job(root / "wrong.yaml"))


def test_a_dry_run_says_what_is_left_out_of_sets(root):
    text = describe(load_training_job(root / "depth.yaml"))
    assert "1 frame kept, its depth unknown: max_depth is 0" in text
    assert text.count("only for clips of one frame") == 3


def test_clips_of_a_set_follow_its_camera(root):
    recordings = open_set("clearpose", root / "sets", "train").recordings
    clips = Clips(recordings, frames=2, channels=("rgb", "depth", "normal"))
    item = next(iter(DataLoader(clips, batch_size=1)))
    start = int(item["frames"][0, 0])
    assert np.array_equal(item["depth"][0, 0, 0].numpy(), recordings[0]["depth"][start])
    np.testing.assert_allclose(item["intrinsics"][0], recordings[0].intrinsics, rtol=1e-6)


def measured(root, name, protocol=ALL, task="depth"):
    """What its baselines score."""
    trial = open_trial(root / "sets", name, None, protocol, task)
    return measure(Evaluation(trial, baselines(trial, task, protocol), protocol, task))


def figures(results):
    return {row.name: row.figures for row in results.rows}


def test_the_command_measures_a_set_beside_its_sensor(root, tmp_path):
    said = run_cli(
        *("dkt", "eval", root / "sets", "--set", "clearpose", "--frames", "3", "--out", tmp_path)
    )
    assert said.returncode == 0, said.stderr
    assert "Data: clearpose, test: 1 recording, 3 frames" in said.stdout
    assert "checks: done 3, total 3" in said.stderr
    assert "frames 3, stride 1" in said.stdout
    data = json.loads((tmp_path / "scores.json").read_text())
    found = {row["name"]: row["figures"] for row in data["rows"]}
    assert found[METHOD]["rel"] < found["height ramp"]["rel"] < found["constant"]["rel"]
    assert all(each["tae"] > 0 for name, each in found.items() if name != "constant")


def test_a_sensor_errs_most_on_objects(root):
    everywhere = figures(measured(root, "clearpose"))[METHOD]
    inside = figures(measured(root, "clearpose", Protocol(region="objects")))[METHOD]
    assert inside["rel"] > 2 * everywhere["rel"]


def test_single_pictures_have_no_temporal_error(root):
    found = measured(root, "cleargrasp")
    assert found.notes[0].endswith("cleargrasp, real: 2 recordings, 2 frames")
    assert not any("tae" in row.figures or "drift" in row.figures for row in found.rows)
    assert sum(part.frames for part in found.parts if part.predictor == "constant") == 2
    assert "| - | - |\n" in markdown(found)


def test_normals_of_a_set_are_measured(root):
    results = measured(root, "clearpose", task="normal")
    found = figures(results)
    assert found[METHOD]["mean"] < found["constant"]["mean"]
    heads = "| method | mean ° | median ° | RMSE ° | <5° | <7.5° | <11.25° | <22.5° |"
    assert heads in markdown(results)
    assert r"$30^\circ$" in latex(results)


@pytest.mark.parametrize(("name", "task"), [("clearpose", "normal"), ("cleargrasp", "depth")])
def test_a_model_is_measured_on_videos_and_single_pictures(root, name, task):
    protocol = Protocol(frames=2)
    trial = open_trial(root / "sets", name, None, protocol, task)
    settings = make_settings(
        task=task, size="32x48", steps=1, window=21, overlap=3, parity="ours", seed=0
    )
    model = model_predictor(tiny_dkt.model(), settings)
    results = measure(Evaluation(trial, [model], protocol, task))
    figure = results.rows[0].figures["mean" if task == "normal" else "rel"]
    assert np.isfinite(figure) and figure > 0
    assert "model: settings 32x48" in results.notes[-1]


@pytest.mark.parametrize(("name", "split"), [("clearpose", "train"), ("released", "train")])
def test_poses_and_depth_of_neighbouring_frames_agree(root, name, split):
    (recording,) = open_set(name, root / "sets", split).recordings
    depth = recording["depth"][3:].astype("f8")
    poses = recording.world_to_camera[3:]
    right, wrong = (
        points_seen(depth, recording.intrinsics, each) for each in (poses, np.linalg.inv(poses))
    )
    assert right > 0.8 > 0.4 > wrong


def points_seen(depth, intrinsics, poses):
    """The share of one frame's points that the next sees within 2 %."""
    world = unproject(depth[0], intrinsics) - poses[0, :3, 3]
    there = (world @ poses[0, :3, :3]) @ poses[1, :3, :3].T + poses[1, :3, 3]
    known = depth[0] > 0
    u, v, z = (there[known] @ intrinsics.T).T
    column, line = np.floor(u / z).astype(int), np.floor(v / z).astype(int)
    inside = (column >= 0) & (column < depth.shape[2]) & (line >= 0) & (line < depth.shape[1])
    seen = depth[1][line[inside], column[inside]]
    return (np.abs(seen - z[inside]) < 0.02 * z[inside]).mean() if inside.any() else 0.0


@pytest.mark.parametrize(
    ("name", "split", "task", "words"),
    [
        ("clearpos", None, "depth", "did you mean 'clearpose'"),
        ("clearpose", "liqid", "depth", "did you mean 'liquid'"),
        ("hiss", "train", "normal", "has no normals"),
        ("shards", "train", "depth", "shards have no parts"),
    ],
)
def test_a_trial_that_cannot_be_is_an_error_with_a_remedy(root, name, split, task, words):
    with pytest.raises(JobError, match=words):
        open_trial(root / "sets", name, split, Protocol(), task)


def test_a_set_without_a_frame_that_counts_is_an_error(root):
    with pytest.raises(ShardError, match="no frame can be used; 4 frames left out: no pixel's"):
        open_trial(root / "sets", "clearpose", None, Protocol(max_depth=0.01))


def test_the_command_says_what_folder_it_expected(root, tmp_path):
    said = run_cli("dkt", "eval", root / "sets", "--out", tmp_path, "--set", "std")
    assert said.returncode == 7
    assert "expected STD-CatKnown" in said.stderr and "Traceback" not in said.stderr


def test_a_file_without_the_named_channels_is_refused(tmp_path):
    fixtures.hiss(tmp_path, count=1)
    path = tmp_path / "HISS/train/102344049/table/0000_depth.exr"
    planes = {"A": np.ones((36, 64), "f4"), "B": np.ones((36, 64), "f4")}
    fixtures.write_exr(path, planes)
    assert OpenEXR.isOpenExrFile(str(path))
    with pytest.raises(ShardError, match="has channels A, B; one of R, Y, Z, V is expected"):
        open_set("hiss", tmp_path, "train").recordings[0]["depth"][0]
