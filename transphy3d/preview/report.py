"""One HTML page that says what is in a data set; it needs no network and no server."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

import transphy3d
from transphy3d.files import write_text
from transphy3d.preview.charts import (
    added,
    content_charts,
    geometry_charts,
    making_charts,
)
from transphy3d.preview.contact import dataset_title
from transphy3d.preview.facts import FRAMES_PER_SEQUENCE, Facts, gather
from transphy3d.preview.panels import painter, spread
from transphy3d.preview.places import VIDEO_FOLDER, report_path, video_name
from transphy3d.shards.credits import credit, credits_of
from transphy3d.shards.reader import Dataset
from transphy3d.shards.reader import Sequence as Recording
from transphy3d.shards.schema import Attribution
from transphy3d.templates import open_templates
from transphy3d.wording import duration, file_size, plural

MAX_CARDS = 24
# Pixels are read of that many sequences, evenly chosen: a minute's work for any data set.
MAX_PIXEL_SEQUENCES = 1000
MAX_REJECTIONS = 100
POSTER_WIDTH = 416
POSTER_QUALITY = 82
COLUMNS = (
    ("Sequence", False),
    ("Objects", True),
    ("Content", False),
    ("Support", False),
    ("Surroundings", False),
    ("Light", False),
    ("Frames", True),
    ("Attempts", True),
    ("Seconds", True),
    ("Video", False),
)


@dataclass(frozen=True)
class SetAside:
    """A unit that failed too often: its name, the error's type and its message."""

    unit: str
    error: str
    detail: str


@dataclass(frozen=True)
class Card:
    """One thumbnail; `poster` is a data URI, `video` a relative address or ""."""

    name: str
    summary: str
    poster: str
    video: str


@dataclass(frozen=True)
class Line:
    """A figure with its label."""

    label: str
    text: str


