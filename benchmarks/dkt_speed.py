"""Milliseconds per frame and peak memory of DKT's inference, lever by lever, beside the paper's.

    python benchmarks/dkt_speed.py [--size 1.3B|14B] [--frames 297] [--json FILE]

Builds the real model with random weights and a LoRA of rank 128, downloads nothing, and sends a
video of random frames through `estimate`, as `transphy3d dkt infer` does. Each row of the table
keeps the levers of the rows above it; those marked * change the result beyond rounding. Times are
medians of warm runs. Without a GPU, a tiny model takes the same way on the CPU: its times say
nothing about the real one.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transphy3d.dkt.inference.infer import Settings, estimate
from transphy3d.dkt.inference.video import Video, open_video
from transphy3d.dkt.model import lora
from transphy3d.dkt.model.cost import flops_per_frame
from transphy3d.dkt.model.model import Model, pick_device
from transphy3d.dkt.model.speed import Speed, speed_up, use_attention
from transphy3d.dkt.model.tiny_decoder import TinyDecoder
from transphy3d.dkt.model.wan import cast, make_context, network_config
from transphy3d.dkt.model.windows import Windows
from transphy3d.errors import ModelError

# What arXiv 2512.23705 reports for a frame of 832x480 by the model of 1.3B.
PAPER = {"milliseconds": 167.48, "gigabytes": 11.19}
GOAL_MS = 50.0
RELEASED = "as released"
TINY = "tiny"
STAGES = ("encode", "denoise", "decode")
PROMPT_TOKENS = 2
TINY_NETWORK = {
    "num_attention_heads": 2,
    "attention_head_dim": 24,
    "in_channels": 48,
    "out_channels": 16,
    "text_dim": 32,
    "freq_dim": 32,
    "ffn_dim": 96,
    "num_layers": 2,
    "image_dim": 40,
    "added_kv_proj_dim": 48,
}
TINY_VAE = {"base_dim": 8, "dim_mult": [1, 1, 2, 2], "num_res_blocks": 1}


@dataclass(frozen=True)
class Place:
    """What is run, and where. tflops : of the device, for the floor; tiny : not the real model"""

    device: torch.device
    model: str
    network: dict[str, Any]
    vae: dict[str, Any]
    rank: int
    picture: tuple[int, int]
    dtype: torch.dtype
    tflops: float

    @property
    def tiny(self) -> bool:
        return self.model == TINY

    @property
    def name(self) -> str:
        """Of the device."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"

    def describe(self) -> str:
        """Lines for the head of the table."""
        height, width = self.picture
        kind = str(self.dtype).removeprefix("torch.")
        line = f"{self.model} model, random weights, {kind}, {width}x{height}, on {self.name}"
        if self.tiny:
            return f"{line}\nThis is a tiny model: nothing here is a figure of the real one."
        return f"{line}; floor at {self.tflops:g} TFLOP/s"

    def floor_ms(self, rung: Rung) -> float | None:
        """Milliseconds that a frame's products take at `tflops`; of the real models only."""
        if self.tiny:
            return None
        flops = flops_per_frame(
            self.model,
            rung.settings.windows,
            rung.settings.steps,
            rank=0 if rung.speed.merged else self.rank,
            folded=rung.speed.folded,
            tiny=rung.tiny,
        )
        return flops / self.tflops / 1e9


def place_of(arguments: argparse.Namespace) -> Place:
    """The real model on a GPU, or the tiny one: if asked for, and where there is no GPU."""
    device = pick_device("auto")
    if arguments.tiny or device.type == "cpu":
        return Place(
            device, TINY, TINY_NETWORK, TINY_VAE, 4, (32, 48), torch.float32, arguments.tflops
        )
    real = network_config(arguments.size)
    return Place(
        device, arguments.size, real, {}, 128, (480, 832), torch.bfloat16, arguments.tflops
    )


@dataclass(frozen=True)
class Rung:
    """Levers that are pulled together. tiny : the tiny decoder decodes"""

    name: str
    speed: Speed
    settings: Settings
    tiny: bool = False


