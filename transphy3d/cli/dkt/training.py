"""`transphy3d dkt convert | embed | train | prepare | export`: a LoRA from a base and shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transphy3d.cli.dkt.options import DeviceName, TypeName, dkt_app
from transphy3d.cli.options import ProgressStyle
from transphy3d.progress import reporting

TrainingOverrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="change a key, as in run.steps=1000"),
]


@dkt_app.command()
def convert(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Wan2.1-Fun-Control as it was downloaded")
    ],
    out: Annotated[Path, typer.Option("--out", help="folder for what diffusers reads")],
    prompts: Annotated[
        bool, typer.Option("--prompts/--no-prompts", help="embed the prompts of both tasks too")
    ] = True,
    device: DeviceName = "auto",
) -> None:
    """Turn a downloaded base into transformer, vae and prompts, once."""
    from transphy3d.dkt.model.convert import convert_base
    from transphy3d.dkt.model.model import pick_device

    for path in convert_base(folder, out, pick_device(device), prompts=prompts):
        print(path)


@dkt_app.command()
def embed(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="holds Wan2.1's text encoder and tokenizer")
    ],
    out: Annotated[Path, typer.Option("--out", help="folder for prompt-<task>.safetensors")],
    device: DeviceName = "auto",
    dtype: TypeName = "bfloat16",
) -> None:
    """Embed the prompts of both tasks, once."""
    from transphy3d.dkt.model.model import pick_device, pick_type
    from transphy3d.dkt.model.prompt import load_encoder, write_prompts

    tokenizer, encoder = load_encoder(folder, pick_type(dtype))
    for path in write_prompts(out, tokenizer, encoder.to(pick_device(device))):
        print(path)


@dkt_app.command()
def train(
    job_file: Annotated[
        Path, typer.Argument(metavar="JOB", help="training job, or a built-in one's name")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="folder of the run [default: out/<name>]")
    ] = None,
    overrides: TrainingOverrides = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="count batches, what is left out, memory and hours; train not"
        ),
    ] = False,
    gpus: Annotated[
        int, typer.Option("--gpus", min=1, help="of the dry run: GPUs that would train")
    ] = 1,
    tflops: Annotated[
        float,
        typer.Option("--tflops", min=0.001, help="of the dry run: TFLOP/s that a GPU would do"),
    ] = 400.0,
    progress: ProgressStyle = "auto",
) -> None:
    """Train the LoRA; goes on from the last checkpoint. On several GPUs, start it by torchrun."""
    from transphy3d.dkt.config import load_training_job

    job = load_training_job(job_file, overrides or ())
    if dry_run:
        from transphy3d.dkt.training import budget, forecast

        print(forecast.describe(job))
        print(budget.describe(budget.Budget.of(job, gpus), tflops))
        return
    from transphy3d.dkt.training.train import train as train_job

    with reporting(progress) as reporter:
        print(train_job(job, out or Path("out") / job.name, reporter))


@dkt_app.command()
def prepare(
    job_file: Annotated[Path, typer.Argument(metavar="JOB", help="training job with clips.cache")],
    share: Annotated[
        str, typer.Option("--share", metavar="K/N", help="the K-th of N processes, from 0")
    ] = "0/1",
    device: DeviceName = "auto",
    overrides: TrainingOverrides = None,
    progress: ProgressStyle = "auto",
) -> None:
    """Encode a job's clips ahead of training; goes on where it stopped."""
    from transphy3d.dkt.config import load_training_job
    from transphy3d.dkt.training.prepare import prepare_clips
    from transphy3d.farm.agent import read_share

    with reporting(progress, "sequence") as reporter:
        print(
            prepare_clips(
                load_training_job(job_file, overrides or ()), read_share(share), device, reporter
            )
        )


@dkt_app.command()
def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="folder of a checkpoint, or .safetensors")
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help=".safetensors to write; merged: a folder")
    ],
    layout: Annotated[
        str, typer.Option("--layout", help="diffsynth, comfyui, peft (diffusers), or merged")
    ] = "diffsynth",
    averaged: Annotated[
        bool, typer.Option("--averaged", help="take the moving average of the weights")
    ] = False,
    network: Annotated[
        Path | None, typer.Option("--network", help="merged: the base that the LoRA is added to")
    ] = None,
    dtype: TypeName = "bfloat16",
    licence: Annotated[
        str, typer.Option("--license", help="that the model card names, as the hub abbreviates it")
    ] = "apache-2.0",
    card: Annotated[
        bool, typer.Option("--card/--no-card", help="write README.md, the model card, beside it")
    ] = True,
) -> None:
    """Write a LoRA in the layout of another program, with a model card."""
    from transphy3d.dkt.training.export import Wanted, export_lora

    wanted = Wanted(layout, averaged, network, dtype, licence if card else None)
    print(export_lora(checkpoint, out, wanted))
