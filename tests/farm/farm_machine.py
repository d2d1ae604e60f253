"""The farm's core in simulated processes: every file operation is a point to stop or die at.

Simulated processes are threads of which one runs at a time. They meet the scheduler before each
file operation, which Python's audit events announce; there it may let another one go on, kill
the process, let time pass, or damage a file behind everyone's back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from transphy3d.errors import ImpossibleScene, Interrupted
from transphy3d.farm import agent as agents
from transphy3d.farm import lease as leases
from transphy3d.farm import unit as units
from transphy3d.farm.attempts import highest, numbers_in, read_dead, read_tries
from transphy3d.farm.blender_process import count_frames
from transphy3d.farm.lease import LONGEST_LOOK
from transphy3d.farm.published import is_published, reopen_damaged
from transphy3d.farm.rundir import RunDir
from transphy3d.files import write_bytes
from transphy3d.job import load_job

JOB = load_job("smoke", ["frames=2", "output.channels=[rgb]", "run.attempts=2"])
UNITS = 2
WORKERS = 3
MOST_TURNS = 400
MOST_STEPS = 40  # file operations of one process in a row
MOST_PROCESSES = 12
FAILING = 0.002  # of the operations find a disk that is full, or cannot be read
BAD = ("crash", "error", "timeout", "vanished", "lost", "skipped")
FILE_EVENTS = {
    *("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir"),
    *("os.scandir", "os.listdir", "shutil.rmtree"),
}

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
LOOKS = ("os.scandir", "os.listdir")
_machine: Machine | None = None


class Killed(BaseException):
    """The simulated process is dead: nothing that it does has an effect any more."""


def whole(index: int) -> bytes:
    """The content of a unit's sequence."""
    return b"sequence %06d " % index * 8


class Process(threading.Thread):
    """A simulated process; it runs while it holds `go`."""

    def __init__(self, machine: Machine, number: int) -> None:
        super().__init__(daemon=True)
        self.machine = machine
        self.number = number
        self.go = threading.Semaphore(0)
        self.steps = 0
        self.asleep = 0
        self.dead = False
        self.over = False
        self.watching = False

    def run(self) -> None:
        self.go.acquire()
        try:
            if not self.dead:
                self.machine.live(self)
        except Killed:
            pass
        except Exception as error:
            self.machine.take_in(self, error)
        self.over = True
        self.machine.back.release()

    def step(self, changes: bool) -> None:
        """Before a file operation: look at the invariants, and perhaps give way.

        changes : whether the operation may change what others see
        """
        if self.watching:
            return
        if self.dead:
            raise Killed
        self.look()
        self.steps -= 1
        if self.steps < 0:
            self.give_way()
        self.machine.changed = changes
        if self.machine.fails():
            number = errno.ENOSPC if changes else errno.EIO
            raise OSError(number, os.strerror(number))

    def give_way(self) -> None:
        """Let others go on, and wait for the next turn."""
        self.machine.back.release()
        self.go.acquire()
        if self.dead:
            raise Killed

    def look(self) -> None:
        self.watching = True
        if self.machine.changed:
            self.machine.look()
        self.watching = False


