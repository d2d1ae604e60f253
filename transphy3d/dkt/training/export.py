"""A trained LoRA for other programs, with a model card beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from transphy3d.dkt.choice import one_of
from transphy3d.dkt.model import lora
from transphy3d.dkt.model.model import pick_type
from transphy3d.dkt.model.tensors import read_tensors
from transphy3d.dkt.model.wan import load_network
from transphy3d.dkt.training.card import CARD_NAME, Exported, check_place, write_card
from transphy3d.errors import JobError, ModelError
from transphy3d.files import fsync, replacing, scratch_name, sha256_file

Tensors = dict[str, torch.Tensor]
# From peft's layout, in which a LoRA is read, to each layout of a file.
RENAMED: dict[str, Callable[[Tensors], Tensors]] = {
    "diffsynth": lora.to_diffsynth,
    "comfyui": lora.to_comfyui,
    "peft": dict,
}
LAYOUTS = (*RENAMED, "merged")


@dataclass(frozen=True)
class Wanted:
    """How a LoRA is written.

    averaged : the moving average of the weights instead of the last ones
    network, dtype : of the layout "merged": what the LoRA is added to, and the type to write
    licence : that the model card names; None writes no card
    """

    layout: str = "diffsynth"
    averaged: bool = False
    network: Path | None = None
    dtype: str = "bfloat16"
    licence: str | None = "apache-2.0"


def export_lora(source: Path, out: Path, wanted: Wanted) -> str:
    """Write the LoRA of a checkpoint folder or .safetensors file; returns lines on it.

    out : a .safetensors file, or the folder of a merged network; the card is README.md beside the
        file, or in the folder
    Raises ModelError if the source holds no LoRA or one that does nothing, JobError for options
    that do not fit together, or where a README.md stands that is no card.
    """
    one_of("layout", wanted.layout, LAYOUTS)
    if (wanted.layout == "merged") != bool(wanted.network):
        raise JobError("--layout merged and --network belong together; name both, or neither")
    place = out if wanted.layout == "merged" else out.parent
    if wanted.licence:
        check_place(place)
    known, report = read_lora(source, averaged=wanted.averaged)
    if wanted.network:
        _write_merged(wanted.network, out, known, wanted.dtype)
    else:
        with replacing(out) as scratch:
            save_file(RENAMED[wanted.layout](known), scratch)
    lines = [f"{out}: {report.describe()}"]
    if wanted.licence:
        weights = _hashes(out)
        exported = Exported(out.name, wanted.layout, report, _width(known), weights, wanted.licence)
        write_card(place, source, exported)
        lines.append(f"{place / CARD_NAME}: model card")
    return "\n".join(lines)


def read_lora(source: Path, *, averaged: bool = False) -> tuple[Tensors, lora.LoadReport]:
    """The LoRA of a checkpoint folder or file, in peft's layout, and what became of its keys."""
    file = source / ("ema.safetensors" if averaged else "lora.safetensors")
    if averaged and source.is_dir() and not file.exists():
        raise ModelError(f"{source}: keeps no moving average; leave --averaged out")
    known, unused = lora.to_peft(read_tensors(file if source.is_dir() else source))
    if not known:
        raise ModelError(f"{source}: holds no LoRA of Wan's network")
    report = lora.LoadReport.of(known, lora.layers_below(known), unused)
    if report.effect == 0:
        raise ModelError(f"{source}: its LoRA changes nothing; it was not trained")
    return known, report


def _write_merged(base: Path, out: Path, known: Tensors, dtype: str) -> None:
    """The network with the LoRA added to its weights, as a diffusers folder."""
    if out.exists():
        raise JobError(f"{out}: is there already; name a folder that is not")
    network = load_network(base, pick_type(dtype))
    lora.load(network, known)
    network.fuse_lora()
    network.unload_lora()
    scratch = scratch_name(out)
    try:
        network.save_pretrained(scratch)
        for file in scratch.iterdir():
            fsync(file)
        os.replace(scratch, out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _hashes(out: Path) -> dict[str, str]:
    """SHA-256 by name of the files that hold weights."""
    files = sorted(out.glob("*.safetensors")) if out.is_dir() else [out]
    return {file.name: sha256_file(file) for file in files}


def _width(known: Tensors) -> int:
    """Of the network's tokens, which tells its sizes apart."""
    return next(v.shape[1] for k, v in known.items() if k.endswith("attn1.to_q.lora_A.weight"))
