"""The group of commands, and the options that name a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transphy3d.cli.app import app

if TYPE_CHECKING:
    from transphy3d.dkt.model.model import Model
    from transphy3d.dkt.model.speed import Speed

dkt_app = typer.Typer(
    name="dkt", help="Depth and normals by a video diffusion model.", no_args_is_help=True
)
app.add_typer(dkt_app)

NETWORK = typer.Option(
    "--network", help="folder of Wan2.1-Fun-Control, as downloaded or of diffusers"
)
VAE = typer.Option("--vae", help="folder of Wan2.1's autoencoder, as downloaded or of diffusers")
NetworkFolder = Annotated[Path, NETWORK]
VaeFolder = Annotated[Path, VAE]
MaybeNetworkFolder = Annotated[Path | None, NETWORK]
MaybeVaeFolder = Annotated[Path | None, VAE]
LoraFile = Annotated[Path | None, typer.Option("--lora", help="trained weights, .safetensors")]
PromptFile = Annotated[
    Path | None,
    typer.Option("--prompt", help="embedded prompt [default: the task's, beside the network]"),
]
TaskName = Annotated[str, typer.Option("--task", help="depth or normal")]
SizeText = Annotated[
    str, typer.Option("--size", help="HEIGHTxWIDTH at which the network sees videos")
]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cuda or cpu")]
TypeName = Annotated[str, typer.Option("--dtype", help="bfloat16 or float32")]
AttentionName = Annotated[
    str,
    typer.Option("--attention", help="back end: native, _native_cudnn, flash, _flash_3, sage ..."),
]
Compiled = Annotated[
    bool, typer.Option("--compile", help="compile the network; pays for itself in long videos")
]
ChannelsLast = Annotated[
    bool, typer.Option("--channels-last", help="lay the autoencoder's weights out for tensor cores")
]
Steps = Annotated[int, typer.Option("--steps", min=1, help="sampling steps")]
Window = Annotated[int, typer.Option("--window", min=1, help="latents in a window")]
Overlap = Annotated[int, typer.Option("--overlap", min=0, help="latents shared by windows")]
DecoderFile = Annotated[
    Path | None, typer.Option("--decoder", help="tiny decoder, instead of the autoencoder's")
]
BatchSize = Annotated[int, typer.Option("--batch", min=1, help="windows to look at together")]


def open_model(
    network: Path,
    vae: Path,
    prompt: Path | None,
    lora: Path | None,
    device: str,
    dtype: str,
    speed: Speed | None = None,
    decoder: Path | None = None,
    task: str = "depth",
) -> Model:
    """The model that the options name; says what became of the LoRA's tensors."""
    from transphy3d.dkt.model.model import load_model
    from transphy3d.dkt.model.speed import USUAL

    model, report = load_model(
        network,
        vae,
        task=task,
        prompt=prompt,
        weights=lora,
        device=device,
        dtype=dtype,
        speed=speed or USUAL,
        decoder=decoder,
    )
    if report:
        print(f"LoRA: {report.describe()}")
    return model