@dataclass(frozen=True)
class Measured:
    """Of one rung: milliseconds per frame in all and by stage, and peak memory in GB on GPUs.

    first_run_s : seconds of the first run, which compiles; floor_ms : of the FLOPs alone
    """

    name: str
    first_run_s: float
    ms: float
    stages_ms: dict[str, float]
    gigabytes: float | None
    floor_ms: float | None


def network_of(place: Place, **changes: int) -> Any:
    """The network with random weights; `changes` of its configuration."""
    from diffusers import WanTransformer3DModel

    torch.manual_seed(0)
    with torch.device(place.device):
        return cast(WanTransformer3DModel(**place.network | changes), place.dtype).eval()


def build(place: Place) -> Model:
    """Random weights, and a LoRA that changes something."""
    from diffusers import AutoencoderKLWan

    network = network_of(place)
    with torch.device(place.device):
        vae = cast(AutoencoderKLWan(**place.vae), place.dtype).requires_grad_(False).eval()
        lora.attach(network, place.rank)
    for parameter in lora.parameters(network):
        torch.nn.init.normal_(parameter, std=0.01)
    prompt = torch.randn(PROMPT_TOKENS, network.config.text_dim)
    context = make_context(prompt, network.config.image_dim)
    return Model(network, vae, context.to(network.patch_embedding.weight))


def usable(names: list[str], place: Place) -> str | None:
    """The first attention back end that runs here; says why others do not."""
    block = network_of(place, num_layers=1)
    for name in names:
        try:
            use_attention(block, name)
        except ModelError as error:
            print(f"left out: {error}")
        else:
            return name
    return None


def ladder(size: tuple[int, int], attention: str | None, compiled: bool) -> Iterator[Rung]:
    """Rungs from peft's way, over the released code's, to all levers."""
    speed = Speed(merged=False, folded=False)
    settings = Settings(size=size, parity="dkt")
    yield Rung("LoRA beside the weights", speed, settings)
    speed = replace(speed, merged=True)
    yield Rung(RELEASED, speed, settings)
    settings = replace(settings, parity="ours")
    speed = replace(speed, folded=True)
    yield Rung("+ folded context", speed, settings)
    if attention:
        speed = replace(speed, attention=attention)
        yield Rung(f"+ attention {attention}", speed, settings)
    if compiled:
        speed = replace(speed, compiled=True)
        yield Rung("+ compiled", speed, settings)
    speed = replace(speed, channels_last=True)
    yield Rung("+ channels last", speed, settings)
    settings = replace(settings, batch=2)
    yield Rung("+ two windows at once", speed, settings)
    settings = replace(settings, windows=Windows(11, 1))
    yield Rung("+ windows 11/1 *", speed, settings)
    settings = replace(settings, steps=3)
    yield Rung("+ 3 steps *", speed, settings)
    yield Rung("+ tiny decoder *", speed, settings, tiny=True)


def stages(model: Model, video: Video, settings: Settings) -> dict[str, float]:
    """Seconds of each stage of one run. Every stage ends in the host's memory: all is done then."""
    ends = {"start": time.perf_counter()}

    def told(stage: str, _done: int, _total: int) -> None:
        ends[stage] = time.perf_counter()

    for _ in estimate(model, video, settings, told):
        pass
    ends["decode"] = time.perf_counter()
    return {name: ends[name] - ends[before] for before, name in itertools.pairwise(ends)}


def measure(rung: Rung, place: Place, video: Video, repeats: int) -> Measured:
    """Build, pull the rung's levers, warm up, and time."""
    model = build(place)
    if rung.tiny:
        decoder = cast(TinyDecoder(), place.dtype).to(place.device).eval()
        model = replace(model, decoder=decoder)
    speed_up(model.network, model.vae, model.context, rung.speed)
    frames = len(video.source)
    first = sum(stages(model, video, rung.settings).values())
    with peak_memory(place.device) as peak:
        runs = [stages(model, video, rung.settings) for _ in range(repeats)]
    whole = statistics.median(sum(run.values()) for run in runs)
    return Measured(
        name=rung.name,
        first_run_s=first,
        ms=1000 * whole / frames,
        stages_ms={
            name: 1000 * statistics.median(run[name] for run in runs) / frames for name in runs[0]
        },
        gigabytes=peak[0] if peak else None,
        floor_ms=place.floor_ms(rung),
    )


