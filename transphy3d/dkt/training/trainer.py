"""What a training run holds, made from its job and last checkpoint, and written to the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from transphy3d.dkt.config import OptimiserConfig, TrainingJob
from transphy3d.dkt.model import lora
from transphy3d.dkt.model.model import DTYPES, find_prompt, load_context, load_vae
from transphy3d.dkt.model.wan import Context, load_network
from transphy3d.dkt.training import checkpoint, claim, gallery
from transphy3d.dkt.training.average import MovingAverage
from transphy3d.dkt.training.data import open_clips
from transphy3d.dkt.training.latents import open_latents
from transphy3d.dkt.training.sharding import gathered, shard, spread_like
from transphy3d.dkt.training.step import Schedule
from transphy3d.errors import DeviceError
from transphy3d.progress import Progress
from transphy3d.shards.torch_clips import Mixture


@dataclass
class Trainer:
    """Everything that a run holds.

    driven : the network as gradients are to be taken of it; moved : what training moves of it
    step : finished ones; told : name of the signal that asked this rank to stop
    stopping : whether any rank was asked to, as all of them know after a step
    """

    job: TrainingJob
    root: Path
    accelerator: Accelerator
    network: WanTransformer3DModel
    driven: Any
    moved: list[torch.nn.Parameter]
    vae: AutoencoderKLWan
    context: Context
    schedule: Schedule
    clips: Mixture
    optimiser: torch.optim.Optimizer
    average: MovingAverage | None
    step: int = 0
    told: str | None = None
    stopping: bool = False

    def tell(self, signal: str) -> None:
        """Ask to stop after the step that is being made."""
        self.told = signal


def make_trainer(job: TrainingJob, root: Path, progress: Progress | None = None) -> Trainer:
    """Load the model and the last whole checkpoint, if there is one.

    Raises RunError when the folder holds the run of another job, base or data, DeviceError for a
    type that the device lacks.
    """
    claim.check_job(job, root)
    # Told so explicitly, it joins torchrun's ranks on a machine without a GPU too.
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    check_type(job.base.dtype, accelerator.device)
    network = load_network(Path(job.base.network), DTYPES[job.base.dtype])
    vae = load_vae(Path(job.base.vae), DTYPES[job.base.dtype])
    context = load_context(_prompt(job), network, job.task)
    content = _base(network, vae, context) | {"data": claim.data_sha256(job)}
    _claim(job, root, content, main=accelerator.is_main_process)
    torch.manual_seed(job.seed)
    lora.attach(network, job.base.rank)
    if job.run.checkpointing:
        network.enable_gradient_checkpointing()
    driven = _spread(job, network, accelerator)
    moved = lora.parameters(network)
    trainer = Trainer(
        job,
        root,
        accelerator,
        network,
        driven,
        moved,
        vae.to(accelerator.device),
        context,
        Schedule.of(job.loss),
        open_latents(job, vae) if job.clips.cache else open_clips(job),
        _optimiser(moved, job.optimiser),
        MovingAverage(moved, job.optimiser.ema) if job.optimiser.ema else None,
    )
    _restore(trainer, progress)
    return trainer


def check_type(dtype: str, device: torch.device) -> None:
    """Raises DeviceError for bfloat16 on a GPU that has it only in slow emulation."""
    lacking = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    if dtype == "bfloat16" and lacking:
        raise DeviceError(
            f"base.dtype: {torch.cuda.get_device_name(device)} does not compute in bfloat16; "
            "set base.dtype: float32, or take a newer GPU"
        )


def _prompt(job: TrainingJob) -> Path | None:
    """The prompt's file that the job names, else the one beside its network."""
    named = job.base.prompt
    return Path(named) if named else find_prompt(Path(job.base.network), job.task)


def _base(
    network: WanTransformer3DModel, vae: AutoencoderKLWan, context: Context
) -> dict[str, str]:
    parts: dict[str, Mapping[str, torch.Tensor]] = {
        "base.network": network.state_dict(),
        "base.vae": vae.state_dict(),
        "base.prompt": {"text": context.text},
    }
    return {name: claim.tensors_sha256(tensors) for name, tensors in parts.items()}


def _claim(job: TrainingJob, root: Path, content: Mapping[str, str], *, main: bool) -> None:
    claim.check_content(content, root)
    if main:
        claim.keep(job, content, root)
        checkpoint.remove_scratch(root)


def _spread(job: TrainingJob, network: WanTransformer3DModel, accelerator: Accelerator) -> Any:
    """The network on this rank's device, and as gradients are to be taken of it."""
    ranks = accelerator.num_processes
    if job.run.sharding == "full" and ranks > 1:
        shard(network, accelerator.device, ranks)
        return network
    return accelerator.prepare_model(network.to(accelerator.device))


def _optimiser(moved: list[torch.nn.Parameter], config: OptimiserConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        moved, lr=config.rate, betas=config.betas, weight_decay=config.weight_decay
    )


def _restore(trainer: Trainer, progress: Progress | None) -> None:
    """Take up the last checkpoint that can be read, whatever number of ranks it was saved by."""
    stored = _last_stored(trainer, progress)
    if stored is None:
        return
    names = list(lora.weights(trainer.network))
    for name, parameter in zip(names, trainer.moved, strict=True):
        parameter.data.copy_(spread_like(stored.lora[name], parameter))
    if trainer.average:
        trainer.average.values = [
            spread_like(stored.average[name], parameter)
            for name, parameter in zip(names, trainer.moved, strict=True)
        ]
    _restore_moments(trainer, stored.optimiser)
    trainer.step = stored.step


def _last_stored(trainer: Trainer, progress: Progress | None) -> checkpoint.Stored | None:
    """What the first rank finds; the others read the same."""

    def tell(path: Path, reason: str) -> None:
        if progress:
            progress.event("damaged checkpoint set aside", path=str(path), reason=reason)

    main = trainer.accelerator.is_main_process
    stored = checkpoint.last_whole(trainer.root, tell) if main else None
    step = broadcast_object_list([stored.step if stored else None])[0]
    if main or step is None:
        return stored
    return checkpoint.load(checkpoint.folder_of(trainer.root, step))


def _restore_moments(trainer: Trainer, state: dict[str, Any]) -> None:
    for number, parameter in enumerate(trainer.moved):
        moments = state["state"][number]
        for name in ("exp_avg", "exp_avg_sq"):
            moments[name] = spread_like(moments[name], parameter)
    trainer.optimiser.load_state_dict(state)


def save(trainer: Trainer, score: float | None) -> None:
    """Write a checkpoint; every rank must call it, and the first one writes.

    Raises DiskFull if it does not fit; the checkpoints before stay.
    """
    main = trainer.accelerator.is_main_process
    weights = lora.weights(trainer.network)
    values = trainer.average.values if trainer.average else []
    average = dict(zip(weights, gathered(values, keep=main), strict=False))
    moments = gathered(trainer.optimiser.state_dict(), keep=main)
    if main:
        stored = checkpoint.Stored(trainer.step, weights, average, moments)
        checkpoint.save(trainer.root, stored, score)
        checkpoint.prune(trainer.root, trainer.job.run.keep)
        gallery.prune(trainer.root, [kept.step for kept in checkpoint.found(trainer.root)])
    trainer.accelerator.wait_for_everyone()
