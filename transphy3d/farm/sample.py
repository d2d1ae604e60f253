"""A few frames of one sequence, really rendered, and what they say about the whole sequence."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import h5py

from transphy3d.blender.report import RenderReport, read_report
from transphy3d.config import Job
from transphy3d.errors import DeviceError, RenderError
from transphy3d.farm.attempts import log_tail
from transphy3d.farm.blender_process import run_blender
from transphy3d.job import identity
from transphy3d.jsonio import record
from transphy3d.pipeline import (
    Prepared,
    frame_file,
    prepare,
    read_frame,
    render_report,
    sequence_meta,
)
from transphy3d.scenes.stage import Phase, phases_for
from transphy3d.shards.writer import SequenceWriter

CPU = "CPU"  # Cycles' name of the backend that is no GPU


@record
class Sample:
    """What one sequence costs, measured on some of its frames.

    device : Cycles' backend, as CPU or OPTIX; device_name : the renderer's name
    once : wall seconds that do not depend on the number of frames: processes, scene, geometry
    per_frame : wall seconds of rendering one frame in all phases
    encode : wall seconds of compressing and writing one frame
    once_bytes, frame_bytes : of the sequence file, beside the frames and for each
    peak_memory : bytes of the Blender process
    """

    sequence: int
    frames: tuple[int, ...]
    device: str
    device_name: str
    denoiser: str
    once: float
    per_frame: float
    encode: float
    once_bytes: float
    frame_bytes: float
    peak_memory: int

    def seconds(self, frames: int) -> float:
        """Wall seconds of a whole sequence of so many frames."""
        return self.once + frames * (self.per_frame + self.encode)

    def bytes(self, frames: int) -> float:
        """Bytes of a whole sequence of so many frames."""
        return self.once_bytes + frames * self.frame_bytes


def measure(job: Job, index: int, frames: tuple[int, ...], folder: Path, cache: Path) -> Sample:
    """Render these frames of sequence `index` in a fresh process, as a run does with a sequence.

    The time is a straight line over the number of frames: the slope of a phase is the time from
    its first frame's file to its last one's; all that is not slope is spent once. `folder` is
    removed. Raises ImpossibleScene, DeviceError or RenderError; the last holds the end of
    Blender's log.
    """
    began = time.monotonic()
    sample: Sample = in_fresh_process(_render_and_write, job, index, frames, folder, cache)
    slope = sample.per_frame + sample.encode
    once = max(time.monotonic() - began - len(frames) * slope, 0.0)
    shutil.rmtree(folder)
    return replace(sample, once=once)


def in_fresh_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """The result of `work(*arguments)`, or its error, from a process that has done nothing else.

    Raises RenderError when the process dies. Interrupted, it takes the process along.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, work, arguments))
    process.start()
    sender.close()
    try:
        error, result = receiver.recv()
    except EOFError:
        process.join()
        raise RenderError(f"the process ended with exit code {process.exitcode}") from None
    finally:
        process.terminate()
        process.join()
    if error:
        raise error
    return result


def _send(sender: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        sender.send((None, work(*arguments)))
    except Exception as error:  # whatever it is, it belongs to the caller
        sender.send((error, None))


def _render_and_write(
    job: Job, index: int, frames: tuple[int, ...], folder: Path, cache: Path
) -> Sample:
    """A sample that lacks `once`, which only the caller can see whole."""
    prepared, report = render_some(job, index, frames, folder, cache)
    phases = phases_for(job.output.channels)
    encode, once_bytes, frame_bytes = _write_some(job, prepared, frames, folder)
    return Sample(
        sequence=index,
        frames=frames,
        device=report.device,
        device_name=report.device_name,
        denoiser=report.denoiser,
        once=0.0,
        per_frame=sum(_seconds_per_frame(folder, phase, frames) for phase in phases),
        encode=encode,
        once_bytes=once_bytes,
        frame_bytes=frame_bytes,
        peak_memory=report.peak_memory,
    )


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


def _seconds_per_frame(folder: Path, phase: Phase, frames: tuple[int, ...]) -> float:
    """Mean seconds between the files of successive frames of a phase; 0 where there is but one."""
    if len(frames) == 1:
        return 0.0
    ends = (frame_file(folder, phase, frame).stat().st_mtime for frame in (frames[0], frames[-1]))
    first, last = ends
    return (last - first) / (len(frames) - 1)


def _write_some(
    job: Job, prepared: Prepared, frames: tuple[int, ...], folder: Path
) -> tuple[float, float, float]:
    """Write the frames as a sequence: seconds a frame, bytes beside the frames, bytes a frame."""
    meta = sequence_meta(job, identity(job), prepared, render_report(folder), 1)
    poses = tuple(meta.world_to_camera[frame] for frame in frames)
    path, channels = folder / "sample.h5", tuple(job.output.channels)
    began = time.monotonic()
    with SequenceWriter(path, replace(meta, world_to_camera=poses), channels) as writer:
        for frame in frames:
            writer.append(read_frame(folder, prepared.settled, frame, channels))
    seconds = (time.monotonic() - began) / len(frames)
    with h5py.File(path, "r", locking=False) as file:
        stored = sum(file[meta.name][name].id.get_storage_size() for name in channels)
    return seconds, path.stat().st_size - stored, stored / len(frames)
