"""What makes inference faster and leaves its result alone, but for rounding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import (
    AttentionBackendName,
    attention_backend,
    dispatch_attention_fn,
)

from transphy3d.dkt.model.fold import fold
from transphy3d.dkt.model.wan import Context
from transphy3d.errors import ModelError
from transphy3d.wording import suggest

NATIVE = "native"
BACK_ENDS = tuple(name.value for name in AttentionBackendName)


@dataclass(frozen=True)
class Speed:
    """Levers on a model's speed.

    attention : diffusers' name of a back end: "native" is torch's own choice, "_native_cudnn",
        "flash", "_flash_3", "sage" and others need a GPU, and some a package
    compiled : compile the network's blocks, once for each shape of windows; the first window waits
    merged : add the LoRA to the weights, as the released code does, instead of beside them
    folded : compute once what the prompt and the image tokens give, which never change
    channels_last : lay the autoencoder's weights out as cuDNN prefers them
    """

    attention: str = NATIVE
    compiled: bool = False
    merged: bool = True
    folded: bool = True
    channels_last: bool = False


USUAL = Speed()
PLAIN = Speed(merged=False, folded=False)


def speed_up(
    network: WanTransformer3DModel, vae: AutoencoderKLWan, context: Context, speed: Speed
) -> None:
    """Pull the levers on models that lie where they will run; afterwards, they only infer.

    Raises ModelError for an attention back end that is unknown, or that does not run here.
    """
    use_attention(network, speed.attention)
    if speed.merged and getattr(network, "peft_config", None):
        network.fuse_lora()
        network.unload_lora()
    if speed.folded:
        fold(network, context)
    if speed.channels_last:
        lay_channels_last(vae)
    if speed.compiled:
        network.compile_repeated_blocks(fullgraph=True)


def lay_channels_last(model: torch.nn.Module) -> None:
    """Convolutions' weights with channels last; what they are given follows."""
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d):
            weight = module.weight
            weight.data = weight.data.contiguous(memory_format=layouts[weight.ndim])


def use_attention(network: WanTransformer3DModel, name: str) -> None:
    """Let a network attend by diffusers' back end `name`, after trying it on a few tokens.

    Raises ModelError, naming the nearest back end or what is missing.
    """
    if name not in BACK_ENDS:
        raise ModelError(f"attention: {name!r} is not known; {suggest(name, BACK_ENDS)}")
    weight, config = network.patch_embedding.weight, network.config
    tokens = weight.new_zeros(1, 16, config.num_attention_heads, config.attention_head_dim)
    try:
        with attention_backend(name):
            dispatch_attention_fn(tokens, tokens, tokens)
    except (RuntimeError, ValueError, TypeError, AssertionError, ImportError, OSError) as error:
        raise ModelError(
            f"attention: {name} does not run here on {weight.device.type} in "
            f"{str(weight.dtype).removeprefix('torch.')} ({_first_line(error)}); mend that, or "
            f"take {NATIVE}"
        ) from None
    for module in network.modules():
        if isinstance(module, AttentionModuleMixin):
            module.set_attention_backend(name)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
