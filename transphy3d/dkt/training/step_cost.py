"""What one training step costs: FLOPs and memory, counted on torch's fake tensors.

Fake tensors have shapes and types and no content, so that networks of any size are run through
the very code that trains. All inner blocks cost the same: three and two blocks are run, and each
further one costs their difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from transphy3d.dkt.model import lora
from transphy3d.dkt.model.flow import loss, mix
from transphy3d.dkt.model.wan import (
    LATENT_CHANNELS,
    PIXELS_PER_LATENT,
    cast,
    make_context,
    predict,
)
from transphy3d.dkt.training.latents import encode_pixels
from transphy3d.dkt.training.live_bytes import LiveBytes

aten = torch.ops.aten


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(grad, query, key, value))  # type: ignore[no-untyped-call]


# Fused attention as a CPU's fake tensors take it, which torch's counter leaves out; like a GPU's,
# it keeps no matrix of tokens by tokens.
ATTENTION = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


@dataclass(frozen=True)
class Cost:
    """FLOPs, as torch's counter counts them; memory : most bytes at once, beside weights,
    gradients and moments.
    """

    flops: float
    memory: float

    def further(self, less: Cost, times: float) -> Cost:
        """This cost, and so many times what it has more than another."""
        return Cost(
            self.flops + times * (self.flops - less.flops),
            self.memory + times * (self.memory - less.memory),
        )


@dataclass(frozen=True)
class Batch:
    """Clips of a step: how many, latents of each, and (height, width) in pixels."""

    clips: int
    latents: int
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Of its latents, (B, 16, T, h, w)."""
        height, width = (side // PIXELS_PER_LATENT for side in self.size)
        return self.clips, LATENT_CHANNELS, self.latents, height, width


@dataclass(frozen=True)
class Training:
    """How a network is trained; config : diffusers' arguments of it."""

    config: Mapping[str, Any]
    rank: int
    dtype: torch.dtype
    checkpointing: bool

    def blocks(self, count: int) -> Training:
        """The same with so many blocks."""
        return replace(self, config={**self.config, "num_layers": count})


def step_cost(training: Training, batch: Batch) -> Cost:
    """Of one step on one rank: forward, backward, and forward again with checkpointing."""
    blocks = training.config["num_layers"]
    if blocks <= 3:
        return _whole_step(training, batch)
    three, two = (_whole_step(training.blocks(count), batch) for count in (3, 2))
    return three.further(two, blocks - 3)


def _whole_step(training: Training, batch: Batch) -> Cost:
    with torch.device("meta"):
        network = cast(WanTransformer3DModel.from_config(dict(training.config)), training.dtype)
        lora.attach(network, training.rank)
    if training.checkpointing:
        network.enable_gradient_checkpointing()
    network.train()
    with FakeTensorMode():
        made_fake(network)
        return _counted(lambda: torch.autograd.backward(_loss(network, batch)), network)


def _loss(network: WanTransformer3DModel, batch: Batch) -> torch.Tensor:
    kind = network.patch_embedding.weight.dtype
    picture, target, noise = (torch.empty(batch.shape, dtype=kind) for _ in range(3))
    sigma = torch.empty(batch.clips)
    text = torch.empty(1, network.config.text_dim)
    context = make_context(text, network.config.image_dim)
    v = predict(network, mix(target, noise, sigma), picture, sigma, context)
    return loss(v, target, noise, sigma, torch.empty(batch.shape, dtype=kind)[:, :1])


def made_fake(model: torch.nn.Module) -> None:
    """Replace a model's tensors on the meta device by fake ones of a CPU; gradients are there."""
    for module in model.modules():
        for name, old in list(module.named_parameters(recurse=False)):
            new = torch.nn.Parameter(torch.empty(old.shape, dtype=old.dtype), old.requires_grad)
            if old.requires_grad:
                new.grad = torch.empty(old.shape, dtype=old.dtype)
            setattr(module, name, new)
        for name, buffer in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, torch.empty(buffer.shape, dtype=buffer.dtype))


def _counted(run: Callable[[], Any], model: torch.nn.Module) -> Cost:
    """Of a run, made twice: torch's counter keeps tensors, which would count as memory."""
    parameters = list(model.parameters())
    gradients = [p.grad for p in parameters if p.grad is not None]
    with LiveBytes([*parameters, *model.buffers(), *gradients]) as live:
        run()
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        run()
    return Cost(counter.get_total_flops(), live.peak)


@torch.no_grad()
def encoding_cost(config: Mapping[str, Any], dtype: torch.dtype, batch: Batch) -> Cost:
    """Of encoding a batch's pictures, or its targets; config : diffusers' of the autoencoder."""
    with torch.device("meta"):
        vae = cast(AutoencoderKLWan.from_config(dict(config)), dtype).requires_grad_(False)
    with FakeTensorMode():
        made_fake(vae)
        pixels = torch.empty(batch.clips, 3, 4 * batch.latents - 3, *batch.size)
        return _counted(lambda: encode_pixels(pixels, vae), vae)
