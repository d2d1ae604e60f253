"""A small decoder of Wan's latents, one frame's convolutions instead of a video's.

Its layers and their names are those of TAEHV's decoders (github.com/madebyollin/taehv, MIT), so
that taew2_1, made for Wan2.1, loads; `distil` trains one to do as an autoencoder does on depth or
normals. It sees normalised latents, remembers the frame before at nine places, and gives pixels
in [0, 1]. Decoding frame by frame gives what decoding the whole does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from torch import nn

from transphy3d.dkt.model.tensors import read_pickle, read_tensors
from transphy3d.dkt.model.wan import LATENT_CHANNELS, cast
from transphy3d.errors import ModelError

WIDTHS = (256, 128, 64, 64)
GROWTH = (1, 2, 2)  # frames made of one, stage by stage
LEAD = 3  # of the four frames of the first latent, which stands for one
BOUND = 3.0  # latents are squashed into -3 to 3
PREFIX = "decoder."
CONVOLUTIONS = (8, 14, 20)  # between the stages, by their place among the layers


def _conv(inside: int, out: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inside, out, 3, padding=1, bias=bias)


class Squash(nn.Module):
    """Smoothly bounds latents."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return torch.tanh(frames / BOUND) * BOUND


class Remembering(nn.Module):
    """A residual block that also sees each frame's predecessor."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _conv(2 * width, width), nn.ReLU(), _conv(width, width), nn.ReLU(), _conv(width, width)
        )

    def forward(self, frames: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """(T, C, H, W) for as many, and for the frame `before` them, (1, C, H, W)."""
        past = torch.cat([before, frames[:-1]])
        return torch.relu(self.conv(torch.cat([frames, past], 1)) + frames)


class Grow(nn.Module):
    """`times` frames of each."""

    def __init__(self, width: int, times: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width * times, 1, bias=False)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.conv(frames).reshape(-1, *frames.shape[1:])


class TinyDecoder(nn.Module):
    """(1, 16, 1, h, w) normalised latents to frames (1, 3, 1 or 4, 8 h, 8 w) in [-1, 1].

    widths : channels of the three stages and of what is painted
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = [Squash(), _conv(LATENT_CHANNELS, widths[0]), nn.ReLU()]
        for width, following, times in zip(widths, widths[1:], GROWTH, strict=False):
            layers += [Remembering(width) for _ in range(3)]
            layers += [nn.Upsample(scale_factor=2), Grow(width, times)]
            layers.append(_conv(width, following, bias=False))
        painter = _conv(widths[-1], 3)
        nn.init.constant_(
            painter.get_parameter("bias"), 0.5
        )  # mid-grey, from where learning goes faster
        self.decoder = nn.Sequential(*layers, nn.ReLU(), painter)

    def forward(self, frames: torch.Tensor, memory: dict[int, torch.Tensor]) -> torch.Tensor:
        """Frames (4 T, 3, 8 h, 8 w) in [0, 1] of latents (T, 16, h, w) that follow each other.

        memory : what was before, by layer; empty at a video's start, and changed
        """
        for number, layer in enumerate(self.decoder):
            if isinstance(layer, Remembering):
                known = memory.get(number)
                memory[number] = frames[-1:]
                frames = layer(frames, torch.zeros_like(frames[:1]) if known is None else known)
            else:
                frames = layer(frames)
        return frames

    @torch.no_grad()
    def decode(self, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Frames (1, 3, 1 or 4, H, W) in [-1, 1] of normalised latents (1, 16, 1, h, w)."""
        like = next(self.parameters())
        memory: dict[int, torch.Tensor] = {}
        for number, latent in enumerate(latents):
            frames = self(latent[:, :, 0].to(like), memory)
            kept = frames if number else frames[LEAD:]
            yield (2 * kept - 1).clamp(-1, 1).transpose(0, 1)[None]


def load_tiny_decoder(file: Path, dtype: torch.dtype) -> TinyDecoder:
    """A decoder from a .safetensors or .pth file; an encoder that lies beside it is left there.

    Raises ModelError if the file holds none, or one for the latents of another model.
    """
    stored = read_pickle(file) if file.suffix in (".pth", ".pt") else read_tensors(file)
    found = {key: value for key, value in stored.items() if key.startswith(PREFIX)}
    places = [f"{PREFIX}{number}.weight" for number in (1, *CONVOLUTIONS)]
    if any(key not in found or found[key].ndim != 4 for key in places):
        raise ModelError(f"{file}: holds no tiny decoder; take taew2_1, or one that `distil` made")
    if found[places[0]].shape[1] != LATENT_CHANNELS:
        raise ModelError(
            f"{file}: decodes latents of {found[places[0]].shape[1]} channels, Wan2.1's have "
            f"{LATENT_CHANNELS}; take taew2_1"
        )
    decoder = TinyDecoder(tuple(len(found[key]) for key in places))
    try:
        decoder.load_state_dict(_trimmed(found, decoder))
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise ModelError(f"{file}: is a decoder of another layout ({reason})") from None
    return cast(decoder, dtype).requires_grad_(False).eval()


def _trimmed(stored: Mapping[str, torch.Tensor], decoder: TinyDecoder) -> dict[str, torch.Tensor]:
    """Published stages that could make more frames than here hold them last."""
    wanted = decoder.state_dict()
    return {
        key: value[-len(wanted[key]) :] if key in wanted and key.endswith("conv.weight") else value
        for key, value in stored.items()
    }
