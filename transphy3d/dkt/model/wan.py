"""The network: Wan2.1-Fun-Control, told what it sees by 16 more channels.

Its 48 input channels are the noisy target, the picture and zeros, 16 latents each. The prompt
is one word, embedded once; the image branch gets zeros, which it turns into a constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from safetensors import SafetensorError

from transphy3d.dkt.model import original
from transphy3d.errors import ModelError

Size = Literal["1.3B", "14B"]
Module = TypeVar("Module", bound=torch.nn.Module)
LATENT_CHANNELS = 16
TEXT_TOKENS = 512
IMAGE_TOKENS = 257
PIXELS_PER_LATENT = 8
PATCH = 2
# Wan2.1-Fun-1.3B-Control and -14B-Control as diffusers builds them.
NETWORKS: dict[Size, dict[str, Any]] = {
    "1.3B": {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30},
    "14B": {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40},
}
IMAGE_WIDTH = 1280
TEXT_WIDTH = 4096
HEAD_WIDTH = 128


def network_config(size: Size) -> dict[str, Any]:
    """Arguments of diffusers' WanTransformer3DModel."""
    known = NETWORKS[size]
    return {
        **known,
        "attention_head_dim": HEAD_WIDTH,
        "in_channels": 3 * LATENT_CHANNELS,
        "out_channels": LATENT_CHANNELS,
        "text_dim": TEXT_WIDTH,
        "image_dim": IMAGE_WIDTH,
        "added_kv_proj_dim": known["num_attention_heads"] * HEAD_WIDTH,
    }


@dataclass(frozen=True)
class Context:
    """What the network is told beside the latents; the same for every video.

    text : (1, 512, C) embedding of the prompt, zeros after its last token
    image : (1, 257, C) zeros
    """

    text: torch.Tensor
    image: torch.Tensor

    def to(self, like: torch.Tensor) -> Context:
        """On the device and in the type of a tensor."""
        return Context(self.text.to(like), self.image.to(like))


def make_context(embedding: torch.Tensor, image_width: int = IMAGE_WIDTH) -> Context:
    """The context of a prompt's embedding (L, C) or (1, L, C), L at most 512."""
    tokens = embedding.reshape(-1, embedding.shape[-1])
    if len(tokens) > TEXT_TOKENS:
        raise ModelError(f"prompt: {len(tokens)} tokens are more than {TEXT_TOKENS}; shorten it")
    text = torch.zeros(1, TEXT_TOKENS, tokens.shape[-1], dtype=tokens.dtype)
    text[0, : len(tokens)] = tokens
    return Context(text, torch.zeros(1, IMAGE_TOKENS, image_width, dtype=tokens.dtype))


def predict(
    network: WanTransformer3DModel,
    noisy: torch.Tensor,
    picture: torch.Tensor,
    sigma: torch.Tensor,
    context: Context,
) -> torch.Tensor:
    """v for latents (B, 16, T, h, w) at noise levels (B,)."""
    known = context.to(noisy)
    batch = len(noisy)
    v: torch.Tensor = network(
        hidden_states=torch.cat([noisy, picture.to(noisy), torch.zeros_like(noisy)], dim=1),
        timestep=1000 * sigma.to(noisy.device, torch.float32),
        encoder_hidden_states=known.text.expand(batch, -1, -1),
        encoder_hidden_states_image=known.image.expand(batch, -1, -1),
        return_dict=False,
    )[0]
    return v


def normalise(latents: torch.Tensor, vae: AutoencoderKLWan) -> torch.Tensor:
    """What the encoder gives, as the network takes it: mean 0 and deviation 1 a channel."""
    mean, deviation = _statistics(latents, vae)
    return (latents - mean) / deviation


def denormalise(latents: torch.Tensor, vae: AutoencoderKLWan) -> torch.Tensor:
    """The inverse of `normalise`."""
    mean, deviation = _statistics(latents, vae)
    return latents * deviation + mean


def _statistics(latents: torch.Tensor, vae: AutoencoderKLWan) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (1, -1, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean).reshape(shape).to(latents)
    return mean, torch.tensor(vae.config.latents_std).reshape(shape).to(latents)


def load_network(folder: Path, dtype: torch.dtype) -> WanTransformer3DModel:
    """The network in a diffusers folder, or as its authors publish it; every weight in `dtype`.

    Reads local files only. Raises ModelError if they are damaged or hold another kind of model.
    """
    config = original.read_config(folder)
    if not original.is_diffusers(config):
        return cast(original.load_network(folder), dtype)
    original.check_kind(folder, config.get("in_channels"), config.get("image_dim"))
    return load_folder(WanTransformer3DModel, folder, dtype)


def load_folder(kind: type[Module], folder: Path, dtype: torch.dtype) -> Module:
    """A model in a diffusers folder, every weight in `dtype`; never asks a hub.

    Files of that type stay mapped into memory, so that processes on one machine share them.
    Raises ModelError if files are missing or damaged, or hold another kind of model.
    """
    try:
        model, report = kind.from_pretrained(  # type: ignore[attr-defined]
            folder, torch_dtype=dtype, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{folder}: is no folder of a {kind.__name__} ({error}); fetch it again, or name the "
            "right folder"
        ) from None
    # The libraries fill what is missing with random numbers.
    if missing := report["missing_keys"]:
        raise ModelError(
            f"{folder}: lacks {len(missing)} tensors of {kind.__name__}, the first is "
            f"{min(missing)}; fetch it again"
        )
    loaded: Module = cast(model, dtype)
    return loaded


def cast(model: Module, dtype: torch.dtype) -> Module:
    """Every weight in `dtype`, as the released code has them.

    By torch's own method: that of diffusers warns that some layers should stay in float32.
    """
    torch.nn.Module.to(model, dtype)
    return model
