"""Predictions that lie in files, made by `dkt infer` or by any other program.

FOLDER/<name of the recording>.npz, or FOLDER/<name of the recording>/prediction.npz, with one
array: `disparity` or `depth` (T, H, W), or `normal` (T, H, W, 3), of the recording's frames.
"""

from __future__ import annotations

import typing
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from transphy3d.dkt.config import Task
from transphy3d.dkt.evaluation.metrics import Protocol
from transphy3d.dkt.evaluation.predictors import Kind, Predictor, stamp
from transphy3d.dkt.evaluation.trial import Trial
from transphy3d.errors import JobError, ShardError
from transphy3d.shards.excerpt import origin
from transphy3d.shards.recording import Recording
from transphy3d.wording import suggest

FILE_NAME = "prediction.npz"
Array = NDArray[np.floating[Any]]


def stored_predictor(
    name: str, folder: Path, trial: Trial, task: Task, protocol: Protocol
) -> Predictor:
    """A predictor that reads what lies in a folder for every recording of a trial.

    Raises ShardError, before anything is measured, if a recording's file is not there.
    """
    files = {recording.name: _file(folder, recording.name) for recording in trial.recordings}
    kind = _kind(next(iter(files.values())), task)

    def see(recording: Recording) -> Array:
        return _read(files[recording.name], kind, recording, protocol)

    return Predictor(name, see, kind, state=lambda recording: stamp(files[recording.name]))


def read_place(text: str) -> tuple[str, Path]:
    """(name, folder) of NAME=FOLDER, or of FOLDER, whose name it then is. Raises JobError."""
    name, found, folder = text.partition("=")
    path = Path(folder if found else text).expanduser()
    if not path.is_dir():
        raise JobError(f"--predictions {text}: there is no folder {path}; name [NAME=]FOLDER")
    return (name if found else path.resolve().name), path


def _file(folder: Path, name: str) -> Path:
    places = (folder / f"{name}.npz", folder / name / FILE_NAME)
    for place in places:
        if place.is_file():
            return place
    there = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.npz")]
    hint = suggest(name, there, "put it there, or measure fewer frames") if there else "it is empty"
    raise ShardError(f"{folder}: has no {name}.npz for the recording {name}; {hint}")


def _kind(path: Path, task: Task) -> Kind:
    """Which array a file holds, among those that the task can be measured with."""
    wanted = ("normal",) if task == "normal" else ("disparity", "depth")
    found = [kind for kind in wanted if kind in _names(path)]
    if len(found) != 1:
        raise ShardError(
            f"{path}: holds {', '.join(_names(path)) or 'nothing'}; one of {', '.join(wanted)} "
            "is expected"
        )
    return typing.cast(Kind, found[0])


def _names(path: Path) -> list[str]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return list(archive)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ShardError(f"{path}: cannot be read as .npz ({error}); write it again") from None


def _read(path: Path, kind: Kind, recording: Recording, protocol: Protocol) -> Array:
    if kind not in _names(path):
        raise ShardError(f"{path}: has no array {kind!r}, which the other files have")
    try:
        with np.load(path, allow_pickle=False) as archive:
            stored = archive[kind]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ShardError(f"{path}: {kind} is damaged ({error}); write it again") from None
    if not np.issubdtype(stored.dtype, np.number) or np.iscomplexobj(stored):
        raise ShardError(f"{path}: {kind} is of {stored.dtype}; write float32")
    return _sized(_of_the_frames(stored, path, kind, recording), path, kind, recording, protocol)


def _of_the_frames(stored: Array, path: Path, kind: Kind, recording: Recording) -> Array:
    """The recording's frames of a prediction of just these, or of the whole video."""
    whole, numbers = origin(recording)
    axes = 4 if kind == "normal" else 3
    if stored.ndim == axes and len(stored) == len(recording):
        return stored
    if stored.ndim == axes and len(stored) == len(whole):
        return stored[list(numbers)]
    frames = f"{len(recording)}" + (f" or {len(whole)}" * (len(whole) != len(recording)))
    raise ShardError(
        f"{path}: {kind} is {stored.shape}; {frames} frames of {recording.height}x"
        f"{recording.width}{' x 3' * (kind == 'normal')} are expected"
    )


def _sized(
    stored: Array, path: Path, kind: Kind, recording: Recording, protocol: Protocol
) -> Array:
    size = (recording.height, recording.width)
    if stored.shape[3:] != ((3,) if kind == "normal" else ()):
        raise ShardError(f"{path}: {kind} is {stored.shape}; (T, H, W, 3) is expected")
    if stored.shape[1:3] == size:
        return stored
    if protocol.resize == "none":
        raise ShardError(
            f"{path}: {kind} is {stored.shape[1]}x{stored.shape[2]} and the truth "
            f"{size[0]}x{size[1]} (height x width); resize it, or ask for --resize bilinear"
        )
    return np.stack([_resized(frame, size) for frame in stored])


def _resized(frame: Array, size: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear, with pixel centres at half numbers."""
    factors = (size[0] / frame.shape[0], size[1] / frame.shape[1], *(1,) * (frame.ndim - 2))
    scaled = zoom(frame.astype(np.float32), factors, order=1, mode="nearest", grid_mode=True)
    return np.asarray(scaled, np.float32)
