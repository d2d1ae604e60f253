"""What is measured: baselines that need no model, and a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.config import Task
from transphy3d.dkt.evaluation.cues import darkness, image_gradient
from transphy3d.dkt.evaluation.metrics import Protocol, known
from transphy3d.dkt.evaluation.normal_metrics import common_direction
from transphy3d.dkt.evaluation.sensor import METHOD, sensor_disparity, sensor_normals
from transphy3d.dkt.evaluation.trial import Trial
from transphy3d.files import canonical_json, sha256_text
from transphy3d.shards.recording import Recording

if TYPE_CHECKING:
    from transphy3d.dkt.inference.infer import Settings
    from transphy3d.dkt.model.model import Model

Kind = Literal["disparity", "depth", "normal"]


def _always_the_same(recording: Recording) -> Any:
    return None


@dataclass(frozen=True)
class Predictor:
    """Something that sees depth or normals in a recording.

    see : a recording to (T, H, W) disparity up to scale and shift or depth in metres, or to
        (T, H, W, 3) normals; kind : which of them
    about : plain data that tells one model from another of the same name
    state : plain data of a recording's prediction beside that, as a file's time; scores are kept
        under all of it
    """

    name: str
    see: Callable[[Recording], NDArray[np.floating[Any]]]
    kind: Kind = "disparity"
    about: Mapping[str, Any] = field(default_factory=dict)
    state: Callable[[Recording], Any] = _always_the_same


def constant(recording: Recording) -> NDArray[np.float32]:
    """The same everywhere: what a model that sees nothing scores."""
    return np.ones(recording["depth"].shape, np.float32)


def constant_normal(recording: Recording, protocol: Protocol) -> NDArray[np.float64]:
    """The one direction that most of the truth that counts is near."""
    normals = recording["normal"][:]
    inside = recording["instance"][:] > 0 if protocol.region == "objects" else None
    counts = known(recording["depth"][:], protocol, inside)
    return np.broadcast_to(common_direction(normals[counts]), normals.shape)


def facing(recording: Recording) -> NDArray[np.float64]:
    """Every surface looks along the camera's axis, at the camera."""
    return np.broadcast_to([0.0, 0.0, -1.0], recording["normal"].shape)


def height_ramp(recording: Recording) -> NDArray[np.float32]:
    """Near at the bottom, far at the top: what the camera's tilt alone gives away."""
    frames, height, width = recording["depth"].shape
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    return np.broadcast_to(ramp, (frames, height, width))


BASELINES: dict[str, Callable[[Recording], NDArray[np.floating[Any]]]] = {
    "constant": constant,
    "height ramp": height_ramp,
    "darkness": darkness,
    "image gradient": image_gradient,
}


def baselines(trial: Trial, task: Task, protocol: Protocol) -> list[Predictor]:
    """What needs no model: for depth and normals, with a sensor where all recordings have one."""
    if task == "normal":
        constant_where_it_counts = partial(constant_normal, protocol=protocol)
        found = [
            Predictor("constant", constant_where_it_counts, "normal"),
            Predictor("toward the camera", facing, "normal"),
        ]
    else:
        found = [Predictor(name, see) for name, see in BASELINES.items()]
    if all("sensor" in recording.channels for recording in trial.recordings):
        normals = Predictor(METHOD, sensor_normals, "normal")
        found.append(normals if task == "normal" else Predictor(METHOD, sensor_disparity))
    return found


def model_predictor(
    model: Model, settings: Settings, files: Mapping[str, Path | None] | None = None
) -> Predictor:
    """A model that looks at a recording's pictures.

    files : by role, the files and folders that it was loaded from
    """
    from transphy3d.dkt.inference.infer import estimate
    from transphy3d.dkt.inference.video import open_video

    kind: Kind = "normal" if settings.task == "normal" else "disparity"

    def see(recording: Recording) -> NDArray[np.float32]:
        pictures = recording["rgb"][:]
        seen = np.empty(pictures.shape if kind == "normal" else pictures.shape[:3], np.float32)
        video = open_video(pictures, recording.fps)
        for number, frame in enumerate(estimate(model, video, settings)):
            seen[number] = frame
        return seen

    weights = {role: stamp(path) for role, path in (files or {}).items() if path}
    return Predictor(
        "model",
        see,
        kind,
        {
            "settings": described(settings),
            "speed": asdict(model.speed),
            "dtype": str(model.dtype).removeprefix("torch."),
            "weights": weights,
        },
    )


def described(settings: Settings) -> str:
    """One line on how a model looked."""
    spans = settings.windows
    height, width = settings.size
    return (
        f"{height}x{width} (bilinear, and back to the truth's size), {settings.steps} steps, "
        f"shift {settings.shift:g}, windows {spans.length}/{spans.overlap}, "
        f"parity {settings.parity}, seed {settings.seed}"
    )


def stamp(path: Path) -> str:
    """A hash that changes when a file, or one of a folder's, is written anew or moved.

    Of names, sizes and times, as reading gigabytes of weights would take minutes.
    """
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(str(file.resolve()), file.stat()) for file in files if file.is_file()]
    return sha256_text(canonical_json([[n, s.st_size, s.st_mtime_ns] for n, s in stats]))
