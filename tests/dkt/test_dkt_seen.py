"""The folder of what was seen: it is whole, true and explains itself."""

import errno
import json
import shutil
import tempfile

import av
import numpy as np
import OpenEXR
import pytest
import tiny_dkt
from PIL import Image
from synthetic import frame, intrinsics, orbit

from transphy3d.dkt.inference import film, look, rasters, seen
from transphy3d.dkt.inference.infer import Settings, estimate
from transphy3d.dkt.inference.lens import Lens, find_lens
from transphy3d.dkt.inference.look import Wish
from transphy3d.dkt.inference.metres import Mount, Sensor
from transphy3d.dkt.inference.outputs import workplace
from transphy3d.dkt.inference.track import Track
from transphy3d.dkt.inference.video import open_video
from transphy3d.dkt.model.windows import Windows
from transphy3d.errors import DiskFull, JobError, ModelError
from transphy3d.progress import make_progress

SMALL = Settings(size=(32, 48), windows=Windows(4, 2), steps=1)
K = np.array([[80.0, 0, 30], [0, 81, 20], [0, 0, 1]])


@pytest.fixture(scope="module")
def model():
    return tiny_dkt.model()


@pytest.fixture(scope="module")
def video():
    rng = np.random.default_rng(0)
    return open_video(rng.integers(0, 256, (5, 41, 60, 3), np.uint8), fps=10)


@pytest.fixture(scope="module")
def near(model, video):
    return np.stack(list(estimate(model, video, SMALL)))


def see(model, video, out, formats, settings=SMALL, known=None, every=1):
    wish = Wish(formats.split(","), Lens(K, "measured"), known, every, {"network": "tiny"})
    return look.look(model, video, out, settings, wish, make_progress("plain"))


def test_disparity_is_the_same_in_every_file(model, video, near, tmp_path):
    out = see(model, video, tmp_path / "out", "npz,png,exr,mp4")
    stored = np.load(out / "prediction.npz")
    assert sorted(stored) == ["disparity", "intrinsics", "seconds"]
    assert np.array_equal(stored["disparity"], near)
    assert stored["seconds"].tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert np.array_equal(stored["intrinsics"], K)
    png = np.asarray(Image.open(out / "png/000003.png"))
    assert np.array_equal(png, np.rint(near[3] * 65535))
    exr = OpenEXR.File(str(out / "exr/000003.exr")).channels()
    assert np.array_equal(exr["disparity"].pixels, near[3])
    assert "no metres are known" in json.dumps(json.loads((out / "info.json").read_text()))


def test_with_a_sensor_all_files_are_in_metres(model, video, near, tmp_path):
    truth = 1 / (2.5 * near + 0.2)
    sensor = truth[0].copy()
    sensor[:10] = 0
    out = see(model, video, tmp_path / "out", "npz,png,exr,mp4,ply", SMALL, Sensor(sensor), 2)
    stored = np.load(out / "prediction.npz")
    np.testing.assert_allclose(stored["depth"], truth, rtol=1e-4)
    assert np.array_equal(stored["disparity"], near)
    png = np.asarray(Image.open(out / "png/000004.png"))
    np.testing.assert_allclose(png, 1000 * truth[4], atol=0.6)
    exr = OpenEXR.File(str(out / "exr/000004.exr")).channels()
    assert np.array_equal(exr["Z"].pixels, stored["depth"][4])
    assert sorted(f.name for f in (out / "ply").iterdir()) == [f"00000{n}.ply" for n in (0, 2, 4)]
    body = (out / "ply/000004.ply").read_bytes().split(b"end_header\n", 1)[1]
    cloud = np.frombuffer(body, [("xyz", "<f4", 3), ("rgb", "u1", 3)]).reshape(41, 60)
    pixel = cloud["xyz"][7, 11] @ K.T
    np.testing.assert_allclose(pixel[:2] / pixel[2], [11.5, 7.5], rtol=1e-5)
    np.testing.assert_allclose(pixel[2], truth[4, 7, 11], rtol=1e-4)
    assert np.array_equal(cloud["rgb"], video.source[4])
    told = json.loads((out / "info.json").read_text())
    assert told["metres"]["factor"] == pytest.approx(2.5, rel=1e-3)
    assert told["intrinsics"] == {"matrix": K.tolist(), "source": "measured", "assumed": False}


