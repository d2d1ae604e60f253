"""Clips of sequences for training with torch; the one module of the shards that needs it.

clips = Clips("out/preview/shards", frames=21, size=(480, 832))
batches = Batches({21: 2}, steps=1000)
loader = torch.utils.data.DataLoader(clips, batch_sampler=batches, num_workers=4)
for batch in loader: batch["rgb"], batch["disparity"], batch["valid"]
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from transphy3d.errors import ShardError
from transphy3d.shards.draws import Draw, Shares, generator, place
from transphy3d.shards.framing import Framing, covering
from transphy3d.shards.reader import PathLike, open_dataset
from transphy3d.shards.recording import Recording

Item = dict[str, torch.Tensor]
DEFAULT_CHANNELS = ("rgb", "depth", "disparity")
DERIVED = {"disparity": "depth"}
# Disparity is scaled by these percentiles of a whole sequence, so that a speck close to the
# lens does not flatten everything else, and a clip's values do not depend on where it starts.
PERCENTILES = (2.0, 98.0)
RANGE_FRAMES = 8


class Clips(Dataset[Item]):
    """Clips at random starts of every sequence, each sequence once an epoch.

    The draws n from 0 on go through epoch after epoch, as `Batches` makes them. Items by number are
    those of the first epoch alone: whoever goes through them again gets the same clips.

    data : whatever `open_dataset` opens, or recordings that are open already
    frames : length of a clip; a `Draw` may ask for another. Shorter sequences are left out
    size : (height, width) to which pictures are scaled and cut; None keeps the stored size
    strides : (low, high) frames from one frame of a clip to the next, drawn for each clip
    flip : share of clips that are mirrored, with normals, intrinsics and poses
    shifts : draw where the cut lies; without, it is the middle
    channels : stored ones, and "disparity" with its mask "valid" and the depth it is made of

    An item is a dictionary of tensors, T frames long:

        rgb (T, 3, H, W) float32 in [0, 1]     depth, depth_behind (T, 1, H, W) metres, 0 = none
        disparity (T, 1, H, W) in [0, 1]       valid (T, 1, H, W) bool: depth is known
        normal (T, 3, H, W) camera axes        instance (T, 1, H, W) int32
        intrinsics (3, 3) and world_to_camera (T, 4, 4) float32, NaN where no pose is known
        sequence () int64, number in the data set; frames (T,) int64, frame numbers

    Depth, normals and instances take the stored pixel nearest to a new one's centre, at most half
    a stored pixel away, so that no value is made up between two surfaces; rgb is filtered. Draw n
    depends on `seed` and n alone. Raises ShardError if no sequence is long enough or a channel is
    missing, IndexError for a number that is not below the length.
    """

    def __init__(
        self,
        data: PathLike | Sequence[PathLike] | Sequence[Recording],
        *,
        frames: int = 1,
        size: tuple[int, int] | None = None,
        strides: tuple[int, int] = (1, 1),
        flip: float = 0.0,
        shifts: bool = False,
        channels: Sequence[str] = DEFAULT_CHANNELS,
        seed: int = 0,
    ) -> None:
        if not 1 <= strides[0] <= strides[1]:
            raise ValueError(f"strides: {strides} is no range of whole numbers from 1")
        self.sequences = _recordings(data)
        self.frames, self.size, self.strides = frames, size, strides
        self.flip, self.shifts, self.seed = flip, shifts, seed
        self.channels = tuple(channels)
        self._lengths = np.array([len(sequence) for sequence in self.sequences])
        self._limits: dict[int, tuple[float, float]] = {}
        self._long_enough(frames)

    def __len__(self) -> int:
        return len(self._long_enough(self.frames))

    def _long_enough(self, frames: int) -> NDArray[np.int64]:
        """Numbers of the sequences that hold `frames` at the smallest stride."""
        span = (frames - 1) * self.strides[0] + 1
        found = np.flatnonzero(self._lengths >= span)
        if not found.size:
            raise ShardError(
                f"{self.sequences[0].path.parent}: clips span {span} frames and the longest "
                f"sequence has {self._lengths.max()}; ask for fewer frames or a smaller stride"
            )
        return found

    def __getitem__(self, draw: SupportsIndex | Draw) -> Item:
        asked = _asked(draw, len(self))
        frames = asked.frames or self.frames
        candidates = self._long_enough(frames)
        which = int(candidates[place(asked.number, len(candidates), self.seed)])
        recording = self.sequences[which]
        chosen, drawn = draw_clip(len(recording), frames, self.seed, asked.number, self.strides)
        framing = self._framing(recording, drawn)
        limits = self._disparity_limits(which) if "disparity" in self.channels else None
        item = clip_item(recording, chosen, framing, self.channels, limits)
        return item | {"sequence": torch.tensor(which), "frames": torch.from_numpy(chosen)}

    def _disparity_limits(self, which: int) -> tuple[float, float]:
        if which not in self._limits:
            self._limits[which] = disparity_range(self.sequences[which])
        return self._limits[which]

    def _framing(self, recording: Recording, drawn: tuple[float, float, float]) -> Framing:
        source = (recording.height, recording.width)
        down, right, mirrored = drawn
        shift = (down, right) if self.shifts else (0.5, 0.5)
        return covering(source, self.size or source, shift=shift, flip=mirrored < self.flip)


class Drawable(Protocol):
    """A data set that is asked for clips by draw."""

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the pictures; None: as they are stored."""

    def __len__(self) -> int: ...

    def __getitem__(self, draw: Draw) -> Item: ...


