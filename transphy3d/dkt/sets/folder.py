"""Frames whose channels are files of one folder, told apart by the ends of their names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from transphy3d.dkt.sets.recording import Decoder

REQUIRED = ("rgb", "depth")


@dataclass(frozen=True)
class Note:
    """Something that is wrong with a frame, and whether it is left out for it."""

    frame: str
    reason: str


@dataclass(frozen=True)
class Files:
    """A channel's files: `{}` in the template is the frame's id; decode : from a path."""

    template: str
    decode: Callable[[Path], NDArray[Any]]

    def path(self, folder: Path, frame: str) -> Path:
        return folder / self.template.format(frame)


@dataclass(frozen=True)
class Found:
    """The complete frames of a folder, the channels that it has, and what is missing."""

    ids: tuple[str, ...]
    decoders: Mapping[str, Decoder]
    notes: tuple[Note, ...]


def search(folder: Path, channels: Mapping[str, Files]) -> Found:
    """Frames that have a picture and true depth.

    A channel of which no frame has a file is none of the folder's. Where only some have it, it is
    unknown (0) in the others, with a note.
    """
    listed = {name: _ids(folder, files.template) for name, files in channels.items()}
    there = {name: ids for name, ids in listed.items() if ids or name in REQUIRED}
    every = set().union(*(there[name] for name in REQUIRED))
    complete = sorted(
        (frame for frame in every if all(frame in there[name] for name in REQUIRED)), key=_order
    )
    gone = [
        Note(f"{folder}/{frame}", f"left out: no {channels[name].template.format('*')}")
        for frame in sorted(every - set(complete), key=_order)
        for name in REQUIRED
        if frame not in there[name]
    ]
    partly = [
        Note(f"{folder}/{frame}", f"kept without {name}: no {channels[name].template.format('*')}")
        for name in there
        for frame in complete
        if frame not in there[name]
    ]
    decoders = {name: partial(_decode, channels[name], name in REQUIRED) for name in there}
    return Found(tuple(complete), decoders, (*gone, *partly))


def _order(frame: str) -> tuple[int, str]:
    """Numbers by their value, whether padded with zeros or not."""
    return (int(frame), frame) if frame.isdigit() else (-1, frame)


def _ids(folder: Path, template: str) -> set[str]:
    parent, name = os.path.split(template)
    head, tail = name.split("{}")
    try:
        names = [path.name for path in (folder / parent).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return set()
    visible = (name for name in names if not name.startswith("."))
    return {n[len(head) : -len(tail)] for n in visible if n.startswith(head) and n.endswith(tail)}


def _decode(files: Files, required: bool, folder: Path, frame: str) -> NDArray[Any] | None:
    path = files.path(folder, frame)
    return files.decode(path) if required or path.is_file() else None


def folders(root: Path) -> Iterator[Path]:
    """All folders from `root` down, in the order of names, each once; links are followed."""
    seen = set()
    for place, below, _ in os.walk(root, followlinks=True):
        stat = Path(place).stat()
        if (stat.st_dev, stat.st_ino) in seen:
            below.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        below.sort()
        yield Path(place)


def has(folder: Path, ending: str) -> bool:
    """Whether a folder holds a file whose name ends so."""
    with os.scandir(folder) as entries:
        return any(entry.name.endswith(ending) for entry in entries)
