"""`transphy3d dkt`: train on shards, look at videos, score what was seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transphy3d.cli.app import app
from transphy3d.cli.options import ProgressStyle
from transphy3d.progress import make_progress

dkt_app = typer.Typer(
    name="dkt", help="Depth and normals by a video diffusion model.", no_args_is_help=True
)
app.add_typer(dkt_app)

NetworkFolder = Annotated[
    Path, typer.Option("--network", help="diffusers folder of Wan2.1-Fun-Control's transformer")
]
VaeFolder = Annotated[Path, typer.Option("--vae", help="diffusers folder of Wan2.1's autoencoder")]


@dkt_app.command()
def train(
    job_file: Annotated[Path, typer.Argument(metavar="JOB", help="training job")],
    out: Annotated[
        Path | None, typer.Option("--out", help="folder of the run [default: out/<name>]")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="count batches, clips and what is left out; train not")
    ] = False,
    progress: ProgressStyle = "auto",
) -> None:
    """Train the LoRA; goes on from the last checkpoint. On several GPUs, start it by torchrun."""
    from transphy3d.dkt.config import load_training_job

    job = load_training_job(job_file)
    if dry_run:
        from transphy3d.dkt.forecast import describe

        print(describe(job))
        return
    from transphy3d.dkt.train import train as train_job

    reporter = make_progress(progress)
    try:
        print(train_job(job, out or Path("out") / job.name, reporter))
    finally:
        reporter.close()


@dkt_app.command()
def infer(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="video, picture or folder")],
    out: Annotated[Path, typer.Option("--out", help="folder for what is seen")],
    network: NetworkFolder,
    vae: VaeFolder,
    lora: Annotated[Path | None, typer.Option("--lora", help="trained weights")] = None,
    prompt: Annotated[Path | None, typer.Option("--prompt", help="embedded prompt")] = None,
    task: Annotated[str, typer.Option("--task", help="depth or normal")] = "depth",
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
    size: Annotated[
        str, typer.Option("--size", help="HEIGHTxWIDTH at which the network sees it")
    ] = "480x832",
    steps: Annotated[int, typer.Option("--steps", min=1, help="sampling steps")] = 5,
    window: Annotated[int, typer.Option("--window", min=1, help="latents in a window")] = 21,
    overlap: Annotated[int, typer.Option("--overlap", min=0, help="latents shared by windows")] = 3,
    parity: Annotated[
        str, typer.Option("--parity", help="ours, or dkt to repeat the released code")
    ] = "ours",
    device: Annotated[str, typer.Option("--device", help="auto, cuda or cpu")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="bfloat16 or float32")] = "bfloat16",
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the noise")] = 0,
    progress: ProgressStyle = "auto",
) -> None:
    """See depth or normals in a video of any length."""
    from transphy3d.dkt.cloud import Sensor, read_depth_map
    from transphy3d.dkt.look import look, make_settings
    from transphy3d.dkt.model import load_model

    seen = Sensor(read_depth_map(sensor), fov) if sensor else None
    settings = make_settings(
        task=task, size=size, steps=steps, window=window, overlap=overlap, parity=parity, seed=seed
    )
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
    reporter = make_progress(progress)
    try:
        print(look(model, video, out, settings, formats.split(","), reporter, seen))
    finally:
        reporter.close()


@dkt_app.command(name="eval")
def evaluate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="shards, or a public set's folder")],
    out: Annotated[Path, typer.Option("--out", help="folder for the tables")],
    set_name: Annotated[
        str, typer.Option("--set", help="shards, released, clearpose, dreds, std, hiss, cleargrasp")
    ] = "shards",
    split: Annotated[
        str | None, typer.Option("--split", help="part of a public set [default: its test part]")
    ] = None,
    task: Annotated[str, typer.Option("--task", help="depth or normal")] = "depth",
    network: Annotated[
        Path | None, typer.Option("--network", help="as for infer; without it, baselines alone")
    ] = None,
    vae: Annotated[Path | None, typer.Option("--vae", help="as for infer")] = None,
    lora: Annotated[Path | None, typer.Option("--lora", help="trained weights")] = None,
    prompt: Annotated[Path | None, typer.Option("--prompt", help="embedded prompt")] = None,
    size: Annotated[str, typer.Option("--size", help="as for infer")] = "480x832",
    align: Annotated[str, typer.Option("--align", help="video, frame or none")] = "video",
    region: Annotated[str, typer.Option("--region", help="all or objects")] = "all",
    max_depth: Annotated[
        float | None, typer.Option("--max-depth", help="metres; truth beyond is left out")
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", min=1, help="of each video, from its first on")
    ] = None,
    stride: Annotated[int, typer.Option("--stride", min=1, help="take every n-th frame")] = 1,
    device: Annotated[str, typer.Option("--device", help="auto, cuda or cpu")] = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="bfloat16 or float32")] = "bfloat16",
) -> None:
    """Depth or normal metrics, beside baselines, as Markdown, LaTeX and JSON."""
    from transphy3d.dkt.evaluate import baselines, open_trial, rows
    from transphy3d.dkt.look import make_protocol, make_settings, sequence_predictor
    from transphy3d.dkt.model import load_model
    from transphy3d.dkt.score import markdown, write_tables
    from transphy3d.errors import JobError

    protocol = make_protocol(align, region, max_depth, frames, stride)
    settings = make_settings(
        task=task, size=size, steps=5, window=21, overlap=3, parity="ours", seed=0
    )
    if bool(network) != bool(vae):
        raise JobError("--network and --vae belong together; name both, or neither for baselines")
    trial = open_trial(path, set_name, split, protocol, settings.task)
    predictors = baselines(trial, settings.task)
    if network and vae:
        model, _ = load_model(
            network,
            vae,
            prompt=str(prompt) if prompt else None,
            weights=lora,
            device=device,
            dtype=dtype,
        )
        predictors["model"] = sequence_predictor(model, settings)
    table = rows(trial, predictors, protocol, settings.task)
    write_tables(out, table, protocol, trial.notes)
    print(markdown(table, protocol, trial.notes), end="")


@dkt_app.command()
def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="folder of a checkpoint, or .safetensors")
    ],
    out: Annotated[Path, typer.Argument(metavar="FILE", help=".safetensors to write")],
    layout: Annotated[
        str, typer.Option("--layout", help="diffsynth (also ComfyUI), or peft (diffusers)")
    ] = "diffsynth",
    averaged: Annotated[
        bool, typer.Option("--averaged", help="take the moving average of the weights")
    ] = False,
) -> None:
    """Write a LoRA in the layout of another program."""
    from transphy3d.dkt.export import export_lora

    print(export_lora(checkpoint, out, layout, averaged=averaged))


@dkt_app.command()
def prepare(
    job_file: Annotated[Path, typer.Argument(metavar="JOB", help="training job with clips.cache")],
    share: Annotated[
        str, typer.Option("--share", metavar="K/N", help="the K-th of N processes, from 0")
    ] = "0/1",
    device: Annotated[str, typer.Option("--device", help="auto, cuda or cpu")] = "auto",
    progress: ProgressStyle = "auto",
) -> None:
    """Encode a job's clips ahead of training; goes on where it stopped."""
    from transphy3d.dkt.config import load_training_job
    from transphy3d.dkt.prepare import prepare_clips
    from transphy3d.farm.agent import read_share

    reporter = make_progress(progress, unit="sequence")
    try:
        print(prepare_clips(load_training_job(job_file), read_share(share), device, reporter))
    finally:
        reporter.close()
