"""How a unit's sequence is really made: scene, Blender, HDF5 file."""

from __future__ import annotations

from collections.abc import Callable

from transphy3d.errors import DeviceError, Interrupted
from transphy3d.farm.attempts import Outcome
from transphy3d.farm.blender_process import BlenderEnd, run_blender
from transphy3d.farm.devices import check_one_gpu
from transphy3d.farm.rundir import read_plan
from transphy3d.farm.space import check_space
from transphy3d.farm.unit import Try, TryFailed
from transphy3d.pipeline import prepare, publish, render_report
from transphy3d.scenes.stage import Phase

Watch = Callable[[dict[Phase, int]], None]


def make_sequence(current: Try, watch: Watch) -> None:
    """Scene, frames, file; `current.stage` follows along. `watch` is told the finished frames."""
    job, run, index = current.job, current.run, current.index
    folder = run.stage(index)
    folder.mkdir(parents=True, exist_ok=True)
    check_space(folder, [current.file.parent, run.sequences], job)
    check_one_gpu(job.render.device)
    current.stage = "scene"
    prepare(job, index, folder, run.cache)
    current.stage = "render"
    end = run_blender(folder, run.log(index), job.run.frame_timeout, _both(current.saw, watch))
    if end.code != 0:
        current.stage = end.phase
        raise _blender_failure(end, index)
    current.stage = "publish"
    current.device = render_report(folder)["device_name"]
    sha256 = read_plan(run.root).job_sha256
    publish(job, sha256, index, folder, current.file, current.number)


def _both(first: Watch, second: Watch) -> Watch:
    def watch(counts: dict[Phase, int]) -> None:
        first(counts)
        second(counts)

    return watch


def _blender_failure(end: BlenderEnd, index: int) -> Exception:
    """What a Blender that did not end well means for the unit."""
    if end.timed_out:  # before its exit code, which may say that it obeyed and stopped
        return _failed("timeout", "no new frame came within run.frame_timeout", end)
    if end.code == Interrupted.exit_code:
        return Interrupted(f"unit {index}: stopped after a whole frame; run again to go on")
    message = end.error["message"] if end.error else ""
    if end.code == DeviceError.exit_code:
        return DeviceError(message or "Blender found no usable device")
    if end.error:
        return _failed("error", f"{end.error['type']}: {message}", end)
    how = f"killed by {end.signal}" if end.signal else f"exit code {end.code}"
    return _failed("crash", f"Blender ended without a word, {how}", end)


def _failed(outcome: Outcome, message: str, end: BlenderEnd) -> TryFailed:
    return TryFailed(outcome, message, exit_code=end.code, signal=end.signal)
