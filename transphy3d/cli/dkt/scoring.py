"""`transphy3d dkt eval`: metrics of a model, beside baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transphy3d.cli.dkt.options import (
    DeviceName,
    LoraFile,
    MaybeNetworkFolder,
    MaybeVaeFolder,
    PromptFile,
    SizeText,
    TaskName,
    TypeName,
    dkt_app,
    open_model,
)


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
    task: TaskName = "depth",
    network: MaybeNetworkFolder = None,
    vae: MaybeVaeFolder = None,
    lora: LoraFile = None,
    prompt: PromptFile = None,
    size: SizeText = "480x832",
    align: Annotated[str, typer.Option("--align", help="video, frame or none")] = "video",
    region: Annotated[str, typer.Option("--region", help="all or objects")] = "all",
    max_depth: Annotated[
        float | None, typer.Option("--max-depth", help="metres; truth beyond is left out")
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", min=1, help="of each video, from its first on")
    ] = None,
    stride: Annotated[int, typer.Option("--stride", min=1, help="take every n-th frame")] = 1,
    device: DeviceName = "auto",
    dtype: TypeName = "bfloat16",
) -> None:
    """Depth or normal metrics of a model and of baselines; without a model, of baselines alone."""
    from transphy3d.dkt.evaluate import baselines, open_trial, rows
    from transphy3d.dkt.look import make_protocol, make_settings, sequence_predictor
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
        model = open_model(network, vae, prompt, lora, device, dtype)
        predictors["model"] = sequence_predictor(model, settings)
    table = rows(trial, predictors, protocol, settings.task)
    write_tables(out, table, protocol, trial.notes)
    print(markdown(table, protocol, trial.notes), end="")
