"""What a training job will take: memory of a GPU, hours and disk, without loading a weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from transphy3d.dkt.config import TrainingJob
from transphy3d.dkt.model import lora, original
from transphy3d.dkt.model.model import DTYPES
from transphy3d.dkt.training import checkpoint
from transphy3d.dkt.training.data import batch_sizes, frames_of
from transphy3d.dkt.training.step_cost import Batch, Cost, Training, encoding_cost, step_cost
from transphy3d.shards.draws import Batches

GB, TERA = 1e9, 1e12
MOMENTS = 2
FLOAT32_BYTES = 4
# Blocks that are whole at a time with a spread network: one computes while the next one comes.
WHOLE_BLOCKS = 2


@dataclass(frozen=True)
class Sizes:
    """Parameters of the base: of the network, one of its blocks, the LoRA and the autoencoder."""

    network: int
    block: int
    lora: int
    vae: int


@dataclass(frozen=True)
class Budget:
    """What a job takes on so many GPUs; network, vae : diffusers' arguments of the base."""

    job: TrainingJob
    gpus: int
    network: Mapping[str, Any]
    vae: Mapping[str, Any]

    @staticmethod
    def of(job: TrainingJob, gpus: int) -> Budget:
        """Reads the base's config.json. Raises ModelError if it is not there."""
        return Budget(job, gpus, _network(Path(job.base.network)), _vae(Path(job.base.vae)))

    @cached_property
    def sizes(self) -> Sizes:
        with torch.device("meta"):
            network = WanTransformer3DModel.from_config(dict(self.network))
            vae = AutoencoderKLWan.from_config(dict(self.vae))
            base, block = _count(network), _count(network.blocks[0])
            lora.attach(network, self.job.base.rank)
        moved = sum(p.numel() for p in lora.parameters(network))
        return Sizes(base, block, moved, _count(vae))

    @cached_property
    def steps(self) -> dict[int, Cost]:
        """The network's cost of a step, by latents of a clip."""
        return {n: self.step(n, self.job.run.checkpointing) for n in self.job.clips.latents}

    def step(self, latents: int, checkpointing: bool) -> Cost:
        """The network's cost of a step with clips of so many latents."""
        base = self.job.base
        training = Training(self.network, base.rank, DTYPES[base.dtype], checkpointing)
        return step_cost(training, self.batch(latents))

    @cached_property
    def encodings(self) -> dict[int, Cost]:
        """The cost of encoding pictures and targets of a step, by latents; none with a cache."""
        if self.job.clips.cache:
            return dict.fromkeys(self.job.clips.latents, Cost(0, 0))
        dtype = DTYPES[self.job.base.dtype]
        once = {n: encoding_cost(self.vae, dtype, self.batch(n)) for n in self.job.clips.latents}
        return {n: Cost(2 * cost.flops, cost.memory) for n, cost in once.items()}

    def batch(self, latents: int) -> Batch:
        """The batch of a rank with clips of so many latents."""
        clips = batch_sizes(self.job.clips)[frames_of(latents)]
        return Batch(clips, latents, self.job.clips.size)

    @cached_property
    def counts(self) -> Counter[int]:
        """Steps of the run, by latents of a clip."""
        batches = Batches(batch_sizes(self.job.clips), self.job.run.steps, self.job.seed)
        frames = Counter(batches.frames(step) for step in range(self.job.run.steps))
        return Counter({n: frames[frames_of(n)] for n in self.job.clips.latents})

    def flops(self, costs: Mapping[int, Cost]) -> float:
        """FLOPs of a rank in the whole run."""
        return sum(costs[latents].flops * count for latents, count in self.counts.items())

    @property
    def spread(self) -> int:
        """GPUs that share the network, its LoRA, gradients and moments."""
        return self.gpus if self.job.run.sharding == "full" else 1

    @property
    def network_bytes(self) -> float:
        """Of the network on a GPU, with the blocks that are whole at a time."""
        size = DTYPES[self.job.base.dtype].itemsize
        whole = WHOLE_BLOCKS * self.sizes.block if self.spread > 1 else 0
        return size * (self.sizes.network / self.spread + whole)

    @property
    def lora_bytes(self) -> float:
        """Of the LoRA, its gradients, moments and moving average on a GPU."""
        copies = 2 + MOMENTS + bool(self.job.optimiser.ema)
        return FLOAT32_BYTES * copies * self.sizes.lora / self.spread

    @property
    def vae_bytes(self) -> float:
        """Of the autoencoder."""
        return DTYPES[self.job.base.dtype].itemsize * self.sizes.vae

    @property
    def checkpoint_bytes(self) -> float:
        """Of a checkpoint on disk."""
        copies = 1 + MOMENTS + bool(self.job.optimiser.ema)
        return FLOAT32_BYTES * copies * self.sizes.lora


