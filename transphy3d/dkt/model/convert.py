"""A base as it is downloaded, turned once into folders of diffusers and embedded prompts."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError

from transphy3d.dkt.model import original
from transphy3d.dkt.model.prompt import load_encoder, write_prompts
from transphy3d.errors import DiskFull, ModelError
from transphy3d.files import replacing_folder


def convert_base(folder: Path, out: Path, device: torch.device, *, prompts: bool) -> list[Path]:
    """Write network and autoencoder as diffusers has them, and the prompts of both tasks.

    Everything is read and checked before anything is written; weights keep their type. Returns
    what was written: transformer, vae, prompt-<task>.safetensors. Raises ModelError for files that
    are missing, damaged or of another model, DiskFull where no space is left.
    """
    if original.is_diffusers(original.read_config(folder)):
        raise ModelError(
            f"{folder}: is a diffusers folder already; use it as it is, and embed the prompts by "
            "`transphy3d dkt embed`"
        )
    network, vae = original.load_network(folder), original.load_vae(folder / original.VAE)
    text = load_encoder(folder, torch.bfloat16) if prompts else None
    written = [_save(network, out / "transformer"), _save(vae, out / "vae")]
    if text:
        tokenizer, encoder = text
        written += write_prompts(out, tokenizer, encoder.to(device))
    return written


def _save(model: torch.nn.Module, folder: Path) -> Path:
    try:
        with replacing_folder(folder) as scratch:
            model.save_pretrained(scratch)  # type: ignore[operator]
    except SafetensorError as error:
        raise DiskFull(f"{folder}: cannot be written ({error}); free space, run again") from None
    return folder
