"""What every public data set says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from transphy3d.dkt.sets.decode import ALL_DEPTHS, Range, exr_size, image_size
from transphy3d.dkt.sets.folder import Files, Found, Note
from transphy3d.dkt.sets.recording import Camera, Size, StoredRecording

Film = Callable[[Path, tuple[str, ...], Size], Camera]


@dataclass(frozen=True)
class Opened:
    """The recordings of a data set's split, and what is wrong with some of its frames."""

    recordings: tuple[StoredRecording, ...] = ()
    notes: tuple[Note, ...] = ()

    def __add__(self, other: Opened) -> Opened:
        return Opened(self.recordings + other.recordings, self.notes + other.notes)

    def describe(self) -> list[str]:
        """Lines on how much there is, and on each defect: how many frames, and the first."""
        frames = sum(map(len, self.recordings))
        return [f"{len(self.recordings)} recordings, {frames} frames", *describe(self.notes)]


def describe(notes: tuple[Note, ...]) -> list[str]:
    """A line for each reason: how many frames it struck, and the first of them."""
    counts = Counter(note.reason for note in notes)
    first = {note.reason: note.frame for note in reversed(notes)}
    return [
        f"{count} frame{'s' * (count > 1)} {reason} (first: {first[reason]})"
        for reason, count in counts.items()
    ]


@dataclass(frozen=True)
class SetKind:
    """A public data set.

    splits : names of its parts
    train, test : the ones meant where none is named; train None: not made for training
    frame_wise : its frames are single pictures, each a recording of its own
    normals : it has surface normals in the camera's axes
    expected : its layout in words, for who hands in another folder
    find : the recordings of a split below a folder, none if the layout is another
    valid : metres; depth outside is unknown
    """

    splits: tuple[str, ...]
    train: str | None
    test: str
    frame_wise: bool
    normals: bool
    expected: str
    find: Callable[[Path, str], Opened]
    valid: Range = ALL_DEPTHS

    @property
    def counted(self) -> str:
        """What depths count, for a caption; empty if all do."""
        low, high = self.valid
        return "" if self.valid == ALL_DEPTHS else f", depth {low:g} to {high:g} m"


def video(folder: Path, name: str, found: Found, truth: Files, fps: float, film: Film) -> Opened:
    """The frames of a folder as one recording; none if none is complete."""
    if not found.ids:
        return Opened((), found.notes)
    measure = partial(_size, truth)
    whole = StoredRecording(folder, name, found.ids, fps, found.decoders, measure, film)
    return Opened((whole,), found.notes)


def stills(folder: Path, name: str, found: Found, truth: Files, film: Film) -> Opened:
    """The frames of a folder as recordings of one frame each."""
    measure = partial(_size, truth)
    recordings = tuple(
        StoredRecording(folder, f"{name}/{frame}", (frame,), 1.0, found.decoders, measure, film)
        for frame in found.ids
    )
    return Opened(recordings, found.notes)


def _size(truth: Files, folder: Path, frame: str) -> Size:
    path = truth.path(folder, frame)
    return exr_size(path) if path.suffix == ".exr" else image_size(path)
