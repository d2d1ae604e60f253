"""`transphy3d dkt train | prepare | export`: a LoRA from shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transphy3d.cli.dkt.options import DeviceName, dkt_app
from transphy3d.cli.options import ProgressStyle
from transphy3d.progress import make_progress


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
def prepare(
    job_file: Annotated[Path, typer.Argument(metavar="JOB", help="training job with clips.cache")],
    share: Annotated[
        str, typer.Option("--share", metavar="K/N", help="the K-th of N processes, from 0")
    ] = "0/1",
    device: DeviceName = "auto",
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