@dataclass
class Machine:
    """One schedule: who runs when, who dies where, and what must hold throughout.

    stormy : whether anything is still disturbed; changed : whether there is something new to see
    seen : files that appeared in `sequences`, by unit, as inodes; damaged, dead : units that were
        cut, or given up
    clock : what every process's monotonic clock says; wall : what their wall clocks are off by
    """

    root: Path
    random: np.random.Generator
    stormy: bool = True
    changed: bool = False
    clock: float = 0.0
    wall: float = 0.0
    back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    processes: list[Process] = field(default_factory=list)
    seen: dict[int, list[int]] = field(default_factory=dict)
    damaged: set[int] = field(default_factory=set)
    dead: set[int] = field(default_factory=set)
    claimed: set[tuple[Path, int]] = field(default_factory=set)
    numbers: dict[int, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def run(self) -> RunDir:
        return RunDir(self.root)

    def play(self) -> list[str]:
        """Run the schedule to its end; what was violated."""
        global _machine
        for folder in (self.run.sequences, self.run.units):
            folder.mkdir(parents=True)
        _machine = self
        try:
            for _ in range(WORKERS):
                self.spawn()
            self.schedule()
        finally:
            self.end()
            _machine = None
        self.look()
        self.look_at_the_end()
        return self.broken

    def spawn(self) -> None:
        process = Process(self, len(self.processes) + 1)
        self.processes.append(process)
        process.start()

    def schedule(self) -> None:
        """Let processes take turns until none is left; the last one starts undisturbed."""
        for _ in range(MOST_TURNS):
            running = [process for process in self.processes if not process.over]
            if self.broken or not (running or self.stormy):
                return
            if not running:
                self.stormy = False
                reopen_damaged(self.run)
                self.spawn()
                continue
            for process in running:
                process.asleep -= 1
            awake = [process for process in running if process.asleep <= 0] or running
            chosen = awake[int(self.random.integers(len(awake)))]
            self.disturb(chosen)
            self.turn(chosen, int(self.random.integers(MOST_STEPS)))
        self.broken.append("the processes come to no end")

    def turn(self, process: Process, steps: int) -> None:
        """Let one process go on for some file operations."""
        process.steps = steps
        process.go.release()
        self.back.acquire()
        self.look()
        self.look_at_numbers()

    def disturb(self, process: Process) -> None:
        """Time passes, clocks jump, a process dies or is stopped, a file is cut."""
        kind = self.random.random()
        if kind < 0.4:
            self.clock += LONGEST_LOOK * JOB.run.lease
        elif kind < 0.42:
            self.wall += float(self.random.normal(0, 1e6))
        elif self.stormy and kind < 0.44:
            self.cut(int(self.random.integers(UNITS)))
        elif self.stormy and kind < 0.46:
            reopen_damaged(self.run)  # somebody starts the run once more
        elif self.stormy and kind < 0.5:
            process.asleep = int(self.random.integers(100))
        elif self.stormy and kind < 0.6 and len(self.processes) < MOST_PROCESSES:
            process.dead = True
            self.spawn()

    def fails(self) -> bool:
        """Whether the disk fails at the operation at hand: full, or not to be read."""
        return self.stormy and self.random.random() < FAILING

    def take_in(self, process: Process, error: Exception) -> None:
        """An error ended a process; where the disk was to blame, another one is started."""
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO):
            self.spawn()
        else:
            self.broken.append(f"process {process.number} ended with {error!r}")

    def cut(self, index: int) -> None:
        """Damage a published sequence."""
        if is_published(self.run, index):
            self.damaged.add(index)
            with self.run.sequence(index).open("r+b") as stream:
                stream.truncate(5)

    def end(self) -> None:
        """Kill what still runs, so that no thread outlives the schedule."""
        for process in self.processes:
            process.dead = True
            while not process.over:
                process.go.release()
                self.back.acquire()
            process.join()

    def live(self, process: Process) -> None:
        """What a worker does: pick open units and work on them until none is left."""
        agent = agents._Agent(
            job=JOB,
            run=self.run,
            units=UNITS,
            position=process.number % UNITS,
            deadline=None,
            progress=None,
            observer=leases.Observer(JOB.run.lease, lambda: self.clock),
            packer=None,
            me=self.holder(process),
        )
        while open_units := agents._open_units(agent):
            pick = agents._pick(agent, open_units)
            if pick is None:
                process.give_way()
                continue
            agent.position = (pick.index + 1) % UNITS
            with contextlib.suppress(units.DiskFull, units.DeviceError, Interrupted):
                self.work(process, agent, pick)

    def work(self, process: Process, agent: agents._Agent, pick: agents.Pick) -> None:
        beats = contextlib.nullcontext()
        units.work(
            JOB,
            self.run,
            pick.index,
            lambda current: self.make(process, current),
            over=pick.over,
            me=agent.me,
            beat=lambda lease, seconds, stopped: beats,
        )

    def holder(self, process: Process) -> leases.Holder:
        host = f"host{process.number % 2}"
        return leases.Holder(host, process.number, host, "pid:1", process.number)

    def make(self, process: Process, current: units.Try) -> None:
        """The dummy renderer: frames with a heartbeat after each, then the sequence in pieces."""
        stage = self.run.stage(current.index)
        for frame in range(JOB.frames):
            file = stage / f"frames/rgb/{frame:04d}.png"
            if not file.exists():
                write_bytes(file, b"frame")
            self.fail_perhaps(current)
            try:
                current.lease.beat()
            except leases.LostClaim as error:
                current.lease.broken = error
            current.saw(count_frames(stage))
        data = whole(current.index)
        for piece in (data[:20], data[20:]):
            with current.file.open("ab") as stream:
                stream.write(piece)

    def fail_perhaps(self, current: units.Try) -> None:
        """What makers raise, now and then."""
        kind = self.random.random() if self.stormy else 1.0
        if kind < 0.01:
            raise units.TryFailed("crash", "killed by SIGSEGV", signal="SIGSEGV")
        if kind < 0.02:
            raise Interrupted("preempted")
        if kind < 0.023:
            raise ImpossibleScene("nothing fits")

    def look(self) -> None:
        """What must hold at every moment: whole files, and each only once."""
        for entry in os.scandir(self.run.sequences):
            if entry.name.startswith("."):
                continue
            index = int(entry.name[:6])
            inodes = self.seen.setdefault(index, [])
            if entry.inode() in inodes:
                continue
            inodes.append(entry.inode())
            if Path(entry.path).read_bytes() != whole(index):
                self.broken.append(f"a partial file is visible: {entry.name}")
            if len(inodes) > 1 and index not in self.damaged:
                self.broken.append(f"{entry.name} was published twice")
        for index in numbers_in(self.run.dead_folder) - self.dead:
            self.dead.add(index)
            self.look_at_death(index)

    def look_at_numbers(self) -> None:
        """Attempt numbers never go back."""
        for index in range(UNITS):
            number = highest(self.run.attempts(index))
            if number < self.numbers.get(index, 0):
                self.broken.append(f"unit {index} went back to attempt {number}")
            self.numbers[index] = number

    def look_at_the_end(self) -> None:
        """Every unit is published whole, or dead; no record is missing."""
        for index in range(UNITS):
            tries = read_tries(self.run.attempts(index))
            if [t.number for t in tries] != list(range(1, len(tries) + 1)):
                self.broken.append(f"unit {index} lacks records")
            if is_published(self.run, index):
                if self.run.sequence(index).read_bytes() != whole(index):
                    self.broken.append(f"unit {index} is published and damaged")
            elif not self.run.dead(index).exists():
                self.broken.append(f"unit {index} is lost")

    def look_at_death(self, index: int) -> None:
        """A unit that is given up has failed often enough, or once for good.

        Who was stopped for longer than a lease has vanished, for all that others can see, until it
        wakes and finds the unit lost, or nothing left to do.
        """
        tries = read_tries(self.run.attempts(index))
        final = any(t.outcome == "impossible" for t in tries)
        bad = [t for t in tries if t.outcome in BAD]
        if not (read_dead(self.run, index).reason and (final or len(bad) >= JOB.run.attempts)):
            self.broken.append(f"unit {index} is dead without a reason")


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if _machine is not None and event in FILE_EVENTS:
        thread = threading.current_thread()
        if isinstance(thread, Process):
            thread.step(event not in LOOKS and not _only_reads(event, arguments))


