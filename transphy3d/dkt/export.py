"""A trained LoRA for other programs."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from transphy3d.dkt.lora import effect, to_diffsynth, to_peft
from transphy3d.dkt.tensors import read_tensors
from transphy3d.errors import JobError, ModelError
from transphy3d.files import replacing

LAYOUTS = ("diffsynth", "peft")


def export_lora(source: Path, out: Path, layout: str, *, averaged: bool) -> str:
    """Write the LoRA of a checkpoint folder or .safetensors file; returns a line on it.

    Raises ModelError if it holds none or does nothing, JobError for an unknown layout.
    """
    if layout not in LAYOUTS:
        raise JobError(f"--layout {layout!r}: choose of {', '.join(LAYOUTS)}")
    file = source / ("ema.safetensors" if averaged else "lora.safetensors")
    known, unused = to_peft(read_tensors(file if source.is_dir() else source))
    if not known:
        raise ModelError(f"{source}: holds no LoRA of Wan's network")
    strength = effect(known)
    if strength == 0:
        raise ModelError(f"{source}: its LoRA changes nothing; it was not trained")
    with replacing(out) as scratch:
        save_file(to_diffsynth(known) if layout == "diffsynth" else known, scratch)
    return f"{out}: {len(known) // 2} layers, {len(unused)} keys left out, effect {strength:.3g}"
