"""Render one stage folder: `python -m transphy3d.blender.worker FOLDER`, in a fresh process.

Frames that exist are kept, so a killed worker's successor goes on at the first missing one.
Exit codes: 0 done, 75 stopped by SIGTERM or SIGUSR1 after a whole frame (start again to go on),
6 no such device, 3 unusable file, 5 anything else; error.json then says why.
"""

from __future__ import annotations

import faulthandler
import resource
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transphy3d.blender.chatter import Chatter
from transphy3d.blender.process import run
from transphy3d.blender.report import (
    CHATTER_NAME,
    ERROR_NAME,
    RenderReport,
    write_error,
    write_report,
)
from transphy3d.errors import RenderError, TransPhy3DError
from transphy3d.files import replacing
from transphy3d.jsonio import from_json
from transphy3d.scenes.stage import STAGE_VERSION, Phase, Stage

if TYPE_CHECKING:
    from transphy3d.blender.device import Device

EXIT_STOPPED = 75  # EX_TEMPFAIL of BSD's sysexits.h: not done, try again
SEED_LIMIT = 2**31
START = time.monotonic()


class Stopped(Exception):
    """A signal asked the worker to stop, and the frame at hand is finished."""


@dataclass
class Progress:
    """Where the worker is, for signal handlers and error records."""

    phase: str = "start"
    stop: bool = False

    def ask_to_stop(self, *_: Any) -> None:
        """Signal handler: stop after the frame at hand."""
        self.stop = True


@dataclass
class Costs:
    """Frames rendered, wall seconds and CPU seconds by phase."""

    frames: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    def add(self, phase: str, frames: int, since: tuple[float, float]) -> None:
        """Book what was spent since `now()` returned `since`."""
        self.frames[phase] = frames
        self.seconds[phase] = time.monotonic() - since[0]
        self.cpu_seconds[phase] = time.process_time() - since[1]


def now() -> tuple[float, float]:
    """Wall and CPU clock, seconds."""
    return time.monotonic(), time.process_time()


@dataclass(frozen=True)
class Work:
    """A built scene and what renders it."""

    stage: Stage
    folder: Path
    scene: Any
    device: Device
    denoiser: str
    chatter: Chatter
    progress: Progress


def read_stage(folder: Path) -> Stage:
    """The stage of a folder; RenderError if it was written by another version."""
    stage = from_json(Stage, (folder / "stage.json").read_bytes())
    if stage.version != STAGE_VERSION:
        raise RenderError(
            f"{folder / 'stage.json'}: version {stage.version}, this worker reads {STAGE_VERSION}"
        )
    return stage


def prepare(folder: Path, chatter: Chatter, progress: Progress) -> Work:
    """Read and build the stage, choose and set the device."""
    from transphy3d.blender import device as devices
    from transphy3d.blender.engine import set_engine
    from transphy3d.blender.stage import build_scene

    stage = read_stage(folder)
    device = devices.choose_device(stage.render.device)
    denoiser = devices.choose_denoiser(stage.render.denoiser, device)
    scene = build_scene(stage, folder)
    set_engine(scene, stage)
    devices.set_device(scene, device)
    chatter.forward()  # drivers that are not there complain while devices are looked for
    return Work(stage, folder, scene, device, denoiser, chatter, progress)


def render(folder: Path, chatter: Chatter, progress: Progress) -> RenderReport:
    """Render all that is missing in `folder`. Raises Stopped and TransPhy3DError."""
    work, costs = prepare(folder, chatter, progress), Costs()
    _save_blend_if_asked(work)  # also now: one wants to look into what crashes
    costs.add("start", 0, (START, 0.0))
    for phase in work.stage.phases:
        progress.phase, since = phase, now()
        costs.add(phase, render_phase(work, phase), since)
    progress.phase = "end"
    _save_blend_if_asked(work)
    return _report(work, costs)


def render_phase(work: Work, phase: Phase) -> int:
    """Render the missing frames of one phase in order; how many there were."""
    from transphy3d.blender.passes import SUFFIX, set_phase

    folder = work.folder / "frames" / phase
    wanted = work.stage.only or range(len(work.stage.world_to_camera))
    paths = [(i, folder / f"{i:04d}.{SUFFIX[phase]}") for i in wanted]
    missing = [(i, path) for i, path in paths if not path.exists()]
    if missing:
        set_phase(work.scene, phase, work.stage.render, work.device, work.denoiser)
    for frame, path in missing:
        _render_frame(work, phase, frame, path)
        if work.progress.stop:
            raise Stopped
    return len(missing)


def _render_frame(work: Work, phase: Phase, frame: int, path: Path) -> None:
    """One frame, which gets its name only if Blender wrote it and complained of nothing."""
    import bpy

    from transphy3d.blender.stage import camera_matrix

    scene, began = work.scene, time.monotonic()
    scene.camera.matrix_world = camera_matrix(work.stage.world_to_camera[frame])
    if phase == "rgb":
        scene.cycles.seed = (work.stage.render.seed + frame) % SEED_LIMIT
    with replacing(path) as scratch:
        scene.render.filepath = str(scratch.resolve())
        bpy.ops.render.render(write_still=True)
        work.chatter.check()
        if not scratch.is_file():
            raise RenderError(f"{path}: Blender rendered the frame but wrote no file")
    print(f"{phase} {frame}: {time.monotonic() - began:.2f} s")


def _save_blend_if_asked(work: Work) -> None:
    """Keep the scene as it is now, for debugging."""
    import bpy

    if work.stage.save_blend:
        file = str((work.folder / "stage.blend").resolve())
        bpy.ops.wm.save_as_mainfile(filepath=file, compress=True, copy=True)


def _report(work: Work, costs: Costs) -> RenderReport:
    import bpy

    return RenderReport(
        bpy_version=bpy.app.version_string,
        device=work.device.backend,
        device_name=work.device.name,
        denoiser=work.denoiser,
        frames=costs.frames,
        seconds=costs.seconds,
        cpu_seconds=costs.cpu_seconds,
        peak_memory=_peak_memory(),
    )


def _peak_memory() -> int:
    """Bytes; the kernel counts in KiB on Linux and in bytes on macOS."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _attempt(folder: Path, chatter: Chatter, progress: Progress) -> int:
    """Render and record how it went; the exit code."""
    try:
        write_report(folder, render(folder, chatter, progress))
    except Stopped:
        return EXIT_STOPPED
    except Exception as error:  # whatever it is, it belongs into error.json
        write_error(folder, progress.phase, error)
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, TransPhy3DError) else RenderError.exit_code
    return 0


def main(arguments: list[str]) -> int:
    """Render the stage folder that is the one argument; the exit code."""
    if len(arguments) != 1:
        print("usage: python -m transphy3d.blender.worker FOLDER", file=sys.stderr)
        return 2
    folder, progress = Path(arguments[0]), Progress()
    for name in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(name, progress.ask_to_stop)
    (folder / ERROR_NAME).unlink(missing_ok=True)
    with Chatter(folder / CHATTER_NAME) as chatter:
        faulthandler.enable(file=chatter.stderr)
        return _attempt(folder, chatter, progress)


if __name__ == "__main__":
    run(main)