def test_normals_are_the_same_in_every_file(model, video, tmp_path):
    settings = Settings(task="normal", size=(32, 48), windows=Windows(4, 2), steps=1)
    out = see(model, video, tmp_path / "out", "npz,png,exr,mp4", settings)
    normal = np.load(out / "prediction.npz")["normal"]
    np.testing.assert_allclose(np.linalg.norm(normal, axis=-1), 1, atol=1e-5)
    exr = OpenEXR.File(str(out / "exr/000002.exr")).channels()
    assert np.array_equal(np.stack([exr[axis].pixels for axis in "XYZ"], -1), normal[2])
    with av.open(str(out / "png/000002.png")) as container:
        picture = next(container.decode(video=0))
        assert picture.format.name == "rgb48be"
        png = picture.to_ndarray(format="rgb48le")
    np.testing.assert_allclose(png / 65535 * 2 - 1, normal[2], atol=1.1 / 65535)


def test_the_film_shows_the_video_beside_what_is_seen_at_its_times(model, near, tmp_path):
    frames = np.zeros((3, 60, 80, 3), np.uint8)
    frames[:, :, :40] = 250
    out = see(model, open_video(frames, fps=5), tmp_path / "out", "mp4")
    with av.open(str(out / "prediction.mp4")) as container:
        shown = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode()]
    assert [time for time, _ in shown] == pytest.approx([0, 0.2, 0.4])
    assert shown[0][1].shape[1] == 160 and shown[0][1].shape[0] > 60
    assert shown[0][1][10:50, 5:35].min() > 240 and shown[0][1][10:50, 45:75].max() < 10
    assert shown[0][1][10:50, 85:155].std() < 60  # one colour, more or less


def test_the_legend_gives_metres_where_they_are_known():
    from transphy3d.dkt.inference.metres import Scale
    from transphy3d.dkt.inference.view import Stage

    plain = Stage("depth", 24, (480, 640), K)
    metric = Stage("depth", 24, (480, 640), K, Scale(3, 0.5, "a sensor"))
    assert film.legend(plain, 1280).shape == film.legend(metric, 1280).shape
    assert not np.array_equal(film.legend(plain, 1280), film.legend(metric, 1280))


def test_a_picture_alone_is_a_video_of_one_frame(model, video, tmp_path):
    out = see(model, open_video(video.source[:1]), tmp_path / "out", "npz,mp4")
    assert np.load(out / "prediction.npz")["disparity"].shape == (1, 41, 60)


def test_a_folder_holds_one_run_alone(model, video, tmp_path):
    out = see(model, video, tmp_path / "out", "npz,exr")
    (out / "notes.txt").write_text("mine")
    (out / ".prediction.somewhere.1.part").mkdir()
    see(model, video, out, "png")
    assert sorted(p.name for p in out.iterdir()) == ["info.json", "notes.txt", "png"]
    assert list(json.loads((out / "info.json").read_text())["files"]) == ["png"]


@pytest.mark.parametrize("info", [None, "{}", '{"made_by": "another 1.0", "files": {"png": {}}}'])
def test_what_others_made_in_the_folder_is_not_replaced(model, video, tmp_path, monkeypatch, info):
    monkeypatch.setattr(seen, "estimate", broken)
    out = tmp_path / "footage"
    (out / "png").mkdir(parents=True)
    (out / "png/0.png").write_bytes(b"mine")
    if info:
        (out / "info.json").write_text(info)
    with pytest.raises(JobError, match=r"footage: .*png there is not what an earlier run"):
        see(model, video, out, "npz")
    assert (out / "png/0.png").read_bytes() == b"mine"
    assert (out / "info.json").exists() == bool(info)


def test_a_run_that_fails_leaves_the_folder_as_it_was(model, video, tmp_path, monkeypatch):
    out = see(model, video, tmp_path / "out", "npz")
    before = (out / "prediction.npz").read_bytes()
    monkeypatch.setattr(seen, "estimate", broken)
    with pytest.raises(ModelError, match="NaN in frame 2; try --dtype float32"):
        see(model, video, out, "npz,exr")
    assert (out / "prediction.npz").read_bytes() == before
    assert sorted(p.name for p in out.iterdir()) == ["info.json", "prediction.npz"]


