"""What goes wrong on real machines, done to a real run: kills, crashes, bad files, full disks."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from blender_faults import blender_faults
from command_line import command, run_cli

from transphy3d.farm.attempts import Attempt, read_attempts, read_dead
from transphy3d.farm.rundir import RunDir
from transphy3d.shards.verify import verify

FRAMES = 12
SETTINGS = [
    *("--set", f"frames={FRAMES}"),
    *("--set", "run.keep_frames=true"),
    *("--set", "sequences=2"),
]
WAIT_SECONDS = 240


def wait_for(condition, process=None):
    """Wait until `condition()` gives something true, and return it."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        if found := condition():
            return found
        assert process is None or process.poll() is None, "the run ended too early"
        time.sleep(0.02)
    raise AssertionError("what was waited for did not happen")


def blender_of(out: Path) -> int | None:
    """Process id of the Blender worker that renders below `out`."""
    return process_of("transphy3d.blender.worker", out)


def process_of(word: str, out: Path) -> int | None:
    """Process id of a command on `out` with this word in it."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if word in words and any(str(out) in text for text in words):
                return int(entry.name)
    return None


def frames(out: Path, unit: int, phase: str) -> list[Path]:
    return sorted((out / f"units/{unit:06d}/stage/frames/{phase}").glob("[0-9]*"))


def count(out: Path, unit: int) -> int:
    return sum(len(frames(out, unit, phase)) for phase in ("truth", "behind", "rgb"))


def attempts(out: Path, unit: int) -> list[Attempt]:
    return read_attempts(RunDir(out), unit)


def start(out: Path, *extra: str) -> subprocess.Popen:
    return subprocess.Popen(
        command("render", "smoke", "--out", out, *SETTINGS, *extra),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_killed_at_any_moment_a_rerun_finishes_without_rendering_twice(tmp_path):
    out = tmp_path / "run"
    hold = "'units/000001' in picture and 'rgb/0002' in picture"
    faults = blender_faults(tmp_path / "faults", hold_if=hold)
    process = start(out, *faults.settings)
    wait_for(lambda: len(frames(out, 1, "rgb")) == 2, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: blender_of(out) is None)
    published = (out / "sequences/000000.h5").stat().st_mtime_ns
    kept = {path: path.stat().st_mtime_ns for path in frames(out, 1, "rgb")}
    assert len(kept) == 2

    faults.let_go()
    said = run_cli("render", "smoke", "--out", out, *SETTINGS, *faults.settings)
    assert said.returncode == 0, said.stderr
    assert (out / "sequences/000000.h5").stat().st_mtime_ns == published
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert [a.outcome for a in attempts(out, 1)] == ["vanished", "done"]
    assert not attempts(out, 1)[0].counts  # it had made frames
    assert verify(out / "shards") == []


def test_an_agent_that_dies_is_started_again_and_its_sequence_goes_on(tmp_path):
    out = tmp_path / "run"
    faults = blender_faults(tmp_path / "faults", hold_if="made >= 2")
    process = start(out, *faults.settings)
    wait_for(lambda: count(out, 0) == 2, process)
    os.kill(process_of("--share", out), signal.SIGKILL)
    faults.let_go()
    assert process.wait(timeout=WAIT_SECONDS) == 0
    assert [a.outcome for a in attempts(out, 0)] == ["vanished", "done"]
    assert verify(out / "shards") == []


def test_two_runs_of_the_same_job_at_once_share_the_work(tmp_path):
    out = tmp_path / "run"
    faults = blender_faults(tmp_path / "faults", hold_if="made >= 2")
    first = start(out, *faults.settings)
    wait_for(lambda: attempts(out, 0), first)
    second = start(out, *faults.settings)
    wait_for(lambda: count(out, 1) == 2, second)
    faults.let_go()
    assert [process.wait(timeout=WAIT_SECONDS) for process in (first, second)] == [0, 0]
    assert [[a.outcome for a in attempts(out, unit)] for unit in (0, 1)] == [["done"], ["done"]]
    assert verify(out / "shards") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stopped_run_exits_75_and_keeps_its_frames(tmp_path, number):
    out = tmp_path / "run"
    faults = blender_faults(tmp_path / "faults", hold_if="made >= 2")
    process = start(out, *faults.settings)
    wait_for(lambda: faults.has_held(out / "units/000000"), process)
    process.send_signal(number)
    assert process.wait(timeout=60) == 75
    assert blender_of(out) is None
    assert count(out, 0) == 3  # with the frame at hand
    assert attempts(out, 0)[0].outcome == "interrupted"


def test_a_crashing_blender_is_recorded_retried_and_set_aside_while_others_go_on(tmp_path):
    out = tmp_path / "run"
    faults = blender_faults(tmp_path / "faults", hold_if="'units/000000' in picture and made >= 2")
    process = start(
        out, *faults.settings, "--set", "run.attempts=2", "--set", "run.keep_blend=true"
    )
    for number in (1, 2):
        wait_for(lambda made=2 * number: count(out, 0) == made, process)
        os.kill(wait_for(lambda: blender_of(out / "units/000000"), process), signal.SIGSEGV)
        wait_for(lambda n=number: attempts(out, 0)[n - 1].outcome == "crash", process)
        if number == 1:  # the other sequence comes before the second try
            wait_for(lambda: (out / "sequences/000001.h5").exists(), process)
    assert process.wait(timeout=WAIT_SECONDS) == 8
    record = attempts(out, 0)[-1]
    assert record.signal == "SIGSEGV"
    assert record.log_tail
    dead = read_dead(RunDir(out), 0)
    assert "crash" in dead.reason
    assert "--unit 0 --retry" in dead.replay
    assert (out / "units/000000/stage/stage.blend").stat().st_size > 0
    assert verify(out / "shards") == []

    faults.let_go()
    again = run_cli("render", "smoke", "--out", out, *SETTINGS, *faults.settings, "--retry")
    assert again.returncode == 0, again.stderr
    assert (out / "sequences/000000.h5").exists()
    assert [a.outcome for a in attempts(out, 0)] == ["crash", "crash", "done"]


def test_an_unreadable_mesh_is_an_error_before_anything_starts(tmp_path):
    mesh = tmp_path / "cut.glb"
    mesh.write_bytes(b"glTF\x02\x00\x00\x00")
    said = run_cli(
        *("render", "smoke", "--out", tmp_path / "run"),
        *(
            "--set",
            f"objects.meshes=[{{path: {mesh}}}]",
            "--set",
            "objects.sources={procedural: 1, meshes: 1}",
        ),
    )
    assert said.returncode == 3
    assert "cut.glb" in said.stderr
    assert not list((tmp_path / "run").glob("sequences/*"))


def test_a_wrong_job_leaves_the_folder_to_the_mended_one(tmp_path):
    wrong = run_cli("render", "smoke", "--out", tmp_path, "--set", "supports.kinds={tabel: 1}")
    assert wrong.returncode == 2
    assert "did you mean 'table'?" in wrong.stderr
    assert run_cli("plan", "smoke", "--out", tmp_path).returncode == 0
    other = run_cli("plan", "smoke", "--out", tmp_path, "--set", "seed=9")
    assert other.returncode == 8


def test_a_missing_environment_is_an_error_before_anything_starts(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("nowhere", "empty"):
        said = run_cli(
            *("render", "smoke", "--out", tmp_path / "run"),
            *("--set", f"lights.environments={tmp_path / folder}"),
        )
        assert said.returncode in (2, 3)
        assert folder in said.stderr


def test_an_unknown_family_or_support_is_named_with_its_nearest(tmp_path):
    for setting, name in (
        ("objects.weights={botle: 2}", "botle"),
        ("objects.families.include=[botle]", "botle"),
        ("supports.kinds={tabel: 1}", "tabel"),
        ("rooms.kinds={rom: 1}", "rom"),
        ("lights.rigs={windows: 1}", "windows"),
        ("materials.weights={goldd: 1}", "goldd"),
    ):
        said = run_cli("plan", "smoke", "--out", tmp_path / "run", "--set", setting)
        assert said.returncode == 2, (setting, said.stderr)
        assert name in said.stderr


def test_a_job_that_nothing_fits_says_so(tmp_path):
    said = run_cli(
        *("render", "smoke", "--out", tmp_path / "run", "--set", "sequences=1"),
        *("--set", "supports.kinds={bin: 1}", "--set", "objects.scale=[40, 40]"),
    )
    assert said.returncode == 2
    assert "supports.kinds: none of bin is made large enough" in said.stderr
    assert "lower objects.count or objects.scale" in said.stderr


def test_gpu_demanded_without_one_stops_the_run(tmp_path):
    said = run_cli("render", "smoke", "--out", tmp_path / "run", "--set", "render.device=gpu")
    if said.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert said.returncode == 6
    assert "gpu" in said.stderr.lower()


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of its own with little room."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", place], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_stops_the_run_and_loses_nothing(small_disk):
    out = small_disk / "run"
    said = run_cli("render", "smoke", "--out", out, "--set", "sequences=1")
    assert said.returncode == 0, said.stderr
    published = (out / "sequences/000000.h5").read_bytes()
    filler = small_disk / "filler"
    filler.write_bytes(bytes(40 << 20))
    said = run_cli("render", "smoke", "--out", out, "--set", "sequences=2")
    assert said.returncode == 9
    assert "free" in said.stderr
    assert (out / "sequences/000000.h5").read_bytes() == published
    filler.unlink()
    assert run_cli("render", "smoke", "--out", out, "--set", "sequences=2").returncode == 0
