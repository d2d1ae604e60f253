"""The training loop: LoRA only, any number of ranks, exact resume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from transphy3d.dkt import checkpoint, lora
from transphy3d.dkt.average import MovingAverage
from transphy3d.dkt.config import TrainingJob
from transphy3d.dkt.data import batch_sizes, known, make_loader, open_clips, picture, target
from transphy3d.dkt.latents import encode_pixels, open_latents
from transphy3d.dkt.log import TrainingLog
from transphy3d.dkt.model import DTYPES, load_context, load_vae
from transphy3d.dkt.step import Encoded, Schedule, clip_losses
from transphy3d.dkt.validate import Validation
from transphy3d.dkt.wan import Context, load_network
from transphy3d.errors import RunError
from transphy3d.files import canonical_json, sha256_text, write_json
from transphy3d.progress import Progress
from transphy3d.shards.draws import Batches
from transphy3d.shards.torch_clips import Mixture

JOB_NAME = "job.json"


@dataclass
class Trainer:
    """Everything that a run holds; `step` counts finished ones."""

    job: TrainingJob
    root: Path
    accelerator: Accelerator
    network: WanTransformer3DModel
    vae: AutoencoderKLWan
    context: Context
    schedule: Schedule
    clips: Mixture
    optimiser: torch.optim.Optimizer
    average: MovingAverage | None
    step: int = 0
    driven: Any = None  # the network as accelerate wraps it
    moved: list[torch.nn.Parameter] = field(default_factory=list)


def train(job: TrainingJob, root: Path, progress: Progress) -> Path:
    """Train to the job's last step, going on from the last checkpoint; returns that checkpoint.

    Raises RunError when the folder holds the run of another job.
    """
    _claim(job, root)
    trainer = make_trainer(job, root)
    validation = Validation.of(job, trainer.vae, trainer.context)
    main = trainer.accelerator.is_main_process
    log = TrainingLog(root, trainer.step, tensorboard=_has_tensorboard()) if main else None
    for step, loss in run_steps(trainer):
        progress.frames(step, job.run.steps)
        if log and (step % job.run.log_every == 0 or step == 1):
            log.write(step, loss=loss, rate=trainer.optimiser.param_groups[0]["lr"])
        due = step % job.validation.every == 0 or step == job.run.steps
        score = (
            validation.score(trainer.network, root, step, log)
            if validation and due and main
            else None
        )
        if main and (step % job.run.save_every == 0 or due):
            _save(trainer, score)
        trainer.accelerator.wait_for_everyone()
    if log:
        log.close()
    return checkpoint.found(root)[-1].path


def _claim(job: TrainingJob, root: Path) -> None:
    """Keep the job with the run; the same one may go on, for more steps too."""
    path = root / JOB_NAME
    identity = _identity(job)
    if path.exists():
        with suppress(ValueError, KeyError):
            if json.loads(path.read_text())["identity"] == identity:
                return
        raise RunError(
            f"{root}: holds the run of another training job ({path}); choose another folder with "
            "--out, or remove this one"
        )
    write_json(path, {"identity": identity, "job": job.model_dump(mode="json")})


def _identity(job: TrainingJob) -> str:
    """What must be the same for a run to go on: all but how long and how it is watched."""
    data = job.model_dump(mode="json", exclude={"run", "validation", "name"})
    return sha256_text(canonical_json(data))


def make_trainer(job: TrainingJob, root: Path) -> Trainer:
    """Load the model and the last checkpoint, if there is one."""
    # Told so explicitly, it joins torchrun's ranks on a machine without a GPU too.
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    network = load_network(Path(job.base.network), DTYPES[job.base.dtype])
    torch.manual_seed(job.seed)
    lora.attach(network, job.base.rank)
    if job.run.checkpointing:
        network.enable_gradient_checkpointing()
    vae = load_vae(Path(job.base.vae), DTYPES[job.base.dtype]).to(accelerator.device)
    moved = lora.parameters(network)
    optimiser = torch.optim.AdamW(
        moved,
        lr=job.optimiser.rate,
        betas=job.optimiser.betas,
        weight_decay=job.optimiser.weight_decay,
    )
    trainer = Trainer(
        job,
        root,
        accelerator,
        network,
        vae,
        load_context(job.base.prompt, network),
        Schedule.of(job.loss),
        open_latents(job, vae) if job.clips.cache else open_clips(job),
        optimiser,
        None,
        moved=moved,
    )
    network.to(accelerator.device)
    if job.optimiser.ema:
        trainer.average = MovingAverage(moved, job.optimiser.ema)
    if saved := checkpoint.found(root):
        _restore(trainer, saved[-1])
    trainer.driven = accelerator.prepare_model(network)
    return trainer


def _restore(trainer: Trainer, saved: checkpoint.Checkpoint) -> None:
    stored = saved.lora()
    names = list(lora.weights(trainer.network))
    for name, parameter in zip(names, trainer.moved, strict=True):
        parameter.data.copy_(stored[name])
    if trainer.average:
        averaged = saved.lora(averaged=True)
        trainer.average.values = [
            averaged[name].to(p) for name, p in zip(names, trainer.moved, strict=True)
        ]
    trainer.optimiser.load_state_dict(saved.optimiser())
    trainer.step = saved.step


def _save(trainer: Trainer, score: float | None) -> None:
    stored = lora.weights(trainer.network)
    average = None
    if trainer.average:
        average = {n: v.cpu() for n, v in zip(stored, trainer.average.values, strict=True)}
    checkpoint.save(
        trainer.root, trainer.step, stored, average, trainer.optimiser.state_dict(), score
    )
    checkpoint.prune(trainer.root, trainer.job.run.keep)


def run_steps(trainer: Trainer) -> Iterator[tuple[int, float]]:
    """Make the steps that are left; yields (step, loss over all ranks) after each."""
    job, ranks = trainer.job, trainer.accelerator.num_processes
    rank = trainer.accelerator.process_index
    batches = Batches(batch_sizes(job.clips), job.run.steps, job.seed, trainer.step, rank, ranks)
    for draws, batch in zip(
        batches, make_loader(job, trainer.clips, trainer.step, rank, ranks), strict=True
    ):
        loss = make_step(trainer, batch, [draw.number for draw in draws])
        mean = trainer.accelerator.reduce(loss.detach(), reduction="mean")
        yield trainer.step, float(mean)


def make_step(trainer: Trainer, batch: dict[str, torch.Tensor], numbers: list[int]) -> torch.Tensor:
    """One optimiser step; returns this rank's loss."""
    job = trainer.job
    encoded = encode(trainer, batch)
    loss = clip_losses(
        trainer.driven, encoded, trainer.context, trainer.schedule, job.seed, numbers
    )
    trainer.accelerator.backward(loss)
    torch.nn.utils.clip_grad_norm_(trainer.moved, job.optimiser.clip)
    for group in trainer.optimiser.param_groups:
        group["lr"] = job.optimiser.rate * min(
            1.0, (trainer.step + 1) / max(job.optimiser.warmup, 1)
        )
    trainer.optimiser.step()
    trainer.optimiser.zero_grad(set_to_none=True)
    trainer.step += 1
    if trainer.average:
        trainer.average.update(trainer.moved, trainer.step)
    return loss


def encode(trainer: Trainer, batch: dict[str, torch.Tensor]) -> Encoded:
    """The latents of a batch of clips, or of cached ones as they are."""
    task, device = trainer.job.task, trainer.accelerator.device
    if "target" in batch:
        return Encoded(*(batch[name].to(device) for name in ("picture", "target", "known")))
    return Encoded(
        encode_pixels(picture(batch), trainer.vae),
        encode_pixels(target(batch, task), trainer.vae),
        known(batch, task).to(device),
    )


def _has_tensorboard() -> bool:
    try:
        import tensorboard  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True
