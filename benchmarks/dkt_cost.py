"""What the real networks cost, counted from their shapes, beside the figures of DKT's paper.

    python benchmarks/dkt_cost.py [--rank 128]

Nothing is downloaded, allocated or timed: the real configurations of 1.3B and 14B are built on
torch's meta device and run as fake tensors. Memory is the weights in bfloat16 and the most that
tensors take at once beside them, in one look at a window of 21 latents of 832x480 or in the
autoencoder; what kernels and the allocator take for themselves comes on top.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from transphy3d.dkt.inference.infer import NETWORK_SIZE
from transphy3d.dkt.model.cost import codec_flops, flops_per_frame, forward_flops, weights
from transphy3d.dkt.model.sampler import WINDOWS
from transphy3d.dkt.model.vae import decode, encode
from transphy3d.dkt.model.wan import (
    LATENT_CHANNELS,
    NETWORKS,
    PIXELS_PER_LATENT,
    Size,
    cast,
    make_context,
    network_config,
    predict,
)
from transphy3d.dkt.model.windows import FRAMES_PER_LATENT, Windows
from transphy3d.dkt.training.live_bytes import LiveBytes
from transphy3d.dkt.training.step_cost import made_fake

# isort: split
from diffusers import AutoencoderKLWan, WanTransformer3DModel  # once transphy3d.dkt is imported

LATENTS = (1, 2, 6, 21)
# arXiv 2512.23705, of the model of 1.3B at 832x480, for a frame.
PAPER = {"parameters": "1.3 B", "ms": 167.48, "GB": 11.19}
TFLOPS = 790  # bfloat16 that an H200 reaches in large matrix products
KIND = torch.bfloat16
SHORT = Windows(11, 1)
HEIGHT, WIDTH = (side // PIXELS_PER_LATENT for side in NETWORK_SIZE)


# The LoRA alone; then each keeps those before it, of which the last three change the result.
LEVERS: dict[str, Callable[[Size], float]] = {
    "LoRA of rank 128 beside the weights": lambda s: flops_per_frame(s, WINDOWS, rank=128),
    "context folded": lambda s: flops_per_frame(s, WINDOWS, folded=True),
    "and windows 11/1": lambda s: flops_per_frame(s, SHORT, folded=True),
    "and 3 steps": lambda s: flops_per_frame(s, SHORT, 3, folded=True),
    "and the tiny decoder": lambda s: flops_per_frame(s, SHORT, 3, folded=True, tiny=True),
}


def peak_bytes(model: torch.nn.Module, run: Callable[[], Any]) -> int:
    """The most that tensors take at once beside a model's weights."""
    with torch.no_grad(), FakeTensorMode():
        made_fake(model)
        with LiveBytes([*model.parameters(), *model.buffers()]) as live:
            run()
    return live.peak


def look_bytes(size: Size) -> int:
    """Of one look at a window; without gradients, two blocks take what all do."""
    with torch.device("meta"):
        network = WanTransformer3DModel(**network_config(size) | {"num_layers": 2})
        network = cast(network, KIND).eval()

    def look() -> None:
        noisy = torch.empty(1, LATENT_CHANNELS, WINDOWS.length, HEIGHT, WIDTH, dtype=KIND)
        context = make_context(torch.empty(2, network.config.text_dim, dtype=KIND))
        predict(network, noisy, noisy, torch.empty(1), context)

    return peak_bytes(network, look)


def codec_bytes() -> tuple[int, int]:
    """Bytes of the autoencoder's weights, and beside them in either of its streams."""
    with torch.device("meta"):
        vae = cast(AutoencoderKLWan(), KIND).requires_grad_(False).eval()
    held = sum(p.numel() * p.element_size() for p in vae.parameters())

    def encoding() -> None:
        frames = 1 + 2 * FRAMES_PER_LATENT
        for _ in encode((torch.empty(3, *NETWORK_SIZE) for _ in range(frames)), vae):
            pass

    def decoding() -> None:
        shape = (1, LATENT_CHANNELS, 1, HEIGHT, WIDTH)
        for _ in decode((torch.empty(shape) for _ in range(3)), vae):
            pass

    return held, max(peak_bytes(vae, encoding), peak_bytes(vae, decoding))


def tera(count: float) -> str:
    """A count in 10^12."""
    return f"{count / 1e12:.1f}"


def rows(rank: int) -> list[tuple[str, ...]]:
    """The table: a head and a line a figure, a column a size and one of the paper."""
    sizes: list[Size] = list(NETWORKS)
    known = [weights(size, rank) for size in sizes]
    held, streamed = codec_bytes()
    memory = [
        w.parameters * KIND.itemsize + held + max(look_bytes(s), streamed)
        for s, w in zip(sizes, known, strict=True)
    ]
    frame = [flops_per_frame(size, WINDOWS) for size in sizes]
    codec = codec_flops()
    return [
        ("", *sizes, "paper, 1.3B"),
        ("parameters", *(f"{w.parameters / 1e9:.3f} B" for w in known), PAPER["parameters"]),
        ("layers with LoRA", *(str(w.lora_modules) for w in known), ""),
        (f"its parameters, rank {rank}", *(f"{w.lora_parameters / 1e6:.1f} M" for w in known), ""),
        *(
            (
                f"look at {n} latents, TFLOP",
                *(f"{forward_flops(s, n) / 1e12:.1f}" for s in sizes),
                "",
            )
            for n in LATENTS
        ),
        ("encoding a frame, TFLOP", *[f"{codec.encode / 1e12:.2f}"] * len(sizes), ""),
        ("decoding a frame, TFLOP", *[f"{codec.decode / 1e12:.2f}"] * len(sizes), ""),
        ("a frame, as released, TFLOP", *map(tera, frame), ""),
        *((f"{name}, TFLOP", *(tera(cost(s)) for s in sizes), "") for name, cost in LEVERS.items()),
        (
            f"floor at {TFLOPS} TFLOP/s, ms",
            *(f"{f / TFLOPS / 1e9:.1f}" for f in frame),
            f"{PAPER['ms']} measured",
        ),
        ("inference, GB", *(f"{m / 1e9:.2f}" for m in memory), f"{PAPER['GB']} measured"),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rank", type=int, default=128, help="of the LoRA")
    table = rows(parser.parse_args().rank)
    for number, row in enumerate(table):
        print(f"| {' | '.join(row)} |")
        if number == 0:
            print(f"|{'---|' * len(row)}")


if __name__ == "__main__":
    main()
