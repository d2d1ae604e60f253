"""Does the trainer learn? A tiny model, from random weights, on sequences rendered here.

    python benchmarks/learning.py [--out OUT] [--seeds 0 1 2] [--tiny]

Renders training and held-out sequences of other seeds, trains a small autoencoder of Wan's class
on their pictures and disparities (one with random weights decodes nothing), gives a network of
Wan's class random weights, trains DKT's LoRA on it by `transphy3d dkt train`, and scores it on the
held-out videos by `transphy3d dkt eval`, beside baselines. The whole of it runs for each seed,
which changes the model's weights, the clips and their noise; pictures are rendered once. OUT keeps
everything, so that a second run goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from transphy3d.dkt.inference.infer import Settings, estimate
from transphy3d.dkt.inference.video import open_video
from transphy3d.dkt.model.model import load_model
from transphy3d.dkt.model.wan import LATENT_CHANNELS
from transphy3d.dkt.model.windows import Windows, latents_of
from transphy3d.dkt.training import checkpoint
from transphy3d.dkt.training.curves import charts, write_picture
from transphy3d.dkt.training.data import frames_of, picture, target
from transphy3d.dkt.training.log import read_log
from transphy3d.shards.draws import Draw
from transphy3d.shards.reader import open_dataset
from transphy3d.shards.torch_clips import Clips

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

# The model's REL must be below that of the best of these by this share of it. A height ramp is no
# such bar: seen from above, a table is one, and only what stands on it is not.
BARS = ("constant", "darkness", "image gradient")
MARGIN = 0.35
# Metres. Beyond, a disparity near 0 decides: a little too low, it is kilometres off.
MAX_DEPTH = 2
# More gain little on pictures this small, and stall each other on a busy machine.
THREADS = 1
HEAD_WIDTH = 48
CODEC_CROP = 32
CODEC_CLIPS = 4
CODEC_RATE = 5e-3
MEASURED_CLIPS = 24


@dataclass(frozen=True)
class Plan:
    """How much is made of everything.

    size : (height, width) of pictures; train, held_out : sequences, each of so many frames
    window, overlap : latents, when a held-out video is seen in several windows
    """

    size: tuple[int, int] = (64, 96)
    train: int = 32
    train_frames: int = 13
    held_out: int = 6
    held_out_frames: int = 29
    codec_steps: int = 800
    width: int = 144
    layers: int = 3
    latents: tuple[int, ...] = (1, 2, 3)
    tokens: int = 6
    steps: int = 800
    validate_every: int = 40
    window: int = 3
    overlap: int = 1
    workers: int = 1


# What the tests run.
TINY = Plan(
    size=(48, 64),
    train=12,
    train_frames=9,
    held_out=3,
    held_out_frames=17,
    codec_steps=400,
    latents=(1, 3),
    steps=250,
    validate_every=125,
    workers=2,
)


@dataclass(frozen=True)
class Learnt:
    """What one seed came to.

    rel, delta : REL and share of pixels within 1.25, by predictor; "model" is the trained one
    transparent : REL on transparent objects alone
    agreement : correlation of disparities seen in several windows and in one
    difference : their mean absolute difference, of disparities in [0, 1]
    """

    rel: dict[str, float]
    delta: dict[str, float]
    transparent: dict[str, float]
    agreement: float
    difference: float

    @property
    def margin(self) -> float:
        """The share by which the model's REL is below that of the best of BARS."""
        return 1 - self.rel["model"] / min(self.rel[name] for name in BARS)


def command(*words: object) -> None:
    """Run `transphy3d WORDS`, whose output is shown only if it fails."""
    line = [sys.executable, "-m", "transphy3d", *map(str, words)]
    env = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
    done = subprocess.run(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(line)}\n{done.stdout}")


