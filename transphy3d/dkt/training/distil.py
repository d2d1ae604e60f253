"""A tiny decoder that is taught to decode depth or normals as the autoencoder does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import save_file
from torch.optim.lr_scheduler import LinearLR

from transphy3d.dkt.config import TrainingJob
from transphy3d.dkt.model.model import load_vae, pick_device, pick_type
from transphy3d.dkt.model.tiny_decoder import LEAD, WIDTHS, TinyDecoder, load_tiny_decoder
from transphy3d.dkt.model.wan import denormalise
from transphy3d.dkt.training.data import make_loader, open_clips, target
from transphy3d.dkt.training.latents import encode_pixels
from transphy3d.errors import RunError
from transphy3d.files import replacing
from transphy3d.progress import Progress


@dataclass(frozen=True)
class Lesson:
    """How a tiny decoder is taught.

    start : a decoder to go on from, as taew2_1; None begins with random weights of `widths`
    rate : AdamW's learning rate at the first step, which falls to nothing
    """

    steps: int = 10000
    rate: float = 1e-3
    start: Path | None = None
    widths: tuple[int, ...] = WIDTHS


def distil(job: TrainingJob, out: Path, lesson: Lesson, device: str, progress: Progress) -> float:
    """Write a decoder for a training job's task, taught on its data, to a .safetensors file.

    Returns its mean absolute difference from the autoencoder over the last tenth of the steps, in
    pixel values from -1 to 1. Raises RunError for a difference that is not finite.
    """
    place = pick_device(device)
    vae = load_vae(Path(job.base.vae), pick_type(job.base.dtype)).to(place)
    torch.manual_seed(job.seed)
    student = _beginner(lesson).to(place).train().requires_grad_(True)
    differences = []
    for step, found in enumerate(_steps(job, lesson, student, vae), 1):
        if not math.isfinite(found):
            raise RunError(f"distil: the difference is {found} at step {step}; lower --rate")
        differences.append(found)
        progress.frames(step, lesson.steps)
    with replacing(out) as scratch:
        save_file({key: value.cpu() for key, value in student.state_dict().items()}, scratch)
    last = differences[-max(1, lesson.steps // 10) :]
    return sum(last) / len(last)


def _beginner(lesson: Lesson) -> TinyDecoder:
    if lesson.start:
        return load_tiny_decoder(lesson.start, torch.float32)
    return TinyDecoder(lesson.widths)


def _steps(
    job: TrainingJob, lesson: Lesson, student: TinyDecoder, vae: AutoencoderKLWan
) -> Iterator[float]:
    """The difference at every step."""
    optimiser = torch.optim.AdamW(student.parameters(), lr=lesson.rate, weight_decay=0)
    falling = LinearLR(optimiser, 1.0, 0.0, total_iters=lesson.steps)
    run = job.run.model_copy(update={"steps": lesson.steps})
    planned = job.model_copy(update={"run": run})
    for batch in make_loader(planned, open_clips(job), 0, 0, 1):
        latents, wanted = taught(target(batch, job.task), vae)
        loss = difference(student, latents, wanted)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        falling.step()
        yield loss.item()


@torch.no_grad()
def taught(pixels: torch.Tensor, vae: AutoencoderKLWan) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents (B, 16, T, h, w) of pixels (B, 3, F, H, W), and what they are decoded to."""
    latents = encode_pixels(pixels, vae)
    return latents.float(), vae.decode(denormalise(latents, vae)).sample.float()


def difference(student: TinyDecoder, latents: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of what the student makes of clips' latents."""
    pairs = zip(latents, wanted, strict=True)
    return torch.stack([(seen(student, one) - whole).abs().mean() for one, whole in pairs]).mean()


def seen(student: TinyDecoder, latents: torch.Tensor) -> torch.Tensor:
    """Frames (3, F, H, W) in [-1, 1] of one clip's latents (16, T, h, w)."""
    frames: torch.Tensor = student(latents.transpose(0, 1), {})
    return 2 * frames[LEAD:].transpose(0, 1) - 1