class Mixture(Dataset[Item]):
    """Several data sets as one, drawn from in proportion to their weights.

    parts : (clips, weight) by name; a name is found again in the item's "part", by position
    frame_wise : names of sets of single pictures, drawn from only for clips of one frame
    Raises ValueError if the parts' pictures differ in size, IndexError as `Clips` does.
    """

    def __init__(
        self, parts: Mapping[str, tuple[Drawable, float]], *, frame_wise: Sequence[str] = ()
    ) -> None:
        self.names = tuple(parts)
        self.clips = tuple(clips for clips, _ in parts.values())
        sizes = {name: clips.size for name, (clips, _) in parts.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"size: the parts differ, {sizes}; give all of them the same")
        weights = [weight for _, weight in parts.values()]
        moving = [0.0 if n in frame_wise else w for n, w in zip(parts, weights, strict=True)]
        self._still, self._moving = Shares.of(weights), Shares.of(moving)

    def __len__(self) -> int:
        return sum(map(len, self.clips))

    def __getitem__(self, draw: SupportsIndex | Draw) -> Item:
        asked = _asked(draw, len(self))
        shares = self._still if asked.frames == 1 else self._moving
        part, number = shares.member(asked.number)
        return self.clips[part][Draw(number, asked.frames)] | {"part": torch.tensor(part)}


def _asked(draw: SupportsIndex | Draw, length: int) -> Draw:
    """A number as the draw of the first epoch that it is."""
    if isinstance(draw, Draw):
        return draw
    number = operator.index(draw)
    if not 0 <= number < length:
        raise IndexError(
            f"clip {number} of {length}; a number names one of the first epoch, a Draw any"
        )
    return Draw(number)


def _recordings(
    data: PathLike | Sequence[PathLike] | Sequence[Recording],
) -> Sequence[Recording]:
    if isinstance(data, (str, Path)):
        return open_dataset(data)
    paths = [item for item in data if isinstance(item, (str, Path))]
    opened = [item for item in data if not isinstance(item, (str, Path))]
    return opened or open_dataset(paths)


def draw_clip(
    length: int, frames: int, seed: int, number: int, strides: tuple[int, int] = (1, 1)
) -> tuple[NDArray[np.int64], tuple[float, float, float]]:
    """What draw `number` takes of a sequence of `length` frames.

    Returns the frames' numbers, and three values in [0, 1): how far down and to the right the cut
    lies, and the chance that the clip is mirrored, if it is below the share of mirrored ones.
    """
    rng = generator(seed, 2, number)
    chosen = _frames(length, frames, strides, rng)
    down, right, mirrored = rng.random(3).tolist()
    return chosen, (down, right, mirrored)