def _network(folder: Path) -> Mapping[str, Any]:
    config = original.read_config(folder)
    if not original.is_diffusers(config):
        # Mapped into memory and not read: its shapes say what the file does not.
        config = dict(original.load_network(folder).config)
    original.check_kind(folder, config.get("in_channels"), config.get("image_dim"))
    return config


def _vae(folder: Path) -> Mapping[str, Any]:
    """Wan2.1's own has the default arguments."""
    return {} if (folder / original.VAE).is_file() else original.read_config(folder)


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def describe(budget: Budget, tflops: float) -> str:
    """Lines on memory, work and disk; tflops : what a GPU is taken to do, in TFLOP/s."""
    return "\n".join([*_memory(budget), *_work(budget, tflops), *_disk(budget)])


def _row(name: str, figure: float, unit: str, note: str = "") -> str:
    return f"  {name:<12} {figure:9.2f} {unit:<6} {note}".rstrip()


def _memory(budget: Budget) -> Iterator[str]:
    job, sizes = budget.job, budget.sizes
    spread = f", spread over {budget.spread} GPUs" if budget.spread > 1 else ""
    average = ", average" if job.optimiser.ema else ""
    step, note = _heaviest_step(budget)
    encoding = max(cost.memory for cost in budget.encodings.values())
    parts = (budget.network_bytes, budget.vae_bytes, budget.lora_bytes, max(step, encoding))
    network = f"{sizes.network / 1e9:.2f} billion weights in {job.base.dtype}{spread}"
    moved = f"{sizes.lora / 1e6:.0f} million weights, gradients, moments{average}{spread}"
    yield "memory of a GPU at its peak"
    yield _row("network", budget.network_bytes / GB, "GB", network)
    yield _row("autoencoder", budget.vae_bytes / GB, "GB")
    yield _row("LoRA", budget.lora_bytes / GB, "GB", moved)
    yield _row("activations", step / GB, "GB", note)
    if encoding:
        yield _row("or encoding", encoding / GB, "GB", "of a batch, before the network runs")
    yield _row("in all", sum(parts) / GB, "GB", "and what kernels and the allocator take on top")


def _heaviest_step(budget: Budget) -> tuple[float, str]:
    """Bytes of the heaviest batch, and a note that compares checkpointing with none."""
    heaviest = max(budget.steps, key=lambda latents: budget.steps[latents].memory)
    batch, other = budget.batch(heaviest), not budget.job.run.checkpointing
    memory = budget.step(heaviest, other).memory
    clips = f"{batch.clips} clip{'s' * (batch.clips > 1)} of {frames_of(heaviest)} frames"
    note = f"{clips}; {memory / GB:.2f} GB with run.checkpointing: {str(other).lower()}"
    return budget.steps[heaviest].memory, note


def _work(budget: Budget, tflops: float) -> Iterator[str]:
    steps = budget.job.run.steps
    network, encoding = budget.flops(budget.steps), budget.flops(budget.encodings)
    hours = (network + encoding) / (tflops * TERA) / 3600
    clips = sum(budget.batch(n).clips * count for n, count in budget.counts.items())
    yield "work"
    yield _row("a step", (network + encoding) / steps / TERA, "TFLOP", "a GPU, in the mean")
    yield _row("encoding", 100 * encoding / (network + encoding), "%", _saving(budget))
    assumed = f"at {tflops:g} TFLOP/s a GPU, which is assumed: name yours by --tflops"
    yield _row(f"{steps} steps", hours, "h", assumed)
    yield _row(
        "GPU hours", hours * budget.gpus, "h", f"{budget.gpus} GPUs, {clips * budget.gpus} clips"
    )


def _saving(budget: Budget) -> str:
    return "of that; clips.cache saves it" if not budget.job.clips.cache else "of that, as cached"


def _disk(budget: Budget) -> Iterator[str]:
    most = budget.job.run.keep + checkpoint.LAST + 1
    yield "disk"
    yield _row("a checkpoint", budget.checkpoint_bytes / GB, "GB")
    yield _row(
        "checkpoints",
        most * budget.checkpoint_bytes / GB,
        "GB",
        f"the {budget.job.run.keep} best, the last {checkpoint.LAST}, and one being written",
    )
