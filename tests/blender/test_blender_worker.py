"""The worker as a process: what it leaves behind when it ends well, badly or half way."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import tiny_stage as tiny
from PIL import Image

from transphy3d.blender.report import read_error, read_report
from transphy3d.groundtruth.passes import read_truth
from transphy3d.scenes.spec import Environment

ORBIT = tuple(
    tiny.rows(tiny.looking((0.6 * np.cos(a), 0.6 * np.sin(a), 0.45), (0.05, 0, 0.08)))
    for a in np.linspace(-3, 0, 60)
)
LONG = tiny.truth_only(world_to_camera=ORBIT)


def frames(folder: Path) -> dict[str, bytes]:
    """The pixels of every finished frame by name.

    The files differ: Cycles writes its render times into them.
    """
    return {str(path.relative_to(folder)): pixels(path) for path in folder.glob("frames/*/[0-9]*")}


def pixels(path: Path) -> bytes:
    if path.suffix == ".png":
        with Image.open(path) as image:
            return image.tobytes()
    with OpenEXR.File(str(path), separate_channels=True) as image:
        channels = image.channels()
        return b"".join(channels[name].pixels.tobytes() for name in sorted(channels))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.write(LONG, tmp_path_factory.mktemp("worker") / "whole")
    tiny.render(folder)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.write(tiny.STAGE, tmp_path_factory.mktemp("worker") / "pictures")
    tiny.render(folder)
    return folder


def test_every_phase_is_rendered_and_reported(pictures: Path) -> None:
    report = read_report(pictures)
    assert report.frames == {"start": 0, "truth": 3, "behind": 3, "rgb": 3}
    assert report.device == "CPU"
    assert report.denoiser == "OPENIMAGEDENOISE"
    assert report.cpu_seconds.keys() == report.seconds.keys() == report.frames.keys()
    assert report.peak_memory > 50e6
    assert len(frames(pictures)) == 9
    assert read_error(pictures) is None
    assert not list(pictures.rglob(".*")), "no scratch file may stay"


def test_pictures_show_the_lit_stage_and_not_its_ground_truth(pictures: Path) -> None:
    with Image.open(pictures / "frames/rgb/0000.png") as image:
        assert image.mode == "RGB"
        pixels = np.asarray(image)
    assert pixels.shape == (tiny.HEIGHT, tiny.WIDTH, 3)
    assert pixels.std() > 10
    glass = read_truth(pictures / "frames/truth/0000.exr").index == 1
    assert pixels[glass].std() > 5, "glass refracts; an override would leave it flat"


def test_each_phase_in_a_process_of_its_own_repeats_what_one_process_made(
    pictures: Path, tmp_path: Path
) -> None:
    """Nothing that Cycles keeps may leak from phase to phase, and all of it repeats."""
    for phase in tiny.STAGE.phases:
        stage = replace(tiny.STAGE, phases=(phase,))
        tiny.render(tiny.write(stage, tmp_path / phase))
        alone = frames(tmp_path / phase)
        assert len(alone) == 3
        for name, data in alone.items():
            if phase == "rgb":
                a, b = (np.frombuffer(raw, np.uint8) for raw in (data, pixels(pictures / name)))
                assert np.abs(a.astype(int) - b).max() <= 2, name
            else:
                assert data == pixels(pictures / name), name


def test_frames_that_exist_are_kept_and_missing_ones_made(pictures: Path) -> None:
    before = frames(pictures)
    gone = ("frames/truth/0001.exr", "frames/behind/0002.exr")
    for name in gone:
        (pictures / name).unlink()
    times = {path: path.stat().st_mtime_ns for path in pictures.glob("frames/*/[0-9]*")}
    tiny.render(pictures)
    assert frames(pictures) == before
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    assert read_report(pictures).frames == {"start": 0, "truth": 1, "behind": 1, "rgb": 0}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stopped_worker_leaves_whole_frames_and_its_successor_finishes(
    finished: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tiny.write(LONG, tmp_path / "stage")
    assert tiny.interrupt(folder, 3, number) == 75
    assert not (folder / "render.json").exists()
    assert not list(folder.rglob("*.part"))
    assert len(frames(folder)) == 4  # with the frame at hand
    tiny.render(folder)
    assert frames(folder) == frames(finished)


def test_a_killed_worker_costs_no_frame_and_changes_none(finished: Path, tmp_path: Path) -> None:
    folder = tiny.write(LONG, tmp_path / "stage")
    assert tiny.interrupt(folder, 66, signal.SIGKILL) == -signal.SIGKILL
    assert len(frames(folder)) == 66
    tiny.render(folder)
    assert frames(folder) == frames(finished)


def test_a_demanded_gpu_that_is_absent_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ONEAPI_DEVICE_SELECTOR"):
        monkeypatch.setenv(name, "")
    stage = tiny.truth_only(render=replace(tiny.SETTINGS, device="gpu"))
    folder = tiny.write(stage, tmp_path / "stage")
    tiny.render(folder, code=6)
    error = read_error(folder)
    assert error is not None
    assert (error.type, error.phase) == ("DeviceError", "start")
    assert "set render.device to 'auto' or 'cpu'" in error.message


def test_optix_on_a_cpu_is_an_error(tmp_path: Path) -> None:
    stage = tiny.truth_only(render=replace(tiny.SETTINGS, denoiser="optix"))
    tiny.render(tiny.write(stage, tmp_path / "stage"), code=6)


def test_a_missing_environment_is_an_error_that_names_it(tmp_path: Path) -> None:
    environment = Environment(path="/nowhere/sky.exr", sha256="0" * 64, rotation=0, strength=1)
    folder = tiny.write(replace(tiny.STAGE, environment=environment), tmp_path / "stage")
    tiny.render(folder, code=3)
    error = read_error(folder)
    assert error is not None
    assert error.type == "AssetError"
    assert "/nowhere/sky.exr" in error.message
    assert "_environment_image" in error.traceback


def test_a_missing_mesh_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = tiny.write(tiny.STAGE, tmp_path / "stage")
    (folder / "meshes/mesh1.npz").unlink()
    tiny.render(folder, code=3)
    error = read_error(folder)
    assert error is not None
    assert "mesh1.npz" in error.message


def test_an_error_of_an_earlier_try_is_forgotten(tmp_path: Path) -> None:
    folder = tiny.write(tiny.truth_only(), tmp_path / "stage")
    (folder / "error.json").write_text("{}")
    tiny.render(folder)
    assert not (folder / "error.json").exists()


def test_only_the_frames_asked_for_are_rendered_and_the_blend_kept(tmp_path: Path) -> None:
    folder = tiny.write(tiny.truth_only(only=(2,), save_blend=True), tmp_path / "stage")
    tiny.render(folder)
    assert sorted(frames(folder)) == ["frames/behind/0002.exr", "frames/truth/0002.exr"]
    assert (folder / "stage.blend").stat().st_size > 1000
