"""Claims: who may do a piece of work, told by numbered files alone.

A claim on a folder is the exclusive creation of its record n + 1, where record n has ended or its
holder is judged gone. So two processes never hold the same number, and no record is ever taken
over: each has one writer. The number is a fencing token: who finds a higher one has lost the work.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transphy3d.config import RunConfig
from transphy3d.errors import Interrupted
from transphy3d.farm.attempts import Attempt, Outcome, highest, read_attempt
from transphy3d.files import create, is_full, overwrite, write_text
from transphy3d.jsonio import to_json

WAIT_SECONDS = 0.5
# Of the time between two looks, this share of the lease counts at most: an observer that was
# stopped itself has not watched.
LONGEST_LOOK = 0.25


class LostClaim(Exception):
    """Another process has claimed the work since; ours no longer matters."""


@dataclass(frozen=True)
class Holder:
    """A process, so that others on its host can tell whether it still runs."""

    host: str
    pid: int
    boot: str
    namespace: str
    process_start: int


def this_process() -> Holder:
    """The one that calls. Without /proc the kernel's ids are empty and nobody judges by them."""
    pid, boot, namespace = os.getpid(), "", ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return Holder(socket.gethostname(), pid, boot, namespace, _process_start(pid) or 0)


def _process_start(pid: int) -> int | None:
    """Clock ticks since boot at which a process started, None if it is gone or a zombie.

    Fields 3 (state) and 22 (starttime) of /proc/PID/stat, as proc(5) counts them.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_gone(attempt: Attempt, me: Holder) -> bool:
    """Whether the holder certainly runs no more, which only its own host can tell."""
    place = (attempt.host, attempt.boot, attempt.namespace)
    if not me.boot or place != (me.host, me.boot, me.namespace):
        return False
    return _process_start(attempt.pid) != attempt.process_start


class Observer:
    """How long things have stood still while this process watched them.

    Only its own monotonic clock counts, so that no host's clock can be wrong.
    lease : seconds of standing still that the caller takes for an end
    """

    def __init__(self, lease: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.lease = lease
        self._clock = clock
        self._seen: dict[Hashable, tuple[object, float, float]] = {}

    def still(self, key: Hashable, state: object) -> float:
        """Seconds watched since `key` was first seen in this state."""
        now = self._clock()
        known, last, total = self._seen.get(key, (None, now, 0.0))
        if key in self._seen and known == state:
            total += min(now - last, LONGEST_LOOK * self.lease)
        else:
            total = 0.0
        self._seen[key] = (state, now, total)
        return total

    def forget(self, key: Hashable) -> None:
        """Watch it no more."""
        self._seen.pop(key, None)

    def is_stale(self, folder: Path, attempt: Attempt) -> bool:
        """Whether a running claim's heart has stood still for the length of a lease."""
        return self.still(folder, (attempt.number, attempt.beat)) >= self.lease


class Lease:
    """A claim that this process holds, for as long as nobody makes a higher one."""

    def __init__(self, folder: Path, attempt: Attempt) -> None:
        self.folder = folder
        self.attempt = attempt
        self.broken: Exception | None = None
        self._began = time.monotonic()
        self._lock = threading.Lock()

    @property
    def number(self) -> int:
        """The fencing token."""
        return self.attempt.number

    @property
    def seconds(self) -> float:
        """Since the claim."""
        return time.monotonic() - self._began

    def is_held(self) -> bool:
        """Whether no higher claim exists."""
        return highest(self.folder) == self.number

    def check(self) -> None:
        """Raise LostClaim unless the claim is held."""
        if not self.is_held():
            raise LostClaim(f"{self.folder}: taken over by another process")

    def raise_if_broken(self) -> None:
        """Raise what the last heartbeat found, without a look at any file."""
        if self.broken is not None:
            raise self.broken

    def saw(self, **progress: Any) -> None:
        """Note fields of the record; the next beat writes them."""
        with self._lock:
            self.attempt = replace(self.attempt, **progress)

    def beat(self) -> None:
        """Show a sign of life. Raises LostClaim when the claim is lost."""
        self.check()
        with self._lock:
            if self.attempt.outcome == "running":
                beat = self.attempt.beat + 1
                self.attempt = replace(self.attempt, beat=beat, seconds=self.seconds)
                self._write()

    def end(self, outcome: Outcome, **facts: Any) -> Attempt:
        """Record how it ended, which frees the work for others; the first end counts."""
        with self._lock:
            if self.attempt.outcome == "running":
                ended = replace(self.attempt, outcome=outcome, seconds=self.seconds, **facts)
                self.attempt = ended
                self._write()
            return self.attempt

    def _write(self) -> None:
        path = record_path(self.folder, self.number)
        try:
            write_text(path, to_json(self.attempt) + "\n")
        except OSError as error:
            if not is_full(error):
                raise
            overwrite(path, to_json(replace(self.attempt, log_tail="")).encode())


def record_path(folder: Path, number: int) -> Path:
    """Where record `number` of a folder lies."""
    return folder / f"{number:04d}.json"


def take(
    folder: Path,
    observer: Observer,
    *,
    me: Holder | None = None,
    over: int | None = None,
    pictures: int = 0,
) -> Lease | None:
    """Claim the work that `folder` stands for; None while another process holds it.

    over : a running claim that the caller has judged by watching, and may be superseded
    pictures : finished ones at this moment, for the record
    """
    me, number = me or this_process(), highest(folder)
    if number and number != over:
        last = read_attempt(folder, number)
        held = last.outcome == "running" and not is_gone(last, me)
        if held and not observer.is_stale(folder, last):
            return None
    attempt = Attempt(
        number=number + 1,
        outcome="running",
        device=os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        started=time.time(),
        pictures_before=pictures,
        pictures=pictures,
        **asdict(me),
    )
    folder.mkdir(parents=True, exist_ok=True)
    made = create(record_path(folder, attempt.number), (to_json(attempt) + "\n").encode())
    return Lease(folder, attempt) if made else None


@contextlib.contextmanager
def beating(lease: Lease, seconds: float, stopped: Callable[[], bool]) -> Iterator[None]:
    """Beat from a thread while the block runs.

    stopped : asked at every beat; once it is true, `raise_if_broken` raises Interrupted
    """
    over = threading.Event()
    thread = threading.Thread(target=_beat_on, args=(lease, seconds, stopped, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _beat_on(
    lease: Lease, seconds: float, stopped: Callable[[], bool], over: threading.Event
) -> None:
    while not over.wait(seconds):
        try:
            lease.beat()
            if stopped():
                raise Interrupted("the run was cancelled; resume it to go on")
        except (LostClaim, Interrupted) as error:
            lease.broken = error
            return
        except OSError:  # a hiccup of the file system: the lease outlasts several beats
            continue


@contextlib.contextmanager
def alone(folder: Path, config: RunConfig) -> Iterator[Lease]:
    """Do something that one process at a time may do, after waiting for whoever does it now."""
    observer = Observer(config.lease)
    while (lease := take(folder, observer)) is None:
        time.sleep(WAIT_SECONDS)
    with beating(lease, config.heartbeat, lambda: False):
        try:
            yield lease
        except BaseException as error:
            lease.end("error", message=str(error) or type(error).__name__)
            raise
        lease.end("done")