def _frames(
    length: int, frames: int, strides: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Frame numbers of a clip: stride and start are drawn uniformly among those that fit."""
    widest = strides[1] if frames == 1 else min(strides[1], (length - 1) // (frames - 1))
    stride = int(rng.integers(strides[0], widest + 1))
    start = int(rng.integers(length - (frames - 1) * stride))
    return start + stride * np.arange(frames)


def clip_item(
    recording: Recording,
    frames: NDArray[np.int64],
    framing: Framing,
    channels: Sequence[str],
    limits: tuple[float, float] | None = None,
) -> Item:
    """The tensors of chosen frames, as `Clips` describes them.

    limits : disparities in 1/m that become 0 and 1; None takes the sequence's own
    """
    stored = dict.fromkeys(DERIVED.get(name, name) for name in channels)
    arrays = recording.read(*stored, frames=frames)
    item = {name: _framed(name, array, framing) for name, array in arrays.items()}
    if "disparity" in channels:
        ends = limits or disparity_range(recording)
        item["disparity"], item["valid"] = disparity(item["depth"], ends)
    return item | {
        "intrinsics": _float32(framing.intrinsics(recording.intrinsics)),
        "world_to_camera": _float32(framing.poses(_poses(recording, frames))),
    }


def _poses(recording: Recording, frames: NDArray[np.int64]) -> NDArray[np.float64]:
    poses = recording.world_to_camera
    return np.full((len(frames), 4, 4), np.nan) if poses is None else poses[frames]


def _framed(name: str, array: NDArray[Any], framing: Framing) -> torch.Tensor:
    """A channel of a clip, (T, C, H, W)."""
    if name == "rgb":
        return _rgb(array, framing)
    picked = array[:, framing.rows()][:, :, framing.columns()]
    if name == "normal":
        mirrored = picked * np.array([-1, 1, 1], np.float32) if framing.flip else picked
        return torch.from_numpy(np.ascontiguousarray(mirrored.transpose(0, 3, 1, 2)))
    kind = np.int32 if name == "instance" else np.float32
    return torch.from_numpy(np.ascontiguousarray(picked[:, None], kind))


def _rgb(array: NDArray[np.uint8], framing: Framing) -> torch.Tensor:
    """Filtered against aliasing, (T, 3, H, W) float32 in [0, 1]."""
    full = torch.from_numpy(array).permute(0, 3, 1, 2).float() / 255
    if framing.scaled != framing.source:
        full = interpolate(full, framing.scaled, mode="bicubic", antialias=True).clamp(0, 1)
    (height, width), top, left = framing.size, framing.top, framing.left
    cut = full[..., top : top + height, left : left + width]
    return (cut.flip(-1) if framing.flip else cut).contiguous()


def disparity(
    depth: torch.Tensor, limits: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Depth in metres, 0 = none, as disparity in [0, 1], 1 = near, and where it is known.

    limits : disparities in 1/m that become 0 and 1; what lies beyond is cut off. Unknown is 0.
    """
    valid = depth > 0
    low, high = limits
    scaled = (1 / depth.clamp_min(1e-6) - low) / max(high - low, 1e-9)
    return torch.where(valid, scaled.clamp(0, 1), 0.0), valid


def disparity_range(recording: Recording) -> tuple[float, float]:
    """The PERCENTILES of 1/depth in 1/m over a sequence, from frames evenly spread over it."""
    count = min(RANGE_FRAMES, len(recording))
    depth = recording["depth"][np.linspace(0, len(recording) - 1, count).astype(int)]
    known = depth[depth > 0]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(1 / known.astype(np.float64), PERCENTILES)
    return float(low), float(high)


def _float32(array: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
