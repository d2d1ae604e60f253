"""Training samples per second of DKT, beside the floor that its FLOPs set.

    python benchmarks/dkt_training.py [--size tiny|1.3B] [--latents 1 6] [--steps 10]
    torchrun --nproc-per-node 8 benchmarks/dkt_training.py --size 1.3B

Times the step that trains (forward, backward with checkpointing, clipping, AdamW) on random
weights and random latents, as a job with `clips.cache` has them. Without a GPU, or with --size
tiny, a network of four narrow blocks is taken. The floor is the time of the step's FLOPs at the
rate of a large product of matrices in the same type, measured in the same process.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate import Accelerator

from transphy3d.dkt.config import LossConfig
from transphy3d.dkt.model import lora
from transphy3d.dkt.model.wan import cast, make_context, network_config
from transphy3d.dkt.training.step import Encoded, Schedule, clip_losses
from transphy3d.dkt.training.step_cost import Batch, Training, step_cost

# isort: split
from diffusers import WanTransformer3DModel  # once transphy3d.dkt has been imported

TINY = {
    "num_attention_heads": 4,
    "attention_head_dim": 48,
    "in_channels": 48,
    "out_channels": 16,
    "text_dim": 64,
    "freq_dim": 64,
    "ffn_dim": 768,
    "num_layers": 4,
    "image_dim": 64,
    "added_kv_proj_dim": 192,
}
TOKENS = 6  # latents in a batch, as the built-in jobs have them
PRODUCT = {"cuda": 8192, "cpu": 1024}
WARM_UP = 3


def seconds_of(run: Callable[[], Any], times: int, device: torch.device) -> float:
    """Median of some runs after a warm-up."""
    spent = []
    for _ in range(WARM_UP + times):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent[WARM_UP:])


def rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of one large product of matrices."""
    side = PRODUCT[device.type]
    a = torch.randn(side, side, device=device, dtype=dtype)
    return 2 * side**3 / seconds_of(lambda: a @ a, 10, device)


def make_step(
    config: Mapping[str, Any], rank: int, batch: Batch, accelerator: Accelerator, dtype: torch.dtype
) -> Callable[[], None]:
    """One step on random weights and latents."""
    device = accelerator.device
    with device:
        network = cast(WanTransformer3DModel.from_config(dict(config)), dtype)
    lora.attach(network, rank)
    network.enable_gradient_checkpointing()
    network.train()
    moved = lora.parameters(network)
    optimiser = torch.optim.AdamW(moved, lr=1e-5)
    latents = [torch.randn(batch.shape, device=device, dtype=dtype) for _ in range(2)]
    encoded = Encoded(*latents, torch.ones_like(latents[0][:, :1]))
    context = make_context(torch.randn(3, network.config.text_dim), network.config.image_dim)
    schedule, driven = Schedule.of(LossConfig()), accelerator.prepare_model(network)

    def step() -> None:
        numbers = list(range(batch.clips))
        accelerator.backward(clip_losses(driven, encoded, context, schedule, 0, numbers))
        torch.nn.utils.clip_grad_norm_(moved, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def measure(arguments: argparse.Namespace, accelerator: Accelerator, latents: int) -> str:
    """A row of the table: clips of one length."""
    real, device = arguments.size == "1.3B", accelerator.device
    on_gpu = device.type == "cuda"
    dtype = torch.bfloat16 if on_gpu else torch.float32
    config, size, rank = (network_config("1.3B"), (480, 832), 128) if real else (TINY, (64, 96), 16)
    batch = Batch(TOKENS // latents, latents, size)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = seconds_of(
        make_step(config, rank, batch, accelerator, dtype), arguments.steps, device
    )
    flops = step_cost(Training(config, rank, dtype, checkpointing=True), batch).flops
    floor = flops / rate(device, dtype)
    clips = batch.clips * accelerator.num_processes
    memory = f"{torch.cuda.max_memory_allocated() / 1e9:.2f}" if on_gpu else "-"
    return (
        f"{4 * latents - 3:6d} {clips:6d} {1e3 * seconds:9.1f} {clips / seconds:9.3f} "
        f"{flops / 1e12:9.3f} {1e3 * floor:9.1f} {floor / seconds:6.1%} {memory:>8}"
    )


def main() -> None:
    """Measure and print; the first rank prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("tiny", "1.3B"))
    parser.add_argument("--latents", type=int, nargs="+", default=[1, 3, 6])
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    on_gpu = accelerator.device.type == "cuda"
    arguments.size = arguments.size or ("1.3B" if on_gpu else "tiny")
    device = torch.cuda.get_device_name() if on_gpu else f"CPU {platform.machine()}"
    rows = [measure(arguments, accelerator, latents) for latents in arguments.latents]
    if accelerator.is_main_process:
        threads = torch.get_num_threads()
        print(f"{arguments.size} on {accelerator.num_processes} x {device}, {threads} threads")
        print("frames  clips   ms/step   clips/s     TFLOP  floor ms  floor  peak GB")
        print("\n".join(rows))


if __name__ == "__main__":
    main()
