"""What the real networks cost, counted on meta tensors: nothing is allocated or computed.

FLOPs are those of matrix products, convolutions and attention, two for a multiply and add, as
torch's counter counts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch.utils.flop_counter import FlopCounterMode

from transphy3d.dkt.model import lora
from transphy3d.dkt.model.fold import fold_tokens
from transphy3d.dkt.model.tiny_decoder import TinyDecoder
from transphy3d.dkt.model.wan import (
    IMAGE_TOKENS,
    IMAGE_WIDTH,
    LATENT_CHANNELS,
    PIXELS_PER_LATENT,
    TEXT_TOKENS,
    TEXT_WIDTH,
    Size,
    network_config,
)
from transphy3d.dkt.model.windows import FRAMES_PER_LATENT, Windows


@dataclass(frozen=True)
class Weights:
    """Sizes of a network. lora_modules : layers that the LoRA changes."""

    parameters: int
    lora_modules: int
    lora_parameters: int


def weights(size: Size, rank: int) -> Weights:
    """Parameters of a network and of a LoRA on it."""
    network = _network(size)
    base = sum(p.numel() for p in network.parameters())
    with torch.device("meta"):
        lora.attach(network, rank)
    moved = lora.parameters(network)
    return Weights(base, len(moved) // 2, sum(p.numel() for p in moved))


def _network(size: Size) -> WanTransformer3DModel:
    with torch.device("meta"):
        return WanTransformer3DModel(**network_config(size))


def forward_flops(
    size: Size,
    latents: int,
    picture: tuple[int, int] = (480, 832),
    *,
    rank: int = 0,
    folded: bool = False,
) -> int:
    """FLOPs of one look at a window of `latents` at (height, width) pixels.

    rank : of a LoRA beside the weights; folded : whether the context, with a prompt of two
        tokens, was computed before
    """
    network = _network(size).eval()
    height, width = (side // PIXELS_PER_LATENT for side in picture)
    with torch.device("meta"), torch.no_grad():
        if rank:
            lora.attach(network, rank)
        if folded:
            text, image = torch.empty(3, TEXT_WIDTH), torch.empty(1, IMAGE_WIDTH)
            fold_tokens(network, text, torch.ones(3), image)
        with FlopCounterMode(display=False) as counter:
            network(
                hidden_states=torch.empty(1, 3 * LATENT_CHANNELS, latents, height, width),
                timestep=torch.empty(1),
                encoder_hidden_states=torch.empty(1, TEXT_TOKENS, TEXT_WIDTH),
                encoder_hidden_states_image=torch.empty(1, IMAGE_TOKENS, IMAGE_WIDTH),
                return_dict=False,
            )
    return int(counter.get_total_flops())


@dataclass(frozen=True)
class CodecFlops:
    """FLOPs of the autoencoder for one frame of a long video."""

    encode: float
    decode: float


def codec_flops(picture: tuple[int, int] = (480, 832)) -> CodecFlops:
    """Of Wan2.1's autoencoder, from the difference of a longer and a shorter video."""
    longer, shorter = _codec(picture, 9), _codec(picture, 5)
    encode, decode = ((a - b) / FRAMES_PER_LATENT for a, b in zip(longer, shorter, strict=True))
    return CodecFlops(encode, decode)


def _codec(picture: tuple[int, int], frames: int) -> tuple[int, int]:
    with torch.device("meta"), torch.no_grad():
        vae = AutoencoderKLWan().eval()
        latents = 1 + (frames - 1) // FRAMES_PER_LATENT
        height, width = (side // PIXELS_PER_LATENT for side in picture)
        with FlopCounterMode(display=False) as encoding:
            vae.encode(torch.empty(1, 3, frames, *picture))
        with FlopCounterMode(display=False) as decoding:
            vae.decode(torch.empty(1, LATENT_CHANNELS, latents, height, width))
    return int(encoding.get_total_flops()), int(decoding.get_total_flops())


def tiny_decoder_flops(picture: tuple[int, int] = (480, 832)) -> float:
    """FLOPs of the tiny decoder for one frame of a long video."""
    height, width = (side // PIXELS_PER_LATENT for side in picture)
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        TinyDecoder()(torch.empty(1, LATENT_CHANNELS, height, width), {})
    return float(counter.get_total_flops() / FRAMES_PER_LATENT)


def flops_per_frame(
    size: Size,
    windows: Windows,
    steps: int = 5,
    *,
    rank: int = 0,
    folded: bool = False,
    tiny: bool = False,
) -> float:
    """FLOPs for one frame of a long video: every step's windows, encoding and decoding.

    rank, folded : as for `forward_flops`; tiny : whether the tiny decoder decodes
    """
    fresh = (windows.length - windows.overlap) * FRAMES_PER_LATENT
    look = forward_flops(size, windows.length, rank=rank, folded=folded)
    codec = codec_flops()
    decode = tiny_decoder_flops() if tiny else codec.decode
    return steps * look / fresh + codec.encode + decode
