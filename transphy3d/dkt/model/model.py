"""A model that is ready to look at videos: network with its LoRA, autoencoder and prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from transphy3d.dkt.model import lora, original
from transphy3d.dkt.model.speed import PLAIN, USUAL, Speed, speed_up
from transphy3d.dkt.model.tensors import read_metadata, read_tensors
from transphy3d.dkt.model.tiny_decoder import TinyDecoder, load_tiny_decoder
from transphy3d.dkt.model.vae import decode
from transphy3d.dkt.model.wan import (
    LATENT_CHANNELS,
    Context,
    cast,
    load_folder,
    load_network,
    make_context,
    predict,
)
from transphy3d.errors import DeviceError, JobError, ModelError
from transphy3d.wording import suggest

PROMPT = "prompt"  # what its tensor is called
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class Model:
    """Everything that inference needs, on one device.

    speed : levers that were pulled; decoder : a tiny one that decodes instead of the autoencoder
    """

    network: WanTransformer3DModel
    vae: AutoencoderKLWan
    context: Context
    speed: Speed = PLAIN
    decoder: TinyDecoder | None = None

    @property
    def device(self) -> torch.device:
        place: torch.device = next(self.network.parameters()).device
        return place

    @property
    def dtype(self) -> torch.dtype:
        """Of what the network is given."""
        kind: torch.dtype = self.network.patch_embedding.weight.dtype
        return kind

    def predict(
        self, noisy: torch.Tensor, picture: torch.Tensor, sigma: torch.Tensor
    ) -> torch.Tensor:
        """v of one window of latents, which may lie elsewhere and in another type."""
        place, kind = self.device, self.dtype
        return predict(
            self.network, noisy.to(place, kind), picture.to(place, kind), sigma, self.context
        )

    def decode(self, latents: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Frames (1, 3, 1 or 4, H, W) in [-1, 1] of normalised latents (1, 16, 1, h, w)."""
        return self.decoder.decode(latents) if self.decoder else decode(latents, self.vae)


def pick_device(wanted: str) -> torch.device:
    """`auto` takes a GPU if there is one. Raises DeviceError for what torch has not."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise DeviceError(
            f"device: {wanted} is asked for and torch sees no GPU; use --device cpu, or install "
            "torch for your driver"
        )
    try:
        return torch.device(wanted)
    except RuntimeError:
        raise DeviceError(
            f"device: {wanted!r} is none of torch's; name auto, cpu, cuda or cuda:1"
        ) from None


def pick_type(wanted: str) -> torch.dtype:
    """The type of a model's weights by its name. Raises JobError with the nearest name."""
    if wanted not in DTYPES:
        raise JobError(f"dtype: {wanted!r} is not known; {suggest(wanted, DTYPES)}")
    return DTYPES[wanted]


def find_prompt(network: Path, task: str) -> Path | None:
    """The embedded prompt that `dkt convert` leaves beside a network, if it is there."""
    path = network.parent / f"prompt-{task}.safetensors"
    return path if path.is_file() else None


def load_context(
    prompt: Path | None, network: WanTransformer3DModel, task: str | None = None
) -> Context:
    """The context of an embedded prompt's file; without one, an empty prompt.

    Raises ModelError if it holds none, one of another text encoder, or, where it says so, another
    task's.
    """
    config = network.config
    if prompt is None:
        return make_context(torch.zeros(0, config.text_dim), config.image_dim)
    embedding = read_tensors(prompt).get(PROMPT)
    if embedding is None or embedding.shape[-1] != config.text_dim:
        raise ModelError(
            f"{prompt}: holds no prompt of width {config.text_dim}; make it with "
            "`transphy3d dkt embed`"
        )
    text = read_metadata(prompt).get("text", task)
    if task and text != task:
        raise ModelError(f"{prompt}: is the prompt {text!r}, the task is {task}; name that one's")
    return make_context(embedding.float(), config.image_dim)


def load_vae(folder: Path, dtype: torch.dtype) -> AutoencoderKLWan:
    """Wan's autoencoder from a diffusers folder, or from Wan2.1_VAE.pth in a downloaded one.

    Raises ModelError if it is not there, damaged or another.
    """
    published = folder / original.VAE
    if published.is_file():
        vae = original.load_vae(published)
    elif (folder / "config.json").is_file():
        vae = load_folder(AutoencoderKLWan, folder, dtype)
    else:
        raise ModelError(
            f"{folder}: holds no autoencoder; name the folder with {original.VAE}, or a diffusers "
            "folder"
        )
    if vae.config.z_dim != LATENT_CHANNELS:
        raise ModelError(
            f"{folder}: its latents have {vae.config.z_dim} channels, not {LATENT_CHANNELS}; take "
            "the autoencoder of Wan2.1"
        )
    return cast(vae, dtype).requires_grad_(False).eval()


def load_model(
    network: Path,
    vae: Path,
    *,
    task: str = "depth",
    prompt: Path | None = None,
    weights: Path | None = None,
    device: str = "auto",
    dtype: str = "bfloat16",
    speed: Speed = USUAL,
    decoder: Path | None = None,
) -> tuple[Model, lora.LoadReport | None]:
    """The model in two folders, with the LoRA of a .safetensors file of either layout.

    prompt : file of the task's embedded prompt; None takes the one beside the network, if there
        is one, else an empty one
    speed : levers that are pulled, after which the model only infers
    decoder : file of a tiny decoder, to decode instead of the autoencoder
    Returns also what became of the LoRA's tensors.
    """
    place = pick_device(device)
    kind = pick_type(dtype)
    base = load_network(network, kind)
    report = lora.load(base, read_tensors(weights)) if weights else None
    base.to(place).eval()
    context = load_context(prompt or find_prompt(network, task), base, task)
    # Placed once: it would be sent to the device for every window.
    context = context.to(base.patch_embedding.weight)
    codec = load_vae(vae, kind).to(place)
    tiny = load_tiny_decoder(decoder, kind).to(place) if decoder else None
    speed_up(base, codec, context, speed)
    return Model(base, codec, context, speed, tiny), report
