"""`transphy3d dkt infer | demo`: a model sees depth or normals in videos."""

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
    NetworkFolder,
    Overlap,
    PromptFile,
    SizeText,
    Steps,
    TaskName,
    TypeName,
    VaeFolder,
    Window,
    dkt_app,
    open_model,
)
from transphy3d.cli.options import ProgressStyle
from transphy3d.progress import reporting

if TYPE_CHECKING:
    from transphy3d.dkt.inference.metres import Known


@dkt_app.command()
def infer(
    video: Annotated[
        str, typer.Argument(metavar="VIDEO", help="video, picture, folder, or camera:0")
    ],
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
    camera_height: Annotated[
        float | None,
        typer.Option("--camera-height", min=0.01, help="metres over the plane things stand on"),
    ] = None,
    camera_pitch: Annotated[
        float | None,
        typer.Option("--camera-pitch", min=0, max=89, help="degrees by which it looks down"),
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(
            "--poses",
            help="of the moving camera at each frame: .npy, world to camera, or TUM's .txt",
        ),
    ] = None,
    intrinsics: Annotated[
        str | None,
        typer.Option("--intrinsics", help="fx,fy,cx,cy in pixels, or a JSON or YAML file"),
    ] = None,
    fov: Annotated[
        float | None,
        typer.Option("--fov", min=1, max=179, help="horizontal field of view, degrees"),
    ] = None,
    ply_every: Annotated[
        int, typer.Option("--ply-every", min=1, help="a point cloud of every n-th frame")
    ] = 1,
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.01, help="of pictures [default: 24]")
    ] = None,
    frames: Annotated[int | None, typer.Option("--frames", min=1, help="the first n alone")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="of a camera")] = 10.0,
    size: SizeText = "480x832",
    steps: Steps = 5,
    window: Window = 21,
    overlap: Overlap = 3,
    parity: Annotated[
        str, typer.Option("--parity", help="ours, or dkt to repeat the released code")
    ] = "ours",
    batch: BatchSize = 1,
    attention: AttentionName = "native",
    compiled: Compiled = False,
    channels_last: ChannelsLast = False,
    decoder: DecoderFile = None,
    device: DeviceName = "auto",
    dtype: TypeName = "bfloat16",
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the noise")] = 0,
    progress: ProgressStyle = "auto",
) -> None:
    """See depth or normals in a video of any length."""
    from transphy3d.dkt.inference.capture import filmed
    from transphy3d.dkt.inference.lens import find_lens
    from transphy3d.dkt.inference.look import Wish, look, make_settings
    from transphy3d.dkt.inference.outputs import pick_formats
    from transphy3d.dkt.inference.video import open_video
    from transphy3d.dkt.model.model import find_prompt
    from transphy3d.dkt.model.speed import Speed

    known = _known(sensor, camera_height, camera_pitch, poses)
    settings = make_settings(
        task=task,
        size=size,
        steps=steps,
        window=window,
        overlap=overlap,
        parity=parity,
        seed=seed,
        batch=batch,
    )
    speed = Speed(attention, compiled=compiled, channels_last=channels_last)
    chosen = pick_formats(formats.split(","), settings.task, known is not None)
    source = open_video(filmed(video, out, seconds), fps, frames)
    lens = find_lens(source, intrinsics, fov)
    prompt = prompt or find_prompt(network, settings.task)
    about = _named(network, vae, lora, prompt, dtype)
    wish = Wish(chosen, lens, known, ply_every, about)
    with reporting(progress) as reporter:
        if lens.assumed and (known or "ply" in wish.formats):
            reporter.event("warning", intrinsics=f"{lens.source}; give --intrinsics or --fov")
        model = open_model(network, vae, prompt, lora, device, dtype, speed, decoder, task)
        print(look(model, source, out, settings, wish, reporter))


@dkt_app.command()
def demo(
    network: NetworkFolder,
    vae: VaeFolder,
    lora: LoraFile = None,
    prompt: PromptFile = None,
    task: TaskName = "depth",
    size: SizeText = "480x832",
    host: Annotated[
        str, typer.Option("--host", help="address to listen at; 0.0.0.0 opens it to the network")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", help="[default: the first free one from 7860 on]")
    ] = None,
    device: DeviceName = "auto",
    dtype: TypeName = "bfloat16",
) -> None:
    """Show a page on this machine: a video in, depth or normals out."""
    from transphy3d.dkt.inference.demo import serving
    from transphy3d.dkt.inference.look import read_size, read_task
    from transphy3d.dkt.model.model import find_prompt

    read_size(size)
    seen = read_task(task)
    prompt = prompt or find_prompt(network, seen)
    model = open_model(network, vae, prompt, lora, device, dtype, task=seen)
    about = _named(network, vae, lora, prompt, dtype)
    with serving(model, seen, about, size, host, port) as (page, url):
        print(url, flush=True)
        page.block_thread()


def _named(
    network: Path, vae: Path, lora: Path | None, prompt: Path | None, dtype: str
) -> dict[str, str]:
    """The model's files, for `info.json`."""
    files = {"network": network, "vae": vae, "lora": lora, "prompt": prompt, "dtype": dtype}
    return {name: str(value) for name, value in files.items() if value}


def _known(
    sensor: Path | None, height: float | None, pitch: float | None, poses: Path | None
) -> Known | None:
    """What gives metres."""
    from transphy3d.dkt.inference.metres import Mount, Sensor, read_depth_map
    from transphy3d.dkt.inference.track import read_track
    from transphy3d.errors import JobError

    if (height is None) != (pitch is None):
        raise JobError(
            "--camera-height and --camera-pitch belong together: disparity lacks a scale "
            "and a shift, and each gives one"
        )
    given = {"--sensor": sensor, "--camera-height": height, "--poses": poses}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise JobError(f"{' and '.join(names)}: each gives metres; give one")
    if sensor:
        return Sensor(read_depth_map(sensor))
    if poses:
        return read_track(poses)
    return None if height is None or pitch is None else Mount(height, pitch)