def _only_reads(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether a file is opened for nothing but reading; the third argument holds the flags."""
    return event == "open" and bool(arguments) and not int(arguments[2]) & WRITING


sys.addaudithook(_on_event)


@contextlib.contextmanager
def simulated(monkeypatch) -> Iterator[None]:
    """Let the core see simulated processes, clocks and disks."""

    def process_start(pid: int) -> int | None:
        return pid if _machine and not _machine.processes[pid - 1].over else None

    def number() -> int:
        thread = threading.current_thread()
        return thread.number if isinstance(thread, Process) else 0

    class Lease(leases.Lease):
        def __init__(self, folder, attempt):
            if (folder, attempt.number) in _machine.claimed:
                _machine.broken.append(f"two processes hold attempt {attempt.number}")
            _machine.claimed.add((folder, attempt.number))
            super().__init__(folder, attempt)

    def write(handle: int, data: bytes) -> int:
        if isinstance(threading.current_thread(), Process):
            half = really_write(handle, data[: len(data) // 2])
            _on_event("open", ())
            return half + really_write(handle, data[half:])
        return really_write(handle, data)

    really_write = os.write
    clocks = SimpleNamespace(
        time=lambda: time.time() + (_machine.wall if _machine else 0.0),
        monotonic=time.monotonic,
    )
    monkeypatch.setattr(os, "getpid", number)
    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(os, "fsync", lambda handle: _on_event("open", ()))
    monkeypatch.setattr(leases, "time", clocks)
    monkeypatch.setattr(leases, "Lease", Lease)
    monkeypatch.setattr(leases, "_process_start", process_start)
    yield


def play(folder: Path, seed: int) -> list[str]:
    """One schedule from its seed; what it violated."""
    root = folder / str(seed)
    machine = Machine(root, np.random.default_rng(seed))
    broken = machine.play()
    shutil.rmtree(root)
    return broken