def poster(sequence: Recording) -> str:
    """The middle frame as a small JPEG in a data URI: RGB, or else the first channel."""
    paint = painter(sequence)
    picture = Image.fromarray(paint.paint(paint.channels[0], len(sequence) // 2))
    picture.thumbnail((POSTER_WIDTH, POSTER_WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=POSTER_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def video_link(sequence: Recording, folder: Path) -> str:
    """The address of a sequence's video relative to the page, "" if there is none."""
    name = video_name(sequence)
    return f"{VIDEO_FOLDER}/{quote(name)}" if (folder / VIDEO_FOLDER / name).is_file() else ""


def card_numbers(links: Items[str]) -> list[int]:
    """The sequences to show as thumbnails: an even sample of those with a video, or of all."""
    filmed = [number for number, link in enumerate(links) if link]
    among = filmed or list(range(len(links)))
    return [among[slot] for slot in spread(len(among), MAX_CARDS)]


def list_row(facts: Facts, link: str) -> list[str | int | float]:
    """One line of the list, in the order of COLUMNS."""
    making = facts.provenance
    return [
        facts.name,
        facts.objects,
        facts.summary,
        facts.support,
        facts.room,
        facts.rig,
        facts.frames,
        making.attempts,
        round(facts.seconds, 1),
        link,
    ]


def key_figures(facts: Items[Facts], stored: int) -> list[Line]:
    """The figures at the top."""
    cpu = sum(item.provenance.cpu_seconds for item in facts)
    frames = sum(item.frames for item in facts)
    return [
        Line("sequences", f"{len(facts):,}"),
        Line("frames", f"{frames:,}"),
        Line("objects", f"{sum(item.objects for item in facts):,}"),
        Line("materials", f"{len(added(item.materials for item in facts)):,}"),
        Line("on disk", file_size(stored)),
        Line("processor time", duration(cpu)),
        Line("of it a frame", duration(cpu / max(frames, 1))),
    ]


def shares(words: Iterable[str]) -> str:
    """Distinct words, with how often where there are several."""
    counts = Counter(words)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{word} ({count:,})" for word, count in counts.most_common())


def origin(facts: Items[Facts]) -> list[Line]:
    """Where the data come from."""
    making = [item.provenance for item in facts]
    versions = (f"{name} {v}" for item in making for name, v in item.versions.items())
    return [
        Line("Job", shares(item.job for item in facts)),
        Line("SHA-256 of the job", shares(item.job_sha256 for item in facts)),
        Line("Generator", shares(f"TransPhy3D {item.transphy3d}" for item in making)),
        Line("Versions", ", ".join(sorted(set(versions)))),
        Line("Device", shares(item.device for item in making)),
        Line("Denoiser", shares(item.denoiser for item in making)),
        Line("Resolution", shares(f"{item.width} × {item.height}" for item in facts)),
    ]


def rejections(facts: Iterable[Facts]) -> list[dict[str, Any]]:
    """The latest rejected scenes, as rows."""
    rows = [
        {"name": item.name, "attempt": gone.attempt, "reason": gone.reason, "detail": gone.detail}
        for item in facts
        for gone in item.provenance.rejections
    ]
    return rows[-MAX_REJECTIONS:]


def credit_row(item: Attribution) -> dict[str, str]:
    """One line of the attribution list; `address` is "" unless it is one that a browser opens."""
    address = item.url if item.url.startswith(("https://", "http://")) else ""
    licence = f"{item.licence.replace('_', ' ')} {item.version}".strip()
    return {"asset": item.asset, "text": credit(item), "licence": licence, "address": address}


def lead(dataset: Dataset, facts: Items[Facts]) -> str:
    """What the data set is, in a few words under the title."""
    optical = added(item.optical for item in facts)
    parts = ", ".join(f"{count:,} {name}" for name, count in optical.most_common())
    return f"Channels: {', '.join(dataset[0].channels)}. Pieces by optical class: {parts}."


def gather_all(dataset: Dataset) -> list[Facts]:
    """The facts of every sequence; pixels of an even sample."""
    read = set(spread(len(dataset), MAX_PIXEL_SEQUENCES))
    return [gather(sequence, read_pixels=number in read) for number, sequence in enumerate(dataset)]


def pixels_note(facts: Items[Facts]) -> str:
    """What the pixel counts are taken from."""
    read = plural(sum(item.pixels is not None for item in facts), "sequence")
    return (
        f"Depth and visibility: up to {FRAMES_PER_SEQUENCE} frames of {read}. "
        "Camera: every frame, measured from the middle of the objects."
    )


def stored_bytes(dataset: Dataset) -> int:
    """Bytes of the files that hold the sequences."""
    return sum(path.stat().st_size for path in {path for path, _ in dataset.places})


def cards(dataset: Dataset, facts: Items[Facts], links: Items[str]) -> list[Card]:
    """The thumbnails."""
    return [
        Card(facts[n].name, facts[n].summary, poster(dataset[n]), links[n])
        for n in card_numbers(links)
    ]


def page(dataset: Dataset, folder: Path, set_aside: Items[SetAside]) -> dict[str, Any]:
    """Everything that the template shows."""
    facts = gather_all(dataset)
    links = [video_link(sequence, folder) for sequence in dataset]
    thumbnails = cards(dataset, facts, links)
    some = f"{len(thumbnails)} of {len(facts):,}. " if len(thumbnails) < len(facts) else ""
    hint = "Point at one, or press Enter on it, to play all channels." if any(links) else ""
    return {
        "title": dataset_title(dataset),
        "lead": lead(dataset, facts),
        "figures": key_figures(facts, stored_bytes(dataset)),
        "cards": thumbnails,
        "aspect": f"{dataset[0].width} / {dataset[0].height}",
        "cards_note": some + hint,
        "content": content_charts(facts),
        "geometry": geometry_charts(facts),
        "pixels_note": pixels_note(facts),
        "making": making_charts(facts),
        "rejections": rejections(facts),
        "credits": [credit_row(item) for item in credits_of(dataset)],
        "origin": origin(facts),
        "set_aside": list(set_aside),
        "list": {
            "columns": [{"title": title, "right": right} for title, right in COLUMNS],
            "rows": [list_row(item, link) for item, link in zip(facts, links, strict=True)],
        },
        "version": transphy3d.__version__,
    }


def write_report(dataset: Dataset, folder: Path, *, set_aside: Items[SetAside] = ()) -> Path:
    """Write report.html into `folder` and return its path.

    Videos that stand in the folder's `videos` are linked relatively; all else is in the page.
    Statistics of pixels come from a bounded number of frames, thumbnails are limited and the
    list is paged, so that it stays usable for tens of thousands of sequences.
    """
    environment = open_templates("transphy3d.preview")
    template = environment.get_template("report.html.j2")
    path = report_path(folder)
    write_text(path, template.render(page(dataset, folder, set_aside)))
    return path
