"""The model in three lines: open it, hand it videos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.config import Task
from transphy3d.dkt.inference.infer import Settings
from transphy3d.dkt.inference.lens import Lens, find_lens
from transphy3d.dkt.inference.metres import Known
from transphy3d.dkt.inference.seen import views
from transphy3d.dkt.inference.video import Video, open_video
from transphy3d.dkt.inference.view import View
from transphy3d.dkt.model.lora import LoadReport
from transphy3d.dkt.model.model import Model, load_model

Source = Path | str | NDArray[np.uint8] | Video


@dataclass(frozen=True)
class Estimator:
    """A model that is called with a video.

    report : what became of the LoRA's tensors, None without one
    task : what it sees unless a call says otherwise
    """

    model: Model
    report: LoadReport | None = None
    task: Task = "depth"

    def __call__(
        self,
        video: Source,
        *,
        known: Known | None = None,
        lens: Lens | None = None,
        **settings: Any,
    ) -> NDArray[np.float32]:
        """What is seen in a video, all frames at once.

        video : file, folder, picture, (T, H, W, 3) uint8 or an opened `Video`
        known : what gives metres: a depth map of the first frame, how the camera is mounted, or
            its pose at every frame
        settings : fields of `infer.Settings`, as task="normal" or size=(240, 416)
        Returns (T, H, W) float32: depth in metres if `known` is given, else disparity in [0, 1],
        near = 1; for task "normal" (T, H, W, 3) unit normals in OpenCV camera axes.
        """
        seen = self.views(video, known=known, lens=lens, **settings)
        return np.stack([view.seen if view.depth is None else view.depth for view in seen])

    def views(
        self,
        video: Source,
        *,
        known: Known | None = None,
        lens: Lens | None = None,
        **settings: Any,
    ) -> Iterator[View]:
        """The same frame by frame, with its picture and time, for videos of any length."""
        opened = video if isinstance(video, Video) else open_video(video)
        eye = lens or find_lens(opened)
        wanted = Settings(**({"task": self.task} | settings))
        for _, view in views(self.model, opened, wanted, eye, known):
            yield view


def open_model(
    network: Path | str,
    vae: Path | str,
    *,
    lora: Path | str | None = None,
    task: Task = "depth",
    prompt: Path | str | None = None,
    **options: Any,
) -> Estimator:
    """The model in two folders, with the LoRA and the embedded prompt of .safetensors files.

    prompt : None takes the task's beside the network, as `dkt convert` leaves it
    options : of `model.load_model`, as device="cuda" or dtype="float32"
    """
    model, report = load_model(
        Path(network),
        Path(vae),
        weights=Path(lora) if lora else None,
        task=task,
        prompt=Path(prompt) if prompt else None,
        **options,
    )
    return Estimator(model, report, task)