def render(out: Path, plan: Plan, seed: int, sequences: int, frames: int) -> Path:
    """Sequences of the job `smoke` on tables, slowly circled from above; returns their shards."""
    settings = {
        "seed": seed,
        "sequences": sequences,
        "frames": frames,
        "width": plan.size[1],
        "height": plan.size[0],
        "supports.kinds": "{table: 1}",
        "camera.elevation": "[30,60]",
        "camera.arc": "[20,60]",
        "render.samples": 4,
        "output.channels": "[rgb,depth,instance]",
        "output.videos": 0,
        "output.sequences_per_shard": 1000,
        "run.workers": plan.workers,
    }
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    if not (out / "shards/index.json").exists():
        command("render", "smoke", "--out", out, *words)
    return out / "shards"


def make_codec(path: Path, shards: Path, plan: Plan, seed: int) -> None:
    """Train a small autoencoder on pictures and disparities, unless it is there."""
    from diffusers import AutoencoderKLWan

    if path.exists():
        return
    torch.manual_seed(seed)
    codec = AutoencoderKLWan(base_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=0)
    simplify(codec)
    optimiser = torch.optim.AdamW(
        codec.parameters(), CODEC_RATE, betas=(0.9, 0.95), weight_decay=0.0
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, CODEC_RATE, total_steps=plan.codec_steps, pct_start=0.15
    )
    for pixels in codec_batches(shards, plan, seed):
        again = codec.decode(codec.encode(pixels).latent_dist.mode()).sample
        optimiser.zero_grad()
        (again - pixels).abs().mean().backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimiser.step()
        rates.step()
    normalise_latents(codec, shards, plan)
    codec.save_pretrained(path)


@torch.no_grad()
def simplify(codec: AutoencoderKLWan) -> None:
    """Make an autoencoder of videos one of pictures, which trains in far fewer steps.

    Past frames have no weight, and get none from single ones; time is halved and doubled by leaving
    out and repeating frames. Residual branches add nothing at first.
    """
    from diffusers.models.autoencoders import autoencoder_kl_wan as wan

    for module in codec.modules():
        if isinstance(module, wan.WanCausalConv3d):
            module.weight[:, :, :-1] = 0
        if isinstance(module, wan.WanResidualBlock):
            module.conv2.weight.zero_()
        if isinstance(module, wan.WanAttentionBlock):
            module.proj.weight.zero_()
        if isinstance(module, wan.WanResample) and "3d" in module.mode:
            repeat_frames(module.time_conv)


