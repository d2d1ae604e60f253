"""All previews of a data set in one folder, made only where they are missing or outdated."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path

from transphy3d.preview.contact import contact_sheet
from transphy3d.preview.panels import spread
from transphy3d.preview.places import contact_path, report_path, up_to_date, video_path
from transphy3d.preview.report import SetAside, write_report
from transphy3d.preview.video import write_video
from transphy3d.shards.reader import Dataset, open_dataset


@dataclass(frozen=True)
class PreviewPaths:
    """What was made or was up to date; `videos` in the order of their sequences."""

    contact_sheet: Path
    videos: tuple[Path, ...]
    report: Path

    def describe(self) -> str:
        """What stands where, in lines for a terminal."""
        films = f"{len(self.videos)} in {self.videos[0].parent}" if self.videos else "none"
        lines = {"report": self.report, "contact sheet": self.contact_sheet, "videos": films}
        return "\n".join(f"{name:<16} {value}" for name, value in lines.items())


def make_videos(
    dataset: Dataset, folder: Path, count: int | None, *, force: bool
) -> tuple[Path, ...]:
    """Videos of an even sample of `count` sequences, of all if None."""
    wanted = len(dataset) if count is None else count
    paths = []
    for number in spread(len(dataset), wanted) if wanted else []:
        sequence = dataset[number]
        path = video_path(folder, sequence)
        if force or not up_to_date(path, [sequence.path]):
            write_video(sequence, path)
        paths.append(path)
    return tuple(paths)


def make_previews(
    dataset_path: Path,
    folder: Path,
    *,
    videos: int | None = None,
    force: bool = False,
    set_aside: Items[SetAside] = (),
) -> PreviewPaths:
    """Write a contact sheet, videos and a report into `folder`.

    videos : of how many sequences, evenly chosen; None for all, 0 for none
    force : make again what is up to date
    set_aside : failed units to list in the report
    Raises ShardError if there are no sequences or a file is damaged.
    """
    dataset = open_dataset(dataset_path)
    sources = sorted({path for path, _ in dataset.places})
    films = make_videos(dataset, folder, videos, force=force)
    sheet = contact_path(folder)
    if force or not up_to_date(sheet, sources):
        contact_sheet(dataset, sheet)
    report = report_path(folder)
    if force or set_aside or not up_to_date(report, [*sources, *films]):
        write_report(dataset, folder, set_aside=set_aside)
    dataset.close()
    return PreviewPaths(sheet, films, report)
