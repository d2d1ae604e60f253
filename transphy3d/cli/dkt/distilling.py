"""`transphy3d dkt distil`: a tiny decoder from a training job's data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transphy3d.cli.dkt.options import DeviceName, dkt_app
from transphy3d.cli.options import ProgressStyle
from transphy3d.progress import reporting


@dkt_app.command()
def distil(
    job_file: Annotated[Path, typer.Argument(metavar="JOB", help="training job")],
    out: Annotated[Path, typer.Option("--out", help=".safetensors to write")],
    start: Annotated[
        Path | None, typer.Option("--start", help="a decoder to go on from, as taew2_1.safetensors")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="of training")] = 10000,
    rate: Annotated[float, typer.Option("--rate", min=0, help="learning rate, falling")] = 1e-3,
    device: DeviceName = "auto",
    progress: ProgressStyle = "auto",
) -> None:
    """Teach a tiny decoder to decode a job's task as the autoencoder does."""
    from transphy3d.dkt.config import load_training_job
    from transphy3d.dkt.training.distil import Lesson
    from transphy3d.dkt.training.distil import distil as teach

    with reporting(progress, "step") as reporter:
        lesson = Lesson(steps, rate, start)
        left = teach(load_training_job(job_file), out, lesson, device, reporter)
    print(f"{out}: {left:.4f} from the autoencoder, of values from -1 to 1")
