"""The state of a run on one screen of a terminal."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Mapping

from rich.console import Console, Group
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from transphy3d.farm.status import Disk, Status
from transphy3d.farm.status_hosts import (
    HostState,
    SlowUnit,
    failing_hosts,
    slow_hosts,
)
from transphy3d.wording import duration, file_size, number, plural

PLAIN_WIDTH = 100
SHOWN = 5  # of hosts and units, so that a run of any size fits on a screen
HALTED = {
    "": "",
    "draining": "draining: agents begin no unit; `transphy3d resume` takes it back",
    "cancelled": "cancelled: agents stop after the frame at hand; `transphy3d resume` goes on",
}


def describe(status: Status) -> str:
    """Lines for a log: the screen without colours."""
    stream = io.StringIO()
    Console(file=stream, width=PLAIN_WIDTH, color_system=None).print(screen(status))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def screen(status: Status) -> Group:
    """Everything about a run, as rich prints it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows(status):
        table.add_row(label, Text.from_markup(text))
    return Group(_bar(status), table)


def _bar(status: Status) -> Table:
    head = Table.grid(padding=(0, 2), expand=False)
    percent = 100 * status.frames / status.frames_planned
    bar = ProgressBar(total=status.frames_planned, completed=status.frames, width=40)
    head.add_row(Text(status.job, style="bold"), bar, f"{percent:.1f} %", Text(status.root))
    return head


def rows(status: Status) -> list[tuple[str, str]]:
    """Labels and values with rich's markup; rows with nothing to tell are left out."""
    found = [
        ("sequences", sequences(status)),
        ("frames", f"{status.frames:,} of {status.frames_planned:,}"),
        ("speed", speed(status)),
        ("time left", time_left(status)),
        ("failed tries", counts(status.failed_tries)),
        ("set aside", _red(set_aside(status))),
        ("no sign", _red(_listing(status.silent))),
        ("slow units", "\n".join(slow_unit(unit) for unit in status.slow[:SHOWN])),
        ("slow hosts", "\n".join(slow_host(host) for host in slow_hosts(status.hosts)[:SHOWN])),
        ("failing hosts", _red("\n".join(map(failing_host, failing_hosts(status.hosts)[:SHOWN])))),
        ("disk", disk(status.disk)),
        ("engine", engine(status)),
        ("halted", _red(HALTED[status.halted])),
    ]
    return [(label, text) for label, text in found if text]


def _red(text: str) -> str:
    return f"[red]{text}[/red]" if text else ""


def sequences(status: Status) -> str:
    """Units by state."""
    parts = [f"{status.published:,} of {status.planned:,} published"]
    parts += [f"{len(status.running):,} running", f"{status.waiting:,} waiting"]
    parts += [f"{len(status.set_aside):,} set aside"]
    return ", ".join(parts)


def speed(status: Status) -> str:
    """Frames a second now, and for each worker's hour."""
    if status.frames_per_hour is None:
        return "not known before the first sequence is finished"
    each = f"{number(status.frames_per_hour)} frames a {status.worker}-hour"
    if not status.running:
        return each
    return f"{number(status.frames_per_second or 0.0)} frames a second now, {each}"


def time_left(status: Status) -> str:
    """The forecast with its interval, or why there is none."""
    if status.over:
        return ""
    expected = status.forecast
    if expected is None:
        return f"not known yet: {status.unknown}"
    return (
        f"{duration(expected.seconds)} (95 %: {duration(expected.low)} to "
        f"{duration(expected.high)}) with {plural(expected.workers, 'worker')}"
    )


def counts(values: Mapping[str, int]) -> str:
    """How often what, most frequent first."""
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered)


def set_aside(status: Status) -> str:
    """Units that were given up, and by what."""
    if not status.set_aside:
        return ""
    why = counts(status.set_aside_by)
    return f"{_listing(status.set_aside)} ({why}); see `transphy3d dead-letters`"


def _listing(units: Iterable[int]) -> str:
    """The first few units by name."""
    names = [f"{unit:06d}" for unit in units]
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def slow_unit(unit: SlowUnit) -> str:
    """One straggler."""
    return (
        f"{unit.unit:06d} on {escape(unit.host)}: {duration(unit.seconds)}, {unit.times:.1f} times "
        f"the usual, {plural(unit.frames, 'frame')}"
    )


def slow_host(host: HostState) -> str:
    """One host that takes long."""
    return f"{escape(host.host)}: {number(host.seconds_per_frame or 0.0)} s a frame"


def _count_tries(failed: int) -> str:
    """A count of failed tries."""
    return "1 failed try" if failed == 1 else f"{failed:,} failed tries"


def failing_host(host: HostState) -> str:
    """One host on which units fail."""
    parts = [f"{plural(host.in_a_row, 'unit')} failed in a row"] if host.in_a_row else []
    parts += [f"{_count_tries(host.failed)} at open units"] if host.failed else []
    parts += ["avoided until `transphy3d resume`"] if host.avoided else []
    parts += [escape(host.message)] if host.message else []
    return f"{escape(host.host)}: {'; '.join(parts)}"


def disk(values: Disk) -> str:
    """Room used, needed and left; red where it will not do."""
    parts = [f"{file_size(values.sequences)} of sequences, {file_size(values.shards)} of shards"]
    needed = needed_room(values)
    parts += [f"about {file_size(needed)} to come"] if needed else []
    free = f"{file_size(values.free)} free"
    parts += [f"[red]{free}: too little[/red]" if needed > values.free else free]
    return ", ".join(parts)


def needed_room(values: Disk) -> int:
    """Bytes that will still be written: sequences to come, and all of them once more in shards."""
    if values.shards and not values.to_come:
        return 0
    return values.to_come + max(values.sequences + values.to_come - values.shards, 0)


def engine(status: Status) -> str:
    """What started the agents, with its ids."""
    facts = dict(status.engine)
    name, started = facts.pop("engine", ""), facts.pop("started", None)
    if started:
        facts["started"] = time.strftime("%Y-%m-%d %H:%M", time.localtime(started))
    words = {key: " ".join(map(str, v)) if isinstance(v, list) else v for key, v in facts.items()}
    details = ", ".join(f"{key} {value}" for key, value in words.items() if value)
    return escape(f"{name}: {details}" if details else name)
