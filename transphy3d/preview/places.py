"""Where previews stand in their folder, and whether they are up to date."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from transphy3d.shards.reader import Sequence

VIDEO_FOLDER = "videos"


def video_name(sequence: Sequence) -> str:
    """File name of a sequence's video, of safe characters only; jobs keep theirs apart."""
    words = f"{sequence.attributes['job']}-{sequence.name}"
    return re.sub(r"[^A-Za-z0-9._-]", "_", words) + ".mp4"


def video_path(folder: Path, sequence: Sequence) -> Path:
    """Where a sequence's video stands."""
    return folder / VIDEO_FOLDER / video_name(sequence)


def report_path(folder: Path) -> Path:
    """Where the report stands."""
    return folder / "report.html"


def contact_path(folder: Path) -> Path:
    """Where the contact sheet stands."""
    return folder / "contact_sheet.png"


def up_to_date(path: Path, sources: Iterable[Path]) -> bool:
    """Whether `path` exists and none of its sources is newer."""
    if not path.is_file():
        return False
    made = path.stat().st_mtime_ns
    return all(source.stat().st_mtime_ns <= made for source in sources)
