"""The folder of what was seen in a video: whole or as it was before, and it explains itself.

npz : every number, float32
png, exr : a picture a frame with numbers in it, 16 bits or float32
mp4 : colours for people, beside the video
ply : a point cloud a frame in metres, coloured by the video

`info.json` says what each of them holds, and how it was made; it is written last.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from transphy3d.dkt.choice import one_of
from transphy3d.dkt.inference.arrays import NpzWriter
from transphy3d.dkt.inference.cloud import CloudWriter
from transphy3d.dkt.inference.film import FilmWriter
from transphy3d.dkt.inference.rasters import PictureWriter
from transphy3d.dkt.inference.view import Stage, View, Writer
from transphy3d.errors import DiskFull, JobError
from transphy3d.files import is_full, publish, scratch_name, write_json
from transphy3d.wording import file_size

Format = Literal["npz", "png", "exr", "mp4", "ply"]
NAMES: dict[Format, str] = {
    "npz": "prediction.npz",
    "png": "png",
    "exr": "exr",
    "mp4": "prediction.mp4",
    "ply": "ply",
}
FORMATS: tuple[Format, ...] = tuple(NAMES)
INFO = "info.json"
MAKER = "transphy3d "


def pick_formats(names: Iterable[str], task: str, metric: bool) -> tuple[Format, ...]:
    """The formats of those names, each once.

    metric : whether metres will be known
    Raises JobError if one is not known, or if point clouds cannot be had.
    """
    chosen = tuple(dict.fromkeys(one_of("formats", name, FORMATS) for name in names))
    if "ply" not in chosen:
        return chosen
    if task != "depth":
        raise JobError("--formats ply: points are made of depth; use --task depth")
    if not metric:
        raise JobError(
            "--formats ply: needs metres; name the first frame's depth by --sensor, say how the "
            "camera is mounted by --camera-height and --camera-pitch, or where it was by --poses"
        )
    return chosen


class Outputs:
    """Writers of several formats into one folder."""

    def __init__(
        self, folder: Path, formats: Iterable[Format], stage: Stage, ply_every: int
    ) -> None:
        self.writers = {kind: _open(kind, folder, stage, ply_every) for kind in formats}

    def add(self, view: View) -> None:
        """Write one view in every format."""
        for writer in self.writers.values():
            writer.add(view)

    def close(self) -> None:
        """All views were added."""
        for writer in self.writers.values():
            writer.close()

    def describe(self) -> dict[str, Any]:
        """What each file or folder holds."""
        return {NAMES[kind]: writer.describe() for kind, writer in self.writers.items()}


@contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """A folder to write in; what lies there when the block ends well replaces what `out` had.

    Results of earlier runs stay until then. Raises JobError if something of such a name is nobody's
    result, DiskFull, naming the place, where no space is left; leftovers of killed runs go.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JobError(f"--out {out}: cannot be made ({error.strerror}); name another") from None
    earlier = _earlier(out)
    for left in out.glob(".prediction.*.part"):
        shutil.rmtree(left)
    scratch = scratch_name(out / "prediction")
    try:
        scratch.mkdir()
        yield scratch
        _replace(out, scratch, earlier)
    except OSError as error:
        if not is_full(error):
            raise
        raise _full(out) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def check_space(
    out: Path, formats: Iterable[Format], size: tuple[int, int], frames: int, values: int
) -> None:
    """Raises DiskFull if what will be written surely does not fit, before hours are spent.

    values : float32 numbers a pixel, 1 of disparity, 2 with depth, 3 of normals
    """
    each = {"npz": 2 * 4 * values, "png": 1, "exr": 2, "ply": 0, "mp4": 0}  # bytes, at least
    needed = frames * size[0] * size[1] * sum(each[kind] for kind in formats)
    free = shutil.disk_usage(out).free
    if free < needed:
        raise DiskFull(
            f"{out}: {file_size(needed)} will be written and {file_size(free)} are free; free "
            "some, leave out formats, or name another folder by --out"
        )


def _full(out: Path) -> DiskFull:
    places = (out.resolve(), Path(tempfile.gettempdir()))
    fullest = min(places, key=lambda place: shutil.disk_usage(place).free)
    return DiskFull(
        f"{fullest}: no space is left; free some, or name another folder by "
        f"{'TMPDIR' if fullest == places[1] else '--out'}, and run the same command again: "
        "it begins anew"
    )


def _earlier(out: Path) -> list[str]:
    """Names of an earlier run's results, `info.json` first. Raises JobError for anybody else's."""
    there = [name for name in (INFO, *NAMES.values()) if (out / name).exists()]
    try:
        made = json.loads((out / INFO).read_text(encoding="utf-8"))
        ours = {INFO, *made["files"]} if made["made_by"].startswith(MAKER) else set()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        ours = set()
    if foreign := [name for name in there if name not in ours]:
        raise JobError(
            f"--out {out}: {', '.join(foreign)} there is not what an earlier run says it made, and "
            "would be replaced; name another folder, or remove it"
        )
    return there


def _replace(out: Path, scratch: Path, earlier: Iterable[str]) -> None:
    """Put new results in the place of old ones; without `info.json` a folder is not finished."""
    for name in earlier:
        _remove(out / name)
    for path in sorted(scratch.iterdir(), key=lambda path: path.name == INFO):
        publish(path, out / path.name)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_info(folder: Path, outputs: Outputs, facts: dict[str, Any]) -> None:
    """Write `info.json`: what was done, and what each file holds."""
    write_json(folder / INFO, {**facts, "files": outputs.describe()})


def _open(kind: Format, folder: Path, stage: Stage, ply_every: int) -> Writer:
    path = folder / NAMES[kind]
    if kind == "npz":
        return NpzWriter(path, stage)
    if kind == "mp4":
        return FilmWriter(path, stage)
    if kind == "ply":
        return CloudWriter(path, stage, ply_every)
    return PictureWriter(path, kind, stage)
