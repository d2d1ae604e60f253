"""A model that is ready to look at videos: network with its LoRA, autoencoder and prompt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from safetensors import SafetensorError
from safetensors.torch import load_file

from transphy3d.dkt import lora
from transphy3d.dkt.wan import Context, cast, load_network, make_context, predict
from transphy3d.errors import DeviceError, ModelError

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class Model:
    """Everything that inference needs, on one device."""

    network: WanTransformer3DModel
    vae: AutoencoderKLWan
    context: Context

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


def pick_device(wanted: str) -> torch.device:
    """`auto` takes a GPU if there is one; `cuda` without one is a DeviceError."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise DeviceError(
            f"device: {wanted} is asked for and torch sees no GPU; use --device cpu, or install "
            "torch for your driver"
        )
    return torch.device(wanted)


def load_context(prompt: str | None, network: WanTransformer3DModel) -> Context:
    """The context of an embedded prompt's file; without one, an empty prompt."""
    config = network.config
    if prompt is None:
        return make_context(torch.zeros(0, config.text_dim), config.image_dim)
    embedding = read_tensors(Path(prompt)).get("prompt")
    if embedding is None or embedding.shape[-1] != config.text_dim:
        raise ModelError(
            f"{prompt}: holds no prompt of width {config.text_dim}; make it with "
            "`transphy3d dkt prepare`"
        )
    return make_context(embedding.float(), config.image_dim)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file. Raises ModelError if it cannot be read."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path}: cannot be read as safetensors ({error}); fetch it again"
        ) from None


def load_vae(folder: Path, dtype: torch.dtype) -> AutoencoderKLWan:
    """Wan's autoencoder from a diffusers folder. Raises ModelError if it is none."""
    try:
        vae: AutoencoderKLWan = AutoencoderKLWan.from_pretrained(folder)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{folder}: is no diffusers folder of Wan2.1's autoencoder ({error})"
        ) from None
    return cast(vae, dtype).requires_grad_(False).eval()


def load_model(
    network: Path,
    vae: Path,
    *,
    prompt: str | None = None,
    weights: Path | None = None,
    device: str = "auto",
    dtype: str = "bfloat16",
) -> tuple[Model, lora.LoadReport | None]:
    """The model in diffusers folders, with the LoRA of a .safetensors file of either layout.

    Returns also what became of the LoRA's tensors.
    """
    place = pick_device(device)
    base = load_network(network, DTYPES[dtype])
    report = lora.load(base, read_tensors(weights)) if weights else None
    model = Model(
        base.to(place).eval(), load_vae(vae, DTYPES[dtype]).to(place), load_context(prompt, base)
    )
    return model, report
