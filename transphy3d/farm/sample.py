"""A few frames of one sequence, really rendered, and what they say about the whole sequence."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import h5py

from transphy3d.blender.report import RenderReport, read_report
from transphy3d.config import Job
from transphy3d.errors import DeviceError, RenderError
from transphy3d.farm.attempts import log_tail
from transphy3d.farm.blender_process import run_blender
from transphy3d.job import identity
from transphy3d.jsonio import record
from transphy3d.pipeline import Prepared, frame_file, prepare, read_frame, sequence_meta
from transphy3d.scenes.stage import Phase, phases_for
from transphy3d.shards.writer import SequenceWriter

CPU = "CPU"


@record
class Sample:
    """What one sequence costs, measured on some of its frames.

    device : Cycles' backend, as CPU or OPTIX; device_name : the renderer's name
    scene, start : wall seconds of finding the scene and of Blender's start
    fixed : wall seconds that the phases spend once, whatever the number of frames
    per_frame : wall seconds of rendering one frame in all phases
    encode : wall seconds of compressing and writing one frame
    fixed_bytes, frame_bytes : of the sequence file, beside the frames and for each
    peak_memory : bytes of the Blender process
    """

    sequence: int
    frames: tuple[int, ...]
    device: str
    device_name: str
    denoiser: str
    scene: float
    start: float
    fixed: float
    per_frame: float
    encode: float
    fixed_bytes: float
    frame_bytes: float
    peak_memory: int

    def seconds(self, frames: int) -> float:
        """Wall seconds of a whole sequence of so many frames."""
        return self.once + frames * (self.per_frame + self.encode)

    def bytes(self, frames: int) -> float:
        """Bytes of a whole sequence of so many frames."""
        return self.fixed_bytes + frames * self.frame_bytes

    @property
    def once(self) -> float:
        """Wall seconds that a sequence costs whatever its length."""
        return self.scene + self.start + self.fixed


def render_some(
    job: Job, index: int, frames: tuple[int, ...], folder: Path, cache: Path
) -> tuple[Prepared, RenderReport]:
    """Make the stage of sequence `index` in `folder` and render these of its frames.

    Raises ImpossibleScene, DeviceError or RenderError; the last holds the end of Blender's log.
    """
    folder.mkdir(parents=True)
    prepared = prepare(job, index, folder, cache, frames)
    log = folder / "log.txt"
    end = run_blender(folder, log, job.run.frame_timeout, lambda counts: None)
    if end.code != 0:
        kind = DeviceError if end.code == DeviceError.exit_code else RenderError
        raise kind(f"sequence {index:06d} could not be rendered:\n{log_tail(log)}")
    return prepared, read_report(folder)


def measure(job: Job, index: int, frames: tuple[int, ...], folder: Path, cache: Path) -> Sample:
    """Render these frames, two at least, of sequence `index`; `folder` is removed afterwards.

    What a phase costs is a straight line over the number of frames: the slope is the time from the
    first frame's file to the last one's, the rest of the phase is what it spends once, on
    geometry, shaders and the like. Raises as `render_some` does.
    """
    prepared, report = render_some(job, index, frames, folder, cache)
    phases = phases_for(job.output.channels)
    slopes = {phase: _seconds_per_frame(folder, phase, frames) for phase in phases}
    fixed = sum(max(report.seconds[p] - len(frames) * slopes[p], 0.0) for p in phases)
    encode, fixed_bytes, frame_bytes = _written(job, index, frames, folder, prepared)
    shutil.rmtree(folder)
    return Sample(
        sequence=index,
        frames=frames,
        device=report.device,
        device_name=report.device_name,
        denoiser=report.denoiser,
        scene=prepared.seconds,
        start=report.seconds["start"],
        fixed=fixed,
        per_frame=sum(slopes.values()),
        encode=encode,
        fixed_bytes=fixed_bytes,
        frame_bytes=frame_bytes,
        peak_memory=report.peak_memory,
    )


def _seconds_per_frame(folder: Path, phase: Phase, frames: tuple[int, ...]) -> float:
    """Mean seconds between the files of successive frames of a phase."""
    first, last = (frame_file(folder, phase, frame).stat().st_mtime for frame in frames[:: -1 + len(frames)])
    return (last - first) / (len(frames) - 1)


def _written(
    job: Job, index: int, frames: tuple[int, ...], folder: Path, prepared: Prepared
) -> tuple[float, float, float]:
    """Write the frames as a sequence: seconds a frame, bytes beside the frames, bytes a frame."""
    report = read_report(folder)
    meta = sequence_meta(job, identity(job), prepared, report, 1)
    poses = tuple(meta.world_to_camera[frame] for frame in frames)
    path, channels = folder / "sample.h5", tuple(job.output.channels)
    began = time.perf_counter()
    with SequenceWriter(path, replace(meta, world_to_camera=poses), channels) as writer:
        for frame in frames:
            writer.append(read_frame(folder, prepared.settled, frame, channels))
    seconds = (time.perf_counter() - began) / len(frames)
    with h5py.File(path, "r", locking=False) as file:
        stored = sum(file[meta.name][name].id.get_storage_size() for name in channels)
    return seconds, path.stat().st_size - stored, stored / len(frames)
