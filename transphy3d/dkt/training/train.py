"""The training loop: LoRA only, any number of ranks, exact resume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from transphy3d.dkt.config import TrainingJob
from transphy3d.dkt.training import checkpoint
from transphy3d.dkt.training.data import (
    batch_sizes,
    known,
    make_loader,
    picture,
    read_batches,
    target,
)
from transphy3d.dkt.training.latents import encode_pixels
from transphy3d.dkt.training.log import TrainingLog, open_log
from transphy3d.dkt.training.pace import Pace
from transphy3d.dkt.training.report import write_report
from transphy3d.dkt.training.sharding import whole
from transphy3d.dkt.training.step import Encoded, clip_losses
from transphy3d.dkt.training.trainer import Trainer, make_trainer, save
from transphy3d.dkt.training.validate import Validation
from transphy3d.errors import Interrupted, RunError
from transphy3d.progress import Progress
from transphy3d.shards.draws import Batches
from transphy3d.signals import telling


def train(job: TrainingJob, root: Path, progress: Progress) -> Path:
    """Train to the job's last step, going on from the last checkpoint; returns that checkpoint.

    Raises RunError when the folder holds the run of another job, base or data, or when a loss is
    not finite; DiskFull when a checkpoint does not fit; Interrupted after a stop signal, with the
    step that was being made saved.
    """
    trainer = make_trainer(job, root, progress)
    validation = Validation.of(job, trainer.vae, trainer.context)
    log = open_log(job, root, trainer.step) if trainer.accelerator.is_main_process else None
    try:
        with telling(trainer.tell):
            _run(trainer, validation, log, progress)
    finally:
        if log:
            log.close()
    return checkpoint.folder_of(root, trainer.step)


def _run(
    trainer: Trainer, validation: Validation | None, log: TrainingLog | None, progress: Progress
) -> None:
    run, pace = trainer.job.run, Pace()
    for step, loss in run_steps(trainer, pace):
        progress.frames(step, run.steps)
        if log and (step % run.log_every == 0 or step == 1):
            rate = trainer.optimiser.param_groups[0]["lr"]
            log.write(step, loss=loss, rate=rate, **pace.figures())
        last = step == run.steps
        if trainer.stopping and not last:
            save(trainer, None)
            raise Interrupted(
                f"{trainer.told or 'a signal to another rank'} received; step {step} is saved: run "
                "the same command to go on"
            )
        due = last or step % trainer.job.validation.every == 0
        score = _score(trainer, validation, log) if validation and due else None
        if due or step % run.save_every == 0:
            save(trainer, score)
            if log:
                write_report(trainer.root, trainer.job)
            pace.restart()


def _score(trainer: Trainer, validation: Validation, log: TrainingLog | None) -> float:
    ranks = trainer.accelerator
    return validation.score(
        trainer.network,
        trainer.root,
        trainer.step,
        log,
        rank=ranks.process_index,
        ranks=ranks.num_processes,
    )


def run_steps(trainer: Trainer, pace: Pace | None = None) -> Iterator[tuple[int, float]]:
    """Make the steps that are left; yields (step, loss over all ranks) after each.

    Raises RunError for a loss or gradient that is not finite, ShardError for damaged data.
    """
    job, ranks = trainer.job, trainer.accelerator.num_processes
    rank = trainer.accelerator.process_index
    batches = Batches(batch_sizes(job.clips), job.run.steps, job.seed, trainer.step, rank, ranks)
    loader = make_loader(job, trainer.clips, trainer.step, rank, ranks)
    for draws, batch in zip(batches, read_batches(loader), strict=True):
        numbers = [draw.number for draw in draws]
        loss = make_step(trainer, batch, numbers)
        if pace:
            pace.step(len(numbers) * ranks)
        yield trainer.step, _agree(trainer, loss, numbers)


def _agree(trainer: Trainer, own: torch.Tensor, numbers: list[int]) -> float:
    """The mean loss of all ranks, who learn too whether one of them was asked to stop."""
    told = own.new_tensor([float(trainer.told is not None)])
    seen = trainer.accelerator.gather(torch.cat([own, told])).reshape(-1, 3).cpu()
    trainer.stopping = bool(seen[:, 2].any())
    bad = [rank for rank, figures in enumerate(seen[:, :2].isfinite().all(1)) if not figures]
    if bad:
        size, rank = len(numbers), trainer.accelerator.process_index
        firsts = [numbers[0] + (other - rank) * size for other in bad]
        clips = [str(first + n) for first in firsts for n in range(size)]
        raise RunError(
            f"step {trainer.step}: the loss or its gradient is not finite, on clips "
            f"{', '.join(clips)} of the run; the last checkpoint is from before: train in another "
            "folder with a lower optimiser.rate, or with base.dtype: float32"
        )
    return float(seen[:, 0].mean())


def make_step(trainer: Trainer, batch: dict[str, torch.Tensor], numbers: list[int]) -> torch.Tensor:
    """One optimiser step; returns this rank's loss and the gradient's norm, (2,)."""
    job = trainer.job
    loss = clip_losses(
        trainer.driven,
        encode(trainer, batch),
        trainer.context,
        trainer.schedule,
        job.seed,
        numbers,
    )
    trainer.accelerator.backward(loss)
    norm = torch.nn.utils.clip_grad_norm_(trainer.moved, job.optimiser.clip)
    for group in trainer.optimiser.param_groups:
        group["lr"] = job.optimiser.rate * min(
            1.0, (trainer.step + 1) / max(job.optimiser.warmup, 1)
        )
    trainer.optimiser.step()
    trainer.optimiser.zero_grad(set_to_none=True)
    trainer.step += 1
    if trainer.average:
        trainer.average.update(trainer.moved, trainer.step)
    return torch.stack([loss.detach(), whole(norm)])


def encode(trainer: Trainer, batch: dict[str, torch.Tensor]) -> Encoded:
    """The latents of a batch of clips, or of cached ones, in the autoencoder's type."""
    task, device = trainer.job.task, trainer.accelerator.device
    if "target" in batch:
        return Encoded(
            batch["picture"].to(device, trainer.vae.dtype),
            batch["target"].to(device, trainer.vae.dtype),
            batch["known"].to(device),
        )
    return Encoded(
        encode_pixels(picture(batch), trainer.vae),
        encode_pixels(target(batch, task), trainer.vae),
        known(batch, task).to(device),
    )
