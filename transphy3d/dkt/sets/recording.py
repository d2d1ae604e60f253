"""A recording of a public data set: its files, and what decodes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transphy3d.errors import ShardError
from transphy3d.shards.reader import Array, Frames, frame_numbers
from transphy3d.wording import suggest

Size = tuple[int, int]
Floats = NDArray[np.float64]
# A frame's array from the recording's path and the frame's id; None if its file is not there.
Decoder = Callable[[Path, str], Array | None]
COMPONENTS = {"rgb": (3,), "normal": (3,)}
TYPES = {"rgb": np.uint8, "instance": np.int32}
# A channel of another size is brought to the truth's; its shape may differ by so much.
ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True)
class Camera:
    """intrinsics : (3, 3) pixels; world_to_camera : (T, 4, 4), rows of NaN where unknown."""

    intrinsics: Floats
    world_to_camera: Floats | None = None


@dataclass(frozen=True, eq=False)
class StoredRecording:
    """Frames of a public data set, as `transphy3d.shards.recording.Recording` describes them.

    path : folder or archive; ids : what a frame is called there, in order of time
    decoders : by channel; measure : (height, width) of a frame's truth, which is the recording's
    film : camera from path, ids and size, called once it is asked for
    """

    path: Path
    name: str
    ids: tuple[str, ...]
    fps: float
    decoders: Mapping[str, Decoder]
    measure: Callable[[Path, str], Size]
    film: Callable[[Path, tuple[str, ...], Size], Camera]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, name: str) -> StoredChannel:
        """A channel. Raises ShardError, with the nearest name, if the set has none of it."""
        if name in self.decoders:
            return StoredChannel(self, name)
        hint = suggest(name, self.channels)
        raise ShardError(f"{self.path}: {self.name} has no {name!r}; {hint}")

    def read(self, *channels: str, frames: Frames = slice(None)) -> dict[str, Array]:
        """Frames of several channels, all if none is named."""
        return {name: self[name][frames] for name in channels or self.channels}

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of what the set has."""
        return tuple(self.decoders)

    @cached_property
    def size(self) -> Size:
        """(height, width) of the truth."""
        return self.measure(self.path, self.ids[0])

    @property
    def height(self) -> int:
        """Pixels."""
        return self.size[0]

    @property
    def width(self) -> int:
        """Pixels."""
        return self.size[1]

    @cached_property
    def camera(self) -> Camera:
        """Intrinsics and poses."""
        return self.film(self.path, self.ids, self.size)

    @property
    def intrinsics(self) -> Floats:
        """(3, 3) pixels."""
        return self.camera.intrinsics

    @property
    def world_to_camera(self) -> Floats | None:
        """(T, 4, 4), or None if the set gives no poses."""
        return self.camera.world_to_camera


@dataclass(frozen=True)
class StoredChannel:
    """One channel of a recording, decoded frame by frame."""

    recording: StoredRecording
    name: str

    def __len__(self) -> int:
        return len(self.recording)

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W), or (T, H, W, 3) for rgb and normal."""
        return (len(self), *self.recording.size, *COMPONENTS.get(self.name, ()))

    def __getitem__(self, frames: Frames) -> Array:
        numbers = frame_numbers(frames, len(self))
        if isinstance(numbers, int):
            return self._frame(self.recording.ids[numbers])
        out = np.empty((len(numbers), *self.shape[1:]), TYPES.get(self.name, np.float32))
        for slot, number in enumerate(numbers):
            out[slot] = self._frame(self.recording.ids[number])
        return out

    def _frame(self, frame: str) -> Array:
        """A frame, of zeros (unknown) where an optional file is not there."""
        decoded = self.recording.decoders[self.name](self.recording.path, frame)
        if decoded is None:
            return np.zeros(self.shape[1:], TYPES.get(self.name, np.float32))
        height, width = self.recording.size
        found = decoded.shape[:2]
        if abs(found[1] / found[0] / (width / height) - 1) > ASPECT_TOLERANCE:
            raise ShardError(
                f"{self.recording.path}: frame {frame}: {self.name} is {found[1]}x{found[0]} and "
                f"the true depth {width}x{height}; download it again"
            )
        return fitted(decoded, (height, width), filtered=self.name == "rgb")


def fitted(array: Array, size: Size, *, filtered: bool) -> Array:
    """An (H, W[, C]) array at another size: colours by the area they cover, the rest nearest."""
    if array.shape[:2] == size:
        return array
    if filtered:
        return np.asarray(Image.fromarray(array).resize(size[::-1], Image.Resampling.BOX))
    rows, columns = (
        ((np.arange(wanted) + 0.5) * have / wanted).astype(np.int64)
        for wanted, have in zip(size, array.shape[:2], strict=True)
    )
    return np.asarray(array[rows][:, columns])


def centred_camera(size: Size, focal: float) -> Camera:
    """A camera that looks through the middle; focal : pixels."""
    height, width = size
    return Camera(np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]]))


def wide_camera(fov: float, path: Path, ids: tuple[str, ...], size: Size) -> Camera:
    """A camera of a horizontal field of view, in radians."""
    return centred_camera(size, size[1] / 2 / float(np.tan(fov / 2)))
