"""Public data sets by name, read in this project's units and axes.

opened = open_set("clearpose", "data/clearpose", "test")
for recording in opened.recordings: recording["rgb"][:10], recording["depth"][:10]
"""

from __future__ import annotations

from pathlib import Path

from transphy3d.dkt.sets import cleargrasp, clearpose, dreds, hiss, released
from transphy3d.dkt.sets.kind import Opened, SetKind
from transphy3d.errors import JobError, ShardError
from transphy3d.wording import suggest

__all__ = ["SETS", "Opened", "SetKind", "nearest", "open_set", "set_kind"]

SETS: dict[str, SetKind] = {
    "released": released.KIND,
    "clearpose": clearpose.KIND,
    "dreds": dreds.DREDS,
    "std": dreds.STD,
    "hiss": hiss.KIND,
    "cleargrasp": cleargrasp.KIND,
}


def set_kind(name: str) -> SetKind:
    """A data set by its name. Raises JobError with the nearest name."""
    if name not in SETS:
        raise JobError(f"set {name!r}: is not known; {suggest(name, ['shards', *SETS])}")
    return SETS[name]


def open_set(name: str, path: Path | str, split: str) -> Opened:
    """The recordings of a split of a public data set below a folder.

    Raises JobError for an unknown name or split, and ShardError, saying what was expected, if the
    folder holds nothing of it.
    """
    kind, root = set_kind(name), Path(path)
    if split not in kind.splits:
        raise JobError(f"split {split!r}: {name} has none; {suggest(split, kind.splits)}")
    if not root.is_dir():
        raise ShardError(
            f"{path}: there is no such folder; {name} is a folder with {kind.expected}"
        )
    opened = kind.find(root.resolve(), split)
    if opened.recordings:
        return opened
    found = "; ".join(opened.describe()[1:]) or "nothing of it is there"
    raise ShardError(f"{path}: is not {name}, split {split}: expected {kind.expected}; {found}")
