"""What a job will cost: a small sample of it, really rendered here, and its extrapolation."""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from transphy3d.config import Job
from transphy3d.cores import threads_per_worker, usable_cores
from transphy3d.errors import ImpossibleScene, JobError
from transphy3d.farm.sample import CPU, Sample, measure
from transphy3d.farm.spread import METHOD, mean_interval
from transphy3d.files import write_json
from transphy3d.jsonio import record, to_data
from transphy3d.preflight import preflight
from transphy3d.preview.panels import spread
from transphy3d.progress import Progress

ESTIMATE_FILE = "estimate.json"
LEFT_OUT = (
    "failures and preemptions, waiting for machines, packing, verifying and previews are not in it"
)
HOUR, DAY = 3600.0, 86400.0


@record
class Figure:
    """A mean and the interval that it lies in; None where one sample says nothing of it."""

    mean: float
    low: float | None
    high: float | None

    def times(self, factor: float) -> Figure:
        """The figure of `factor` such things."""
        low, high = (None if v is None else v * factor for v in (self.low, self.high))
        return Figure(mean=self.mean * factor, low=low, high=high)


@record
class Workers:
    """So many workers at a time: the days that they need."""

    workers: int
    days: Figure


@record
class Estimate:
    """The cost of a job on workers like the one that measured it.

    worker : what one worker renders with; one_worker : GPU, or so many CPU cores
    once_share : share of a sequence's time that its length does not change
    worker_hours : GPU-hours, or hours of such a worker; core_hours : None on a GPU
    bytes : of the published sequences; packing into shards takes as much again while it lasts
    cost : worker hours at `price`; None without one
    impossible : sampled sequences for which no acceptable scene was found
    """

    job: str
    sequences: int
    frames: int
    width: int
    height: int
    worker: str
    one_worker: str
    seconds_per_frame: Figure
    seconds_per_sequence: Figure
    once_share: float
    worker_hours: Figure
    core_hours: Figure | None
    bytes: Figure
    runs: tuple[Workers, ...]
    price: float | None
    cost: Figure | None
    impossible: int
    samples: tuple[Sample, ...]
    method: str


def estimate(
    job: Job,
    progress: Progress,
    *,
    sequences: int = 4,
    frames: int = 4,
    workers: Sequence[int] = (1, 8, 64),
    price: float | None = None,
    out: Path | None = None,
) -> Estimate:
    """Render a sample of the job on this machine and extrapolate.

    sequences, frames : how many sequences, spread over the job, and frames of each, at least two,
        spread over the sequence
    workers : for how many GPUs, or CPU workers, to say the days; price : of one worker's hour
    out : folder that keeps estimate.json; what is rendered is removed
    Raises what a run would raise: JobError, DeviceError, RenderError, DiskFull, and
    ImpossibleScene where no sampled sequence has an acceptable scene.
    """
    if out:
        out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="transphy3d-estimate-", dir=out))
    try:
        preflight(job, folder / "cache")
        samples = take_samples(job, progress, sequences, frames, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = extrapolate(job, samples, workers, price)
    if out:
        write_json(out / ESTIMATE_FILE, to_data(found))
    return found


def read_counts(text: str) -> tuple[int, ...]:
    """Numbers of workers, as in "1,8,64". Raises JobError for anything else."""
    try:
        counts = tuple(int(word) for word in text.split(","))
    except ValueError:
        counts = (0,)
    if min(counts) < 1:
        raise JobError(f"--gpus {text!r}: is no list of numbers above 0, as in 1,8,64")
    return counts


def take_samples(
    job: Job, progress: Progress, sequences: int, frames: int, folder: Path
) -> list[Sample | None]:
    """Measure sequences spread over the job; None for one without an acceptable scene.

    One frame is rendered before, unmeasured: a machine's first compiles kernels and fills caches.
    """
    chosen, several = spread(job.sequences, sequences), tuple(spread(job.frames, frames))
    samples: list[Sample | None] = []
    failures: list[ImpossibleScene] = []
    with contextlib.suppress(ImpossibleScene):
        measure(job, chosen[0], several[:1], folder / "warm", folder / "cache")
    for index in chosen:
        try:
            sample = measure(job, index, several, folder / str(index), folder / "cache")
            progress.event("measured", sequence=index, seconds_a_frame=sample.per_frame)
            samples.append(sample)
        except ImpossibleScene as error:
            samples.append(None)
            failures.append(error)
    if not any(samples):
        raise failures[-1]
    return samples


def extrapolate(
    job: Job, samples: Sequence[Sample | None], workers: Sequence[int], price: float | None
) -> Estimate:
    """The whole job from the sequences measured. Units as in `Estimate`."""
    measured = tuple(sample for sample in samples if sample)
    sequence = figure([sample.seconds(job.frames) for sample in measured])
    hours = sequence.times(job.sequences / HOUR)
    first, cores = measured[0], threads_per_worker(job) or usable_cores()
    on_cpu = first.device == CPU
    return Estimate(
        job=job.name,
        sequences=job.sequences,
        frames=job.frames,
        width=job.width,
        height=job.height,
        worker=f"{first.device_name} ({first.device}), denoiser {first.denoiser}",
        one_worker=f"worker of {cores} CPU cores" if on_cpu else "GPU",
        seconds_per_frame=sequence.times(1 / job.frames),
        seconds_per_sequence=sequence,
        once_share=sum(s.once for s in measured) / sum(s.seconds(job.frames) for s in measured),
        worker_hours=hours,
        core_hours=hours.times(cores) if on_cpu else None,
        bytes=figure([sample.bytes(job.frames) for sample in measured]).times(job.sequences),
        runs=tuple(Workers(workers=n, days=days(job, sequence, n)) for n in workers),
        price=price,
        cost=None if price is None else hours.times(price),
        impossible=len(samples) - len(measured),
        samples=measured,
        method=f"{METHOD}; {LEFT_OUT}",
    )


def figure(values: Sequence[float]) -> Figure:
    """The mean of a sample with its interval."""
    low, high = mean_interval(values) or (None, None)
    return Figure(mean=sum(values) / len(values), low=low, high=high)


def days(job: Job, sequence: Figure, workers: int) -> Figure:
    """Days that so many workers need: each makes whole sequences, one after another."""
    return sequence.times(math.ceil(job.sequences / workers) / DAY)
