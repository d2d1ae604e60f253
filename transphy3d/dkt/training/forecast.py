"""What a training job will do, counted without loading a model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from transphy3d.dkt.config import SHARDS, SourceConfig, TrainingJob
from transphy3d.dkt.sets.kind import describe as describe_notes
from transphy3d.dkt.training.data import (
    batch_sizes,
    frames_of,
    is_frame_wise,
    open_clips,
    open_part,
    open_source,
)
from transphy3d.dkt.training.validate import open_held_out
from transphy3d.errors import JobError
from transphy3d.shards.draws import Batches


def describe(job: TrainingJob) -> str:
    """Lines on data sets, dropped sequences with the reason, batches and clips by length.

    Raises JobError and ShardError for what training would not start with, as far as no model says.
    """
    _check_files(job)
    open_clips(job)
    open_held_out(job)
    sizes = batch_sizes(job.clips)
    lines = [line for source in job.data for line in _source_lines(job, source)]
    batches = Batches(sizes, job.run.steps, job.seed)
    counts = Counter(batches.frames(step) for step in range(job.run.steps))
    lines += [
        f"clips of {frames:3d} frames  {counts[frames]:7d} batches of {sizes[frames]}"
        for frames in sorted(sizes)
    ]
    clips = sum(counts[frames] * sizes[frames] for frames in sizes)
    lines.append(f"in all              {job.run.steps:7d} steps, {clips} clips a rank")
    return "\n".join(lines)


def _check_files(job: TrainingJob) -> None:
    if job.base.prompt and not Path(job.base.prompt).is_file():
        raise JobError(
            f"{job.name}: base.prompt: {job.base.prompt} is not there; make it with "
            "`transphy3d dkt embed`, or set null"
        )
    if job.clips.cache and not Path(job.clips.cache).is_dir():
        raise JobError(
            f"{job.name}: clips.cache: {job.clips.cache} is not there; run `transphy3d dkt "
            "prepare` with this job, or set null"
        )


def _source_lines(job: TrainingJob, source: SourceConfig) -> list[str]:
    lengths = [len(sequence) for sequence in open_source(source, job.task)]
    lines = [f"{source.path}: {len(lengths)} sequences, {sum(lengths)} frames"]
    if source.set != SHARDS:
        lines += [f"  {line}" for line in describe_notes(open_part(source, job.task).notes)]
    if is_frame_wise(source):
        return [*lines, "  only for clips of one frame"]
    for latents in sorted(job.clips.latents):
        span = (frames_of(latents) - 1) * job.clips.strides[0] + 1
        if short := sum(length < span for length in lengths):
            lines.append(
                f"  {short} sequences are too short for clips of {frames_of(latents)} frames"
            )
    return lines
