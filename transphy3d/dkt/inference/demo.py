"""A page on this machine: a video goes in, what is seen in it and its files come out.

Gradio's telemetry and public links are off; the page loads nothing from elsewhere.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from transphy3d.dkt.config import Task
from transphy3d.dkt.inference.lens import find_lens
from transphy3d.dkt.inference.look import Wish, look, make_settings
from transphy3d.dkt.inference.metres import Sensor, read_depth_map
from transphy3d.dkt.inference.outputs import INFO, NAMES
from transphy3d.dkt.inference.video import open_video
from transphy3d.dkt.model.model import Model
from transphy3d.errors import TransPhy3DError

TITLES: dict[Task, str] = {
    "depth": "TransPhy3D: depth of transparent things",
    "normal": "TransPhy3D: normals of transparent things",
}
SIZES = ("240x416", "480x832", "720x1280")
LOCALHOST = "127.0.0.1"
NO_VIDEO = "There is no video yet: drop one on the left."
Seen = tuple[str, list[str]]


class PageProgress:
    """Tells the page how far a run is: sampling is the first half of its bar."""

    def __init__(self, bar: Callable[..., Any]) -> None:
        self._bar = bar

    def event(self, kind: str, **facts: Any) -> None:
        if kind == "denoised":
            self._bar(facts["step"] / facts["of"] / 2, desc="sampling")

    def frames(self, done: int, total: int) -> None:
        self._bar((1 + done / total) / 2, desc=f"frame {done} of {total}")

    def close(self) -> None:
        """Nothing is left open."""


@dataclass(frozen=True)
class Demo:
    """A model that answers the page.

    task : what it was trained for, which its prompt says too
    about : plain data on the model for `info.json`; root : folder for what is seen
    """

    model: Model
    task: Task
    about: Mapping[str, str]
    root: Path

    def see(
        self,
        video: str | None,
        size: str,
        steps: int,
        seed: int,
        fov: float | None,
        sensor: str | None,
        bar: gr.Progress = gr.Progress(),  # noqa: B008  # where Gradio looks for it
    ) -> Seen:
        """The coloured video and the files of one upload, in a folder of its own."""
        if not video:
            raise gr.Error(NO_VIDEO, print_exception=False)
        try:
            settings = make_settings(
                task=self.task,
                size=size,
                steps=steps,
                window=21,
                overlap=3,
                parity="ours",
                seed=seed,
            )
            opened = open_video(video)
            known = Sensor(read_depth_map(Path(sensor))) if sensor else None
            formats = ("npz", "mp4", "ply") if known else ("npz", "mp4")
            wish = Wish(formats, find_lens(opened, fov=fov or None), known, about=self.about)
            folder = Path(tempfile.mkdtemp(dir=self.root))
            return shown(look(self.model, opened, folder, settings, wish, PageProgress(bar)))
        except TransPhy3DError as error:
            raise gr.Error(str(error), print_exception=False) from None


def shown(folder: Path) -> Seen:
    """What the page shows of a folder; point clouds become one file."""
    files = [folder / NAMES["npz"], folder / INFO]
    if (clouds := folder / NAMES["ply"]).is_dir():
        files.append(Path(shutil.make_archive(str(clouds), "zip", clouds)))
    return str(folder / NAMES["mp4"]), [str(path) for path in files]


def make_page(demo: Demo, size: str) -> gr.Blocks:
    """The page. size : at which the network sees at first."""
    with gr.Blocks(title=TITLES[demo.task], analytics_enabled=False) as page:
        gr.Markdown(f"## {TITLES[demo.task]}")
        with gr.Row():
            with gr.Column():
                # With its sound: Gradio would want the program ffmpeg to take that out.
                video = gr.Video(label="Video", sources=["upload"], include_audio=True)
                inputs = [video, *_settings(size), *_camera(hidden=demo.task == "normal")]
                button = gr.Button("See", variant="primary")
            with gr.Column():
                film = gr.Video(label="What is seen", interactive=False)
                files = gr.Files(label="Files", interactive=False)
        button.click(demo.see, inputs, [film, files], api_name="see", concurrency_limit=1)
    return page


def _settings(size: str) -> list[Any]:
    """Size, steps and seed."""
    sizes = list(dict.fromkeys((size, *SIZES)))
    chosen = gr.Dropdown(sizes, value=size, allow_custom_value=True, label="Height x width")
    with gr.Row():
        steps = gr.Slider(1, 20, value=5, step=1, label="Steps")
        seed = gr.Number(0, precision=0, minimum=0, label="Seed")
    return [chosen, steps, seed]


def _camera(*, hidden: bool) -> list[Any]:
    """Field of view and the sensor's depth map; normals have no use for them."""
    with gr.Accordion("Metres and point clouds", open=False, visible=not hidden):
        fov = gr.Number(0, label="Horizontal field of view in degrees; 0: the file's, else 60")
        sensor = gr.File(
            label="Depth of the first frame: .npy in metres or 16-bit .png in millimetres",
            file_types=[".npy", ".png"],
        )
    return [fov, sensor]


@contextmanager
def serving(
    model: Model,
    task: Task,
    about: Mapping[str, str],
    size: str,
    host: str = LOCALHOST,
    port: int | None = None,
) -> Iterator[tuple[gr.Blocks, str]]:
    """The page and its address while it is served; uploads and results are deleted afterwards.

    port : None for the first free one from 7860 on
    """
    with tempfile.TemporaryDirectory(prefix="transphy3d-demo-") as root:
        os.environ["GRADIO_TEMP_DIR"] = root  # else Gradio keeps what is uploaded
        page = make_page(Demo(model, task, about, Path(root)), size)
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            ssr_mode=False,
            quiet=True,
            prevent_thread_lock=True,
        )
        try:
            yield page, url
        finally:
            page.close(verbose=False)