@contextmanager
def peak_memory(device: torch.device) -> Iterator[list[float]]:
    """A list that in the end holds the peak in GB of what torch allocated; empty on a CPU."""
    found: list[float] = []
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    yield found
    if device.type == "cuda":
        found.append(torch.cuda.max_memory_allocated(device) / 1e9)


def row(measured: Measured, above: Measured | None, released: float) -> str:
    """A line of the table: what the rung saves of the released code's time."""
    saved = f"{100 * (above.ms - measured.ms) / released:5.1f} %" if above else ""
    memory = f"{measured.gigabytes:.2f}" if measured.gigabytes else "-"
    floor = f"{measured.floor_ms:.1f}" if measured.floor_ms else "-"
    parts = " ".join(f"{measured.stages_ms[name]:8.2f}" for name in STAGES)
    return (
        f"{measured.name:<26} {measured.ms:8.2f} {parts} {saved:>9} {memory:>7} {floor:>7}"
        f" {measured.first_run_s:8.1f}"
    )


def table(rows: list[Measured], place: Place) -> str:
    """All rungs, and for the real models what they are to be compared with."""
    released = next(found.ms for found in rows if found.name == RELEASED)
    head = " ".join(f"{name:>8}" for name in ("ms/frame", *STAGES))
    lines = [f"{'':<26} {head} {'saves':>9} {'GB':>7} {'floor':>7} {'first, s':>8}"]
    above = [None, *rows]
    lines += [row(found, before, released) for found, before in zip(rows, above, strict=False)]
    if not place.tiny:
        paper = f"{PAPER['milliseconds']:8.2f} {PAPER['gigabytes']:44.2f}"
        lines += [f"{'the paper':<26} {paper}", f"{'goal on an H200':<26} {GOAL_MS:8.2f}"]
    return "\n".join([*lines, "* changes the result beyond rounding"])


def main() -> None:
    """Parse, measure every rung, print, and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("1.3B", "14B"), default="1.3B")
    parser.add_argument("--tiny", action="store_true", help="the tiny model, on any device")
    parser.add_argument("--frames", type=int, help="of the video [default: 297, tiny 33]")
    parser.add_argument("--repeats", type=int, default=3, help="warm runs, whose median counts")
    parser.add_argument("--attention", default="_flash_3,_native_cudnn", help="first that runs")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--tflops", type=float, default=790, help="of the floor, bfloat16")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    place = place_of(arguments)
    print(place.describe())
    video = noise_video(arguments.frames or (33 if place.tiny else 297), place.picture)
    attention = usable(arguments.attention.split(","), place)
    rows = []
    for rung in ladder(place.picture, attention, not arguments.no_compile):
        print(f"... {rung.name}", flush=True)
        rows.append(measure(rung, place, video, arguments.repeats))
    print(table(rows, place))
    if arguments.json:
        save(arguments.json, place, rows)


def noise_video(frames: int, size: tuple[int, int]) -> Video:
    """Random frames, as a video in memory."""
    rng = np.random.default_rng(0)
    return open_video(rng.integers(0, 256, (frames, *size, 3), np.uint8))


def save(path: Path, place: Place, rows: list[Measured]) -> None:
    """The figures as JSON, with what they were measured on."""
    figures = {
        "device": place.name,
        "model": place.model,
        "picture": place.picture,
        "torch": torch.__version__,
        "tflops": place.tflops,
        "paper": PAPER,
        "goal_ms": GOAL_MS,
        "rungs": [dataclasses.asdict(found) for found in rows],
    }
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
