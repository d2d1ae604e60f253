"""`transphy3d dkt infer`: a model sees depth or normals in videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transphy3d.cli.dkt.options import (
    DeviceName,
    LoraFile,
    NetworkFolder,
    PromptFile,
    SizeText,
    TaskName,
    TypeName,
    VaeFolder,
    dkt_app,
    open_model,
)
from transphy3d.cli.options import ProgressStyle
from transphy3d.progress import make_progress


@dkt_app.command()
def infer(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="video, picture or folder")],
    out: Annotated[Path, typer.Option("--out", help="folder for what is seen")],
    network: NetworkFolder,
    vae: VaeFolder,
    lora: LoraFile = None,
    prompt: PromptFile = None,
    task: TaskName = "depth",
    formats: Annotated[
        str, typer.Option("--formats", help="of npz, png, exr, mp4 and ply, with commas")
    ] = "npz,mp4",
    sensor: Annotated[
        Path | None,
        typer.Option(
            "--sensor", help="depth of the first frame: .npy in metres or 16-bit picture in mm"
        ),
    ] = None,
    fov: Annotated[
        float, typer.Option("--fov", min=1, max=179, help="horizontal field of view, degrees")
    ] = 60.0,
    size: SizeText = "480x832",
    steps: Annotated[int, typer.Option("--steps", min=1, help="sampling steps")] = 5,
    window: Annotated[int, typer.Option("--window", min=1, help="latents in a window")] = 21,
    overlap: Annotated[int, typer.Option("--overlap", min=0, help="latents shared by windows")] = 3,
    parity: Annotated[
        str, typer.Option("--parity", help="ours, or dkt to repeat the released code")
    ] = "ours",
    device: DeviceName = "auto",
    dtype: TypeName = "bfloat16",
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the noise")] = 0,
    progress: ProgressStyle = "auto",
) -> None:
    """See depth or normals in a video of any length."""
    from transphy3d.dkt.cloud import Sensor, read_depth_map
    from transphy3d.dkt.look import look, make_settings

    seen = Sensor(read_depth_map(sensor), fov) if sensor else None
    settings = make_settings(
        task=task, size=size, steps=steps, window=window, overlap=overlap, parity=parity, seed=seed
    )
    model = open_model(network, vae, prompt, lora, device, dtype)
    reporter = make_progress(progress)
    try:
        print(look(model, video, out, settings, formats.split(","), reporter, seen))
    finally:
        reporter.close()
