"""The state of a run as one HTML page that loads itself anew; no network, no server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transphy3d
from transphy3d.farm.attempts import Dead
from transphy3d.farm.deadletters import dead_letters
from transphy3d.farm.status import Status
from transphy3d.farm.status_text import HALTED, engine, needed_room
from transphy3d.files import write_text
from transphy3d.templates import open_templates
from transphy3d.wording import duration, file_size, number

PAGE_NAME = "status.html"
REFRESH_SECONDS = 10
MAX_ROWS = 200


@dataclass(frozen=True)
class Part:
    """A part of the bar at the top; `share` of the whole, 0 to 1."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class Card:
    """A figure with its label; `note` stands below in small. bad : in the colour of trouble."""

    label: str
    text: str
    note: str = ""
    bad: bool = False


def write_page(status: Status) -> Path:
    """Write status.html into the run directory and return its path."""
    environment = open_templates("transphy3d.farm", "transphy3d.preview")
    environment.filters |= {"duration": duration, "size": file_size, "number": number}
    path = Path(status.root) / PAGE_NAME
    letters = dead_letters(Path(status.root))
    write_text(path, environment.get_template("status.html.j2").render(page(status, letters)))
    return path


def page(status: Status, letters: list[Dead]) -> dict[str, Any]:
    """Everything that the template shows."""
    return {
        "status": status,
        "parts": parts(status),
        "cards": cards(status),
        "letters": letters[:MAX_ROWS],
        "hosts": status.hosts[:MAX_ROWS],
        "slow": status.slow[:MAX_ROWS],
        "engine": engine(status),
        "halted": HALTED[status.halted],
        "made": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "made_at": round(time.time()),
        "refresh": REFRESH_SECONDS,
        "version": transphy3d.__version__,
    }


def parts(status: Status) -> list[Part]:
    """The plan by state, in the order of the bar."""
    counted = [
        ("published", status.published),
        ("running", len(status.running)),
        ("waiting", status.waiting),
        ("set aside", len(status.set_aside)),
    ]
    return [Part(name, count, count / status.planned) for name, count in counted]


def cards(status: Status) -> list[Card]:
    """The figures at the top."""
    frames = f"of {status.frames_planned:,}"
    return [
        Card("sequences published", f"{status.published:,}", f"of {status.planned:,}"),
        Card("frames", f"{status.frames:,}", frames),
        _left(status),
        _speed(status),
        _room(status),
    ]


def _left(status: Status) -> Card:
    if status.over:
        return Card("time left", "none")
    expected = status.forecast
    if expected is None:
        return Card("time left", "not known", status.unknown)
    interval = f"95 %: {duration(expected.low)} to {duration(expected.high)}"
    return Card("time left", duration(expected.seconds), interval)


def _speed(status: Status) -> Card:
    """Frames a second where somebody works, and what a worker makes in an hour."""
    if status.frames_per_hour is None:
        return Card("frames a second", "not known", "no sequence is finished yet")
    now = number(status.frames_per_second or 0.0) if status.running else "–"
    return Card("frames a second", now, f"{number(status.frames_per_hour)} a {status.worker}-hour")


def _room(status: Status) -> Card:
    needed = needed_room(status.disk)
    note = f"about {file_size(needed)} still to be written" if needed else "all is written"
    free = status.disk.free
    return Card("free on the disk", file_size(free), note, bad=needed > free)