def broken(model, video, settings, told):
    yield np.zeros(video.size, np.float32)
    yield np.full(video.size, np.nan, np.float32)


def test_a_full_disk_is_named_with_what_to_do(tmp_path):
    with (
        pytest.raises(DiskFull, match=r"no space is left.*it begins anew") as told,
        workplace(tmp_path / "out"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(tmp_path) in str(told.value) or tempfile.gettempdir() in str(told.value)
    assert not list((tmp_path / "out").iterdir())


def test_a_disk_that_fills_up_under_exr_is_one_too(model, video, tmp_path, monkeypatch):
    class Full:
        def write(self, path):
            raise RuntimeError(f"Failed to write pixel data to {path}. No space left on device.")

    monkeypatch.setattr(rasters.OpenEXR, "File", lambda *_: Full())
    with pytest.raises(DiskFull, match="no space is left"):
        see(model, video, tmp_path / "out", "exr")


def test_what_cannot_fit_is_refused_before_the_work(model, video, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10_000))
    monkeypatch.setattr(seen, "estimate", broken)
    with pytest.raises(DiskFull, match=r"out: 98.4 kB will be written and 10.0 kB are free"):
        see(model, video, tmp_path / "out", "npz")


def test_point_clouds_without_metres_are_refused(model, video, tmp_path):
    with pytest.raises(JobError, match="needs metres"):
        see(model, video, tmp_path / "out", "ply")
    with pytest.raises(JobError, match="did you mean 'npz'"):
        see(model, video, tmp_path / "out", "npzz")
    assert not (tmp_path / "out").exists()


def test_poses_of_the_video_give_metres(model, tmp_path, monkeypatch):
    k, poses = intrinsics(96, 72), orbit(9)
    frames = [frame(pose, k, (72, 96)) for pose in poses]
    inverse = np.stack([1 / each["depth"] for each in frames])
    near = ((inverse - inverse.min()) / np.ptp(inverse)).astype(np.float32)
    monkeypatch.setattr(seen, "estimate", lambda *_: iter(near))
    filmed = open_video(np.stack([each["rgb"] for each in frames]))
    wish = Wish(["npz", "ply"], Lens(k, "measured"), Track(poses), ply_every=8)
    out = look.look(model, filmed, tmp_path / "out", SMALL, wish, make_progress("plain"))
    np.testing.assert_allclose(np.load(out / "prediction.npz")["depth"], 1 / inverse, rtol=0.05)
    told = json.loads((out / "info.json").read_text())["metres"]["source"]
    assert told == "the poses of 6 frames, up to 0.15 m from the first"
    assert len(list((out / "ply").iterdir())) == 2


@pytest.mark.parametrize(
    ("task", "known", "words"),
    [
        ("normal", Mount(0.5, 30), "metres are of depth"),
        ("depth", Sensor(np.ones((4, 4))), "is 4x4, the video 60x41"),
        ("normal", Track(orbit(5)), "metres are of depth"),
        ("depth", Track(orbit(3)), "3 poses for 5 frames"),
    ],
)
def test_what_cannot_give_metres_is_refused_before_the_work(
    model, video, tmp_path, monkeypatch, task, known, words
):
    monkeypatch.setattr(seen, "estimate", broken)
    with pytest.raises(JobError, match=words):
        see(model, video, tmp_path / "out", "npz", Settings(task=task), known)


def test_three_lines_of_python_see_a_video(video, near, tmp_path):
    base = tiny_dkt.network(), tiny_dkt.vae()
    for part, name in zip(base, ("network", "vae"), strict=True):
        part.save_pretrained(tmp_path / name)
    from transphy3d.dkt import open_model

    model = open_model(tmp_path / "network", tmp_path / "vae", device="cpu", dtype="float32")
    depth = model(video, size=(32, 48), steps=1)
    assert depth.shape == (5, 41, 60) and depth.dtype == np.float32
    metres = model(video, size=(32, 48), steps=1, known=Sensor(1 / (depth[0] + 0.5)))
    np.testing.assert_allclose(metres, 1 / (depth + 0.5), rtol=1e-4)
    assert find_lens(video).assumed
