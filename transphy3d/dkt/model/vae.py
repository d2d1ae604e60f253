"""Wan's causal video autoencoder in constant memory: frames 1 + 4 + 4 + ..., one latent each.

diffusers holds a video in memory as a whole. Its encoder and decoder keep what they need of
earlier frames in a cache, which this module drives step by step; the results are the same bit
by bit. It touches private attributes of diffusers, which setup.cfg therefore pins closely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from diffusers import AutoencoderKLWan

from transphy3d.dkt.model.wan import LATENT_CHANNELS, denormalise, normalise
from transphy3d.dkt.model.windows import FRAMES_PER_LATENT


@torch.no_grad()
def encode(frames: Iterable[torch.Tensor], vae: AutoencoderKLWan) -> Iterator[torch.Tensor]:
    """Normalised latents (1, 16, 1, h, w), one for each group of frames.

    frames : tensors (3, H, W) in [-1, 1], 4 N + 1 of them
    """
    cache: list[torch.Tensor | None] = [None] * vae._cached_conv_counts["encoder"]
    for group in _groups(frames):
        clip = torch.stack(group, dim=1)[None].to(vae.device, vae.dtype)
        hidden = vae.encoder(clip, feat_cache=cache, feat_idx=[0])
        yield normalise(vae.quant_conv(hidden)[:, :LATENT_CHANNELS], vae)


def _groups(frames: Iterable[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """The first frame alone, then fours. Raises ValueError if some are left over."""
    group: list[torch.Tensor] = []
    wanted = 1
    for frame in frames:
        group.append(frame)
        if len(group) == wanted:
            yield group
            group, wanted = [], FRAMES_PER_LATENT
    if group:
        raise ValueError(f"frames: {len(group)} are left over; hand in 4 N + 1 of them")


@torch.no_grad()
def decode(latents: Iterable[torch.Tensor], vae: AutoencoderKLWan) -> Iterator[torch.Tensor]:
    """Frames (1, 3, 1 or 4, H, W) in [-1, 1] of normalised latents (1, 16, 1, h, w)."""
    cache: list[torch.Tensor | None] = [None] * vae._cached_conv_counts["decoder"]
    first = True
    for latent in latents:
        hidden = vae.post_quant_conv(denormalise(latent.to(vae.device, vae.dtype), vae))
        decoded = vae.decoder(hidden, feat_cache=cache, feat_idx=[0], first_chunk=first)
        first = False
        yield decoded.clamp(-1, 1)
