"""Videos of any length to disparity or normals, in memory that does not grow with the length.

The whole video's latents lie in scratch files mapped to memory: every sampling step goes over
all of them, window by window, so that the blend of overlapping windows is part of each step.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from transphy3d.dkt.config import Task
from transphy3d.dkt.inference.video import Video
from transphy3d.dkt.model import vae as codec
from transphy3d.dkt.model.flow import SHIFT
from transphy3d.dkt.model.model import Model
from transphy3d.dkt.model.sampler import WINDOWS, sample
from transphy3d.dkt.model.wan import LATENT_CHANNELS, PIXELS_PER_LATENT
from transphy3d.dkt.model.windows import Windows, padded_frames
from transphy3d.shards.draws import generator

NOISE_STREAM = 11
NETWORK_SIZE = (480, 832)
Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """How a video is looked at.

    size : (height, width) at which the network sees it, in steps of 16; portrait video is turned
    parity : "dkt" repeats what the released code does: time steps rounded to bfloat16, and a last
        window that is shorter than the others
    batch : windows that are looked at together, where memory allows
    """

    task: Task = "depth"
    size: tuple[int, int] = NETWORK_SIZE
    steps: int = 5
    shift: float = SHIFT
    windows: Windows = WINDOWS
    seed: int = 0
    parity: str = "ours"
    batch: int = 1

    @property
    def spans(self) -> Windows:
        """The windows, as parity wants them."""
        if self.parity != "dkt":
            return self.windows
        return Windows(self.windows.length, self.windows.overlap, shrink_last=True)


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


def estimate(
    model: Model, video: Video, settings: Settings, told: Told = silent
) -> Iterator[NDArray[np.float32]]:
    """Frames of the video's size: (H, W) disparity in [0, 1], near = 1, or (H, W, 3) normals.

    told : called with the stage, "encode", "denoise" or "decode", and steps done and in all (0
        where that is not known yet)
    """
    turned = video.size[0] > video.size[1]
    with (
        tempfile.TemporaryDirectory(prefix="transphy3d-") as scratch,
        _encoded(model, video, settings, turned, Path(scratch), told) as (picture, frames),
    ):
        x = _noise(Path(scratch) / "x", picture.shape, settings.seed)
        sample(
            model.predict,
            picture,
            x,
            steps=settings.steps,
            shift=settings.shift,
            windows=settings.spans,
            batch=settings.batch,
            rounded_times=settings.parity == "dkt",
            told=lambda done, total: told("denoise", done, total),
        )
        decoded = model.decode(torch.split(x, 1, dim=2))
        shown = itertools.islice(itertools.chain.from_iterable(map(_unstacked, decoded)), frames)
        for number, frame in enumerate(shown, 1):
            told("decode", number, frames)
            yield _outward(frame, video.size, turned, settings.task)


@contextmanager
def _encoded(
    model: Model, video: Video, settings: Settings, turned: bool, folder: Path, told: Told
) -> Iterator[tuple[torch.Tensor, int]]:
    """The picture's latents (1, 16, T, h, w) in a mapped file, and the number of frames."""
    counter = _Counter(video)
    inward = (_inward(frame, settings.size, turned, model.device) for frame in counter)
    with (folder / "picture").open("wb") as stream:
        for number, latent in enumerate(codec.encode(_padded(inward), model.vae), 1):
            stream.write(latent[0].movedim(1, 0).float().cpu().numpy().tobytes())
            told("encode", number, 0)
    yield _mapped(folder / "picture", number, _latent_size(settings.size)), counter.count


class _Counter:
    """Counts the frames that pass through."""

    def __init__(self, frames: Iterable[NDArray[np.uint8]]) -> None:
        self._frames = frames
        self.count = 0

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for frame in self._frames:
            self.count += 1
            yield frame


def _padded(frames: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The frames, the last one repeated until there are 4 N + 1."""
    count, last = 0, None
    for last in frames:
        count += 1
        yield last
    if last is not None:
        yield from itertools.repeat(last, padded_frames(count) - count)


def _latent_size(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] // PIXELS_PER_LATENT, size[1] // PIXELS_PER_LATENT


def _mapped(path: Path, latents: int, size: tuple[int, int]) -> torch.Tensor:
    """A file of float32 latents as a tensor (1, 16, T, h, w) that the kernel pages in and out."""
    count = latents * LATENT_CHANNELS * size[0] * size[1]
    flat = torch.from_file(str(path), shared=True, size=count, dtype=torch.float32)
    return flat.reshape(latents, LATENT_CHANNELS, *size).movedim(0, 1)[None]


def _noise(path: Path, shape: torch.Size, seed: int) -> torch.Tensor:
    """Standard normal noise in a mapped file; that of a latent does not depend on the length."""
    _, channels, latents, height, width = shape
    with path.open("wb") as stream:
        for number in range(latents):
            rng = generator(seed, NOISE_STREAM, number)
            stream.write(rng.standard_normal((channels, height, width), np.float32).tobytes())
    return _mapped(path, latents, (height, width))


def _inward(
    frame: NDArray[np.uint8], size: tuple[int, int], turned: bool, device: torch.device
) -> torch.Tensor:
    """A frame as the network sees it: (3, H, W) in [-1, 1], scaled to `size`, lying."""
    picture = torch.from_numpy(np.array(np.rot90(frame) if turned else frame)).to(device)
    scaled = interpolate(
        picture.permute(2, 0, 1)[None].float(), size, mode="bilinear", antialias=True
    )
    return scaled[0] / 127.5 - 1


def _unstacked(frames: torch.Tensor) -> Iterator[torch.Tensor]:
    return iter(frames[0].unbind(1))


def _outward(
    frame: torch.Tensor, size: tuple[int, int], turned: bool, task: Task
) -> NDArray[np.float32]:
    """A decoded frame (3, h, w) as disparity or normals of the video's size."""
    lying = (size[1], size[0]) if turned else size
    values = frame.float()[None]
    if task == "depth":  # on the device, before it is enlarged and fetched
        values = (values.mean(1, keepdim=True) + 1) / 2
    full = interpolate(values, lying, mode="bilinear")[0].cpu()
    if task == "depth":
        near = full[0].clamp(0, 1).numpy()
        return np.ascontiguousarray(np.rot90(near, -1) if turned else near)
    normal = full.permute(1, 2, 0).numpy()
    if turned:  # a quarter turn of the picture turns x and y of its normals as well
        normal = np.rot90(normal, -1)[..., [1, 0, 2]] * np.array([-1, 1, 1], np.float32)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    return np.ascontiguousarray(normal / np.maximum(length, 1e-6), np.float32)