def repeat_frames(layer: torch.nn.Conv3d) -> None:
    """Let a convolution over time give what it gets at each last frame, once or twice."""
    layer.weight.zero_()
    layer.bias.zero_()
    ins, outs = layer.in_channels, layer.out_channels
    layer.weight[:, :, -1, 0, 0] = torch.eye(ins).repeat(outs // ins, 1)


def codec_batches(shards: Path, plan: Plan, seed: int) -> Iterator[torch.Tensor]:
    """Square cuts of pictures and of disparities, (B, 3, 1, 32, 32) in [-1, 1], for each step."""
    clips = Clips(shards, size=plan.size, channels=("rgb", "disparity"), flip=0.5, seed=seed)
    rng = np.random.default_rng(seed)
    for step in range(plan.codec_steps):
        numbers = range(step * CODEC_CLIPS, (step + 1) * CODEC_CLIPS)
        pixels = torch.cat([both(clips, number, 1) for number in numbers])
        top, left = (int(rng.integers(side - CODEC_CROP + 1)) for side in plan.size)
        yield pixels[..., top : top + CODEC_CROP, left : left + CODEC_CROP]


def both(clips: Clips, number: int, frames: int) -> torch.Tensor:
    """A clip's picture and its disparity, (2, 3, F, H, W) in [-1, 1]."""
    item = clips[Draw(number, frames)]
    batch = {name: value[None] for name, value in item.items()}
    return torch.cat([picture(batch), target(batch, "depth")])


@torch.no_grad()
def normalise_latents(codec: AutoencoderKLWan, shards: Path, plan: Plan) -> None:
    """Measure the mean and deviation of each latent channel, as the network expects them."""
    clips = Clips(shards, frames=frames_of(2), size=plan.size, channels=("rgb", "disparity"))
    pixels = (both(clips, number, frames_of(2)) for number in range(MEASURED_CLIPS))
    latents = torch.cat([codec.encode(each).latent_dist.mode() for each in pixels])
    channels = latents.transpose(0, 1).flatten(1)
    codec.register_to_config(
        latents_mean=channels.mean(1).tolist(), latents_std=channels.std(1).tolist()
    )


def make_network(path: Path, plan: Plan, seed: int) -> None:
    """A network of Wan's class with random weights, whose parts that no LoRA moves are usable."""
    from diffusers import WanTransformer3DModel

    torch.manual_seed(seed)
    network = WanTransformer3DModel(
        num_attention_heads=plan.width // HEAD_WIDTH,
        attention_head_dim=HEAD_WIDTH,
        in_channels=3 * LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        text_dim=16,
        freq_dim=64,
        ffn_dim=4 * plan.width,
        num_layers=plan.layers,
        image_dim=16,
        added_kv_proj_dim=plan.width,
    )
    open_ends(network)
    network.save_pretrained(path)


@torch.no_grad()
def open_ends(network: WanTransformer3DModel) -> None:
    """Let the head read what the first layer wrote of the noisy target, and blocks be heard.

    Both ends stay as they are while a LoRA trains. They are random but orthogonal here, one the
    other's transpose; gates, random and small otherwise, are about 1.
    """
    first = network.patch_embedding.weight
    directions = torch.nn.init.orthogonal_(torch.empty(first.shape[0], first[0].numel() * 2 // 3))
    first[:, : 2 * LATENT_CHANNELS] = directions.reshape(len(first), -1, *first.shape[2:])
    noisy = first[:, :LATENT_CHANNELS]
    network.proj_out.weight.copy_(noisy.permute(2, 3, 4, 1, 0).reshape(-1, len(first)))
    for block in network.blocks:
        block.scale_shift_table[:, [2, 5]] += 1


def make_job(path: Path, plan: Plan, seed: int, train: Path, held_out: Path) -> None:
    """The training job; the LoRA's rank is the network's width, as its base knows nothing."""
    job = {
        "name": path.parent.name,
        "seed": seed,
        "base": {"network": "network", "vae": "vae", "rank": plan.width, "dtype": "float32"},
        "data": [{"path": str(train.resolve())}],
        "clips": {
            "size": plan.size,
            "latents": plan.latents,
            "tokens": plan.tokens,
            "shifts": False,
            "cache": "cache",
        },
        "optimiser": {"rate": 1e-3, "warmup": 20, "ema": 0.99},
        # The default's bell leaves pure noise out, which a base that knows nothing must learn too.
        "loss": {"weighting": "uniform"},
        "validation": {
            "path": str(held_out.resolve()),
            "every": plan.validate_every,
            "clips": plan.held_out,
            "latents": max(plan.latents),
            "max_depth": MAX_DEPTH,
        },
        "run": {
            "steps": plan.steps,
            "save_every": plan.validate_every,
            "workers": 0,
            "log_every": 5,
            "checkpointing": False,
        },
    }
    path.write_text(json.dumps(job, indent=1))


def learn(out: Path, plan: Plan, seed: int) -> Learnt:
    """Everything from rendering to scores; `out` keeps the sequences and a folder a seed."""
    torch.set_num_threads(THREADS)
    train = render(out / "train", plan, 1, plan.train, plan.train_frames)
    held_out = render(out / "held-out", plan, 1000, plan.held_out, plan.held_out_frames)
    folder = out / f"seed-{seed}"
    folder.mkdir(exist_ok=True)
    make_codec(folder / "vae", train, plan, seed)
    make_network(folder / "network", plan, seed)
    make_job(folder / "job.yaml", plan, seed, train, held_out)
    command("dkt", "prepare", folder / "job.yaml")
    command("dkt", "train", folder / "job.yaml", "--out", folder / "run")
    found = scores(folder, held_out, plan)
    return Learnt(*found, *windows_agree(folder, held_out, plan))


def weights(folder: Path) -> Path:
    """The averaged LoRA of the last checkpoint."""
    return checkpoint.found(folder / "run")[-1].path / "ema.safetensors"


def scores(folder: Path, held_out: Path, plan: Plan) -> Iterator[dict[str, float]]:
    """REL, share of pixels within 1.25 and REL on transparent objects, as `dkt eval` tells them."""
    height, width = plan.size
    command(
        *("dkt", "eval", held_out, "--out", folder / "scores", "--max-depth", MAX_DEPTH),
        *("--network", folder / "network", "--vae", folder / "vae", "--lora", weights(folder)),
        *("--size", f"{height}x{width}", "--dtype", "float32", "--device", "cpu"),
        *("--window", plan.window, "--overlap", plan.overlap),
    )
    stored = json.loads((folder / "scores/scores.json").read_text())
    glass = next(group for group in stored["groups"] if group["name"] == "transparent")
    tables = ((stored, "rel"), (stored, "delta_1.25"), (glass, "rel"))
    for rows, key in tables:
        yield {row["name"]: row["figures"][key] for row in rows["rows"]}


def windows_agree(folder: Path, held_out: Path, plan: Plan) -> tuple[float, float]:
    """Correlation and mean absolute difference of a video seen in several windows and in one."""
    model, _ = load_model(
        folder / "network",
        folder / "vae",
        weights=weights(folder),
        device="cpu",
        dtype="float32",
    )
    recording = open_dataset(held_out)[0]
    video = open_video(recording["rgb"][:], recording.fps)
    one = Windows(latents_of(len(recording)), 0)
    several = Windows(plan.window, plan.overlap)
    seen = [
        np.stack(list(estimate(model, video, Settings(size=plan.size, windows=windows))))
        for windows in (one, several)
    ]
    correlation = float(np.corrcoef(seen[0].ravel(), seen[1].ravel())[0, 1])
    return correlation, float(np.abs(seen[0] - seen[1]).mean())


def table(results: dict[int, Learnt]) -> str:
    """Markdown: what every predictor scored for each seed, the margin, and how windows agree."""
    learnt = list(results.values())
    rows = [["", *(f"seed {seed}" for seed in results)], ["---"] * (1 + len(learnt))]
    for name in learnt[0].rel:
        texts = [
            f"{each.rel[name]:.3f} / {100 * each.delta[name]:.1f} / {each.transparent[name]:.3f}"
            for each in learnt
        ]
        rows.append([f"{name}: REL / δ1.25 % / REL of glass", *texts])
    rows.append([f"REL below that of {', '.join(BARS)}", *(f"{e.margin:.0%}" for e in learnt)])
    rows.append(["windows and one window, correlation", *(f"{e.agreement:.4f}" for e in learnt)])
    rows.append(["windows and one window, difference", *(f"{e.difference:.4f}" for e in learnt)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    """Parse, learn, print; fails if a seed misses the margin."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="folder that keeps everything")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--tiny", action="store_true", help="less of everything")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    plan = TINY if arguments.tiny else Plan()
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch)
        results = {seed: learn(out, plan, seed) for seed in arguments.seeds}
        log = read_log(out / f"seed-{arguments.seeds[0]}/run")
        write_picture(out / "learning.png", charts(log)[:3])
    print(table(results))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in results.values()]))
    if min(each.margin for each in results.values()) < MARGIN:
        raise SystemExit(f"margin: below {MARGIN:.0%}")


if __name__ == "__main__":
    main()
