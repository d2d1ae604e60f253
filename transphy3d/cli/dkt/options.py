"""The group of commands, and the options that name a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transphy3d.cli.app import app

if TYPE_CHECKING:
    from transphy3d.dkt.model import Model

dkt_app = typer.Typer(
    name="dkt", help="Depth and normals by a video diffusion model.", no_args_is_help=True
)
app.add_typer(dkt_app)

NETWORK = typer.Option("--network", help="diffusers folder of Wan2.1-Fun-Control's transformer")
VAE = typer.Option("--vae", help="diffusers folder of Wan2.1's autoencoder")
NetworkFolder = Annotated[Path, NETWORK]
VaeFolder = Annotated[Path, VAE]
MaybeNetworkFolder = Annotated[Path | None, NETWORK]
MaybeVaeFolder = Annotated[Path | None, VAE]
LoraFile = Annotated[Path | None, typer.Option("--lora", help="trained weights, .safetensors")]
PromptFile = Annotated[Path | None, typer.Option("--prompt", help="embedded prompt, .safetensors")]
TaskName = Annotated[str, typer.Option("--task", help="depth or normal")]
SizeText = Annotated[
    str, typer.Option("--size", help="HEIGHTxWIDTH at which the network sees videos")
]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cuda or cpu")]
TypeName = Annotated[str, typer.Option("--dtype", help="bfloat16 or float32")]


def open_model(
    network: Path, vae: Path, prompt: Path | None, lora: Path | None, device: str, dtype: str
) -> Model:
    """The model that the options name; says what became of the LoRA's tensors."""
    from transphy3d.dkt.model import load_model

    model, report = load_model(
        network,
        vae,
        prompt=str(prompt) if prompt else None,
        weights=lora,
        device=device,
        dtype=dtype,
    )
    if report:
        print(f"LoRA: {report.describe()}")
    return model
