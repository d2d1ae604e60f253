"""The status of a run again and again: on a terminal, in a log, on a page."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live

from transphy3d.errors import Interrupted
from transphy3d.farm.status import Status, Watcher
from transphy3d.farm.status_page import write_page
from transphy3d.farm.status_text import describe, screen

Show = Callable[[Status], None]


def show_once(root: Path, *, as_json: bool, with_page: bool) -> Status:
    """Print the status; on a terminal in colours."""
    status = Watcher(root).read()
    console = Console()
    if as_json:
        print(json.dumps(status.to_data()))
    elif console.is_terminal:
        console.print(screen(status))
    else:
        print(describe(status))
    if with_page:
        print(write_page(status))
    return status


def watch(root: Path, seconds: float, *, as_json: bool, with_page: bool) -> Status:
    """Show the status every so many seconds until nothing is left to do; returns the last one.

    On a terminal the screen is drawn anew; elsewhere come blocks of lines, or JSON lines.
    """
    watcher, console = Watcher(root), Console()
    if as_json:
        return _repeat(
            watcher, seconds, with_page, lambda status: _say(json.dumps(status.to_data()))
        )
    if not console.is_terminal:
        return _repeat(watcher, seconds, with_page, lambda s: _say(describe(s) + "\n"))
    with Live(console=console, auto_refresh=False) as live:
        return _repeat(watcher, seconds, with_page, lambda s: live.update(screen(s), refresh=True))


def _say(text: str) -> None:
    print(text, flush=True)


def _repeat(watcher: Watcher, seconds: float, with_page: bool, show: Show) -> Status:
    """Look and tell until the run is over, or until a signal ends the watching alone."""
    status = watcher.read()
    with contextlib.suppress(Interrupted):
        while not _tell(status, with_page, show):
            time.sleep(seconds)
            status = watcher.read()
    return status


def _tell(status: Status, with_page: bool, show: Show) -> bool:
    """Show one state; whether it is the last."""
    show(status)
    if with_page:
        write_page(status)
    return status.over
