"""TransPhy3D as its authors publish it: WebDataset archives, one sequence each.

{split}/**/*.tar with {sequence:06d}_{frame:08d} and
.image.png; .depth.png, 16 bit, and .depth.json {"max_depth": metres}: depth = png / 65535 *
max_depth; .normal.png, n = png / 127.5 - 1 in OpenGL's axes;
.metadata.json {"camera_matrices": {"extrinsics", "intrinsics"}}: world to camera in OpenCV's
axes, and (3, 3) in shares of the picture
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.sets.decode import (
    OPENGL,
    damaged,
    image_size,
    known_depth,
    picture,
    plain_png,
    png_normals,
)
from transphy3d.dkt.sets.folder import Note
from transphy3d.dkt.sets.kind import Opened, SetKind
from transphy3d.dkt.sets.recording import Camera, Decoder, Floats, Size, StoredRecording

FPS = 24.0  # not published
PARAMETRIC = tuple(f"parametric_train/{part}" for part in ("training", "validation", "test"))
SPLITS = ("train", "test", *PARAMETRIC, "sample")
REQUIRED = ("image.png", "depth.png", "depth.json")
LARGEST_JSON = 1 << 20
FULL_SCALE = 65535
Divisor = Literal["width", "each"]


@dataclass(frozen=True)
class Archive:
    """Where the members of each frame stand in an archive, and each frame's largest depth.

    members : (first byte, bytes) by the ending of the name, by frame
    """

    members: Mapping[str, Mapping[str, tuple[int, int]]]
    max_depth: Mapping[str, float]

    def read(self, path: Path, frame: str, ending: str) -> io.BytesIO:
        """The bytes of one member."""
        start, count = self.members[frame][ending]
        with path.open("rb") as file:
            file.seek(start)
            found = io.BytesIO(file.read(count))
        found.name = f"{path}: {frame}.{ending}"
        return found

    def rgb(self, path: Path, frame: str) -> NDArray[np.uint8]:
        """(H, W, 3)."""
        return picture(self.read(path, frame, "image.png"))

    def depth(self, path: Path, frame: str) -> NDArray[np.float32]:
        """(H, W) metres; 0 all over for a frame whose largest depth is 0."""
        stored = plain_png(self.read(path, frame, "depth.png")).astype(np.float64)
        return known_depth(stored / FULL_SCALE * self.max_depth[frame])

    def normal(self, path: Path, frame: str) -> NDArray[np.float32] | None:
        """(H, W, 3) in OpenCV axes; None where the frame has none."""
        if "normal.png" not in self.members[frame]:
            return None
        return png_normals(OPENGL, 0.0, self.read(path, frame, "normal.png"))

    def size(self, path: Path, frame: str) -> Size:
        """(height, width) of the depth."""
        return image_size(self.read(path, frame, "depth.png"))

    def film(self, divisor: Divisor, path: Path, ids: tuple[str, ...], size: Size) -> Camera:
        """From the frames' metadata; a frame without has a pose of NaN."""
        given = [self._matrices(path, frame) for frame in ids]
        poses = np.stack([_pose(matrices) for matrices in given])
        first = next((matrices for matrices in given if matrices), None)
        if first is None:
            raise damaged(path, ValueError("no frame has a metadata.json"))
        return Camera(pixel_intrinsics(np.array(first["intrinsics"]), size, divisor), poses)

    def _matrices(self, path: Path, frame: str) -> dict[str, Any]:
        if "metadata.json" not in self.members[frame]:
            return {}
        matrices: dict[str, Any] = _json(self.read(path, frame, "metadata.json"))["camera_matrices"]
        return matrices


def _pose(matrices: dict[str, Any]) -> Floats:
    return np.array(matrices["extrinsics"], np.float64) if matrices else np.full((4, 4), np.nan)


def pixel_intrinsics(shares: Floats, size: Size, divisor: Divisor = "width") -> Floats:
    """(3, 3) in pixels of intrinsics in shares of the picture.

    divisor : what focal lengths were divided by: both by the width, or fy by the height
    """
    height, width = size
    vertical = width if divisor == "width" else height
    scale = np.array([[width, 1, width], [1, vertical, height], [1, 1, 1]])
    return np.asarray(shares * scale, np.float64)


def find(root: Path, split: str, divisor: Divisor = "width") -> Opened:
    """A recording for each archive of a split; `root` may be the split's folder or the set's."""
    opened, top = Opened(), _folder(root, split)
    if top is None:
        return opened
    for path in sorted(top.rglob("*.tar")):
        opened += open_archive(path, path.relative_to(top).with_suffix("").as_posix(), divisor)
    return opened


def _folder(root: Path, split: str) -> Path | None:
    """Where a split's archives lie; None in the folder of another split."""
    if (root / split).is_dir():
        return root / split
    others = {Path(name).name for name in SPLITS} - {Path(split).name}
    return None if root.name in others or any((root / name).is_dir() for name in SPLITS) else root


def open_archive(path: Path, name: str, divisor: Divisor = "width") -> Opened:
    """The sequence in an archive; a damaged one is left out with a note."""
    try:
        found = _members(path)
        complete = [frame for frame, members in found.items() if set(REQUIRED) <= set(members)]
        notes = [
            Note(f"{path}: {frame}", f"left out: no {ending}")
            for frame, members in found.items()
            for ending in REQUIRED
            if ending not in members
        ]
        scales = {frame: _max_depth(path, found[frame]["depth.json"]) for frame in complete}
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
        return Opened((), (Note(str(path), f"in an archive left out as damaged: {error}"),))
    notes += [
        Note(f"{path}: {frame}", "kept, its depth unknown: max_depth is 0")
        for frame in complete
        if scales[frame] <= 0
    ]
    archive = Archive(found, scales)
    recordings = (_recording(path, name, tuple(complete), archive, divisor),) if complete else ()
    return Opened(recordings, tuple(notes))


def _recording(
    path: Path, name: str, ids: tuple[str, ...], archive: Archive, divisor: Divisor
) -> StoredRecording:
    decoders: dict[str, Decoder] = {"rgb": archive.rgb, "depth": archive.depth}
    if any("normal.png" in archive.members[frame] for frame in ids):
        decoders["normal"] = archive.normal
    return StoredRecording(
        path, name, ids, FPS, decoders, archive.size, partial(archive.film, divisor)
    )


def _members(path: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Places of members by ending, by frame, in the order of frames."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            frame, _, ending = Path(member.name).name.partition(".")
            if member.isfile() and frame:
                found.setdefault(frame, {})[ending] = (member.offset_data, member.size)
    if found and max(start + count for f in found.values() for start, count in f.values()) > (
        path.stat().st_size
    ):
        raise ValueError("it ends in the middle of a member")
    return dict(sorted(found.items()))


def _max_depth(path: Path, place: tuple[int, int]) -> float:
    with path.open("rb") as file:
        file.seek(place[0])
        return float(_json(io.BytesIO(file.read(min(place[1], LARGEST_JSON))))["max_depth"])


def _json(data: io.BytesIO) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(data.read())
    return parsed


KIND = SetKind(
    splits=SPLITS,
    train="train",
    test="test",
    frame_wise=False,
    normals=True,
    expected="{train,test,...}/*.tar with {sequence}_{frame}.image.png, .depth.png and .depth.json",
    find=find,
)
