"""`transphy3d dkt eval | table`: metrics of models beside baselines, and tables of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transphy3d.cli.dkt.options import (
    AttentionName,
    BatchSize,
    ChannelsLast,
    Compiled,
    DecoderFile,
    DeviceName,
    LoraFile,
    MaybeNetworkFolder,
    MaybeVaeFolder,
    Overlap,
    PromptFile,
    SizeText,
    Steps,
    TaskName,
    TypeName,
    Window,
    dkt_app,
    open_model,
)
from transphy3d.cli.options import ProgressStyle
from transphy3d.progress import reporting

if TYPE_CHECKING:
    from transphy3d.dkt.evaluation.evaluate import Evaluation


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
    predictions: Annotated[
        list[str] | None,
        typer.Option(
            "--predictions",
            metavar="[NAME=]FOLDER",
            help="what any program predicted, one .npz a recording; may be repeated",
        ),
    ] = None,
    align: Annotated[str, typer.Option("--align", help="video, frame or none")] = "video",
    domain: Annotated[
        str, typer.Option("--domain", help="what scale and shift are fitted in: disparity or depth")
    ] = "disparity",
    region: Annotated[str, typer.Option("--region", help="all or objects")] = "all",
    max_depth: Annotated[
        float | None, typer.Option("--max-depth", help="metres; truth beyond is left out")
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", min=1, help="of each video, from its first on")
    ] = None,
    stride: Annotated[int, typer.Option("--stride", min=1, help="take every n-th frame")] = 1,
    resize: Annotated[
        str, typer.Option("--resize", help="predictions of another size: none refuses, or bilinear")
    ] = "none",
    pictures: Annotated[
        int, typer.Option("--pictures", min=0, help="frames to paint, evenly chosen over all")
    ] = 12,
    steps: Steps = 5,
    window: Window = 21,
    overlap: Overlap = 3,
    batch: BatchSize = 1,
    attention: AttentionName = "native",
    compiled: Compiled = False,
    channels_last: ChannelsLast = False,
    decoder: DecoderFile = None,
    device: DeviceName = "auto",
    dtype: TypeName = "bfloat16",
    progress: ProgressStyle = "auto",
) -> None:
    """Depth or normal metrics of models and of baselines; goes on where it stopped."""
    from transphy3d.dkt.evaluation.evaluate import Evaluation
    from transphy3d.dkt.evaluation.predictions import read_place, stored_predictor
    from transphy3d.dkt.evaluation.predictors import baselines, model_predictor
    from transphy3d.dkt.evaluation.trial import make_protocol, open_trial
    from transphy3d.dkt.inference.look import make_settings
    from transphy3d.dkt.model.model import find_prompt
    from transphy3d.dkt.model.speed import Speed
    from transphy3d.errors import JobError

    protocol = make_protocol(
        align=align,
        domain=domain,
        region=region,
        max_depth=max_depth,
        frames=frames,
        stride=stride,
        resize=resize,
    )
    settings = make_settings(
        task=task,
        size=size,
        steps=steps,
        window=window,
        overlap=overlap,
        parity="ours",
        seed=0,
        batch=batch,
    )
    speed = Speed(attention, compiled=compiled, channels_last=channels_last)
    if bool(network) != bool(vae):
        raise JobError("--network and --vae belong together; name both, or neither for baselines")
    places = [read_place(text) for text in predictions or ()]
    model = None
    if network and vae:
        prompt = prompt or find_prompt(network, settings.task)
        model = open_model(network, vae, prompt, lora, device, dtype, speed, decoder, task)
    with reporting(progress, "check") as checks:
        trial = open_trial(path, set_name, split, protocol, settings.task, checks.frames)
    predictors = baselines(trial, settings.task, protocol)
    for name, folder in places:
        predictors.append(stored_predictor(name, folder, trial, settings.task, protocol))
    if model:
        files = {"network": network, "vae": vae, "lora": lora, "prompt": prompt, "decoder": decoder}
        predictors.append(model_predictor(model, settings, files))
    _measure(Evaluation(trial, predictors, protocol, settings.task, pictures), out, progress)


def _measure(what: Evaluation, out: Path, progress: ProgressStyle) -> None:
    """Evaluate, write tables and page, print the table."""
    from transphy3d.dkt.evaluation.evaluate import evaluate as run_evaluation
    from transphy3d.dkt.evaluation.evaluation_report import write_report
    from transphy3d.dkt.evaluation.results import markdown, write_results

    with reporting(progress) as reporter:
        results = run_evaluation(what, out, reporter)
    write_results(out, results)
    write_report(out, results)
    print(markdown(results), end="")


@dkt_app.command()
def table(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="[TITLE=]SCORES...", help="scores.json of evaluations, or folders"),
    ],
    figures: Annotated[
        str | None, typer.Option("--figures", help="of these only, with commas, as rel,delta_1.05")
    ] = None,
    layout: Annotated[str, typer.Option("--layout", help="markdown or latex")] = "markdown",
    mixed: Annotated[
        bool, typer.Option("--mixed", help="join evaluations of different protocols or models")
    ] = False,
) -> None:
    """One table of several evaluations, as papers print them."""
    from transphy3d.dkt.evaluation.joined import join

    print(join(sources, figures, layout, mixed=mixed), end="")
