"""Telling people and scripts how far a run is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any, Literal, Protocol, TextIO

from tqdm import tqdm

Style = Literal["auto", "bar", "plain", "json"]


class Progress(Protocol):
    """What a stage tells about itself."""

    def event(self, kind: str, **facts: Any) -> None:
        """Something happened: `kind` is a stable word, `facts` are JSON values."""

    def frames(self, done: int, total: int) -> None:
        """So many frames, or whatever the reporter's unit is, of the whole run are done."""

    def close(self) -> None:
        """Nothing more will be told."""


class BarProgress:
    """A bar that redraws itself, with the events above it."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        self._stream = stream
        self._unit = unit
        self._bar: tqdm[Any] | None = None

    def event(self, kind: str, **facts: Any) -> None:
        tqdm.write(describe(kind, facts), file=self._stream)

    def frames(self, done: int, total: int) -> None:
        if self._bar is None:
            # The first count holds what earlier runs left, which says nothing about speed.
            self._bar = tqdm(total=total, initial=done, unit=self._unit, file=self._stream)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class LineProgress:
    """One line an event, and one for every tenth of the frames."""

    def __init__(self, stream: TextIO, as_json: bool, unit: str) -> None:
        self._stream = stream
        self._unit = unit
        self._as_json = as_json
        self._tenth = -1

    def event(self, kind: str, **facts: Any) -> None:
        line = json.dumps({"event": kind, **facts}) if self._as_json else describe(kind, facts)
        print(line, file=self._stream, flush=True)

    def frames(self, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > self._tenth:
            self._tenth = tenth
            self.event(f"{self._unit}s", done=done, total=total)

    def close(self) -> None:
        pass


def describe(kind: str, facts: dict[str, Any]) -> str:
    """One readable line for an event."""
    values = (f"{value:.1f}" if isinstance(value, float) else value for value in facts.values())
    details = ", ".join(f"{key} {value}" for key, value in zip(facts, values, strict=True))
    return f"{kind}: {details}" if details else kind


def make_progress(style: Style, stream: TextIO = sys.stderr, unit: str = "frame") -> Progress:
    """The reporter for a style; `auto` takes a bar on a terminal and plain lines elsewhere.

    unit : what is counted, in the singular
    """
    if style == "bar" or (style == "auto" and stream.isatty()):
        return BarProgress(stream, unit)
    return LineProgress(stream, as_json=style == "json", unit=unit)


@contextlib.contextmanager
def reporting(style: Style, unit: str = "frame") -> Iterator[Progress]:
    """The same, on the standard error stream, closed at the end whatever happens."""
    reporter = make_progress(style, unit=unit)
    try:
        yield reporter
    finally:
        reporter.close()
