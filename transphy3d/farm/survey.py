"""What the files of a run say at one moment: finished units, given up ones, tries at the others."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from transphy3d.farm.attempts import (
    Attempt,
    Dead,
    Done,
    highest,
    numbers_in,
    read_attempts,
    read_dead,
)
from transphy3d.farm.lease import is_gone, record_path, this_process
from transphy3d.farm.published import read_done
from transphy3d.farm.rundir import RunDir


@dataclass(frozen=True)
class Survey:
    """Every unit that was begun, by number.

    done : published and whole; dead : set aside
    tries : tries at the others, oldest first; at the dead ones too
    running : units whose last try shows signs of life
    silent : units whose last try ended without a word, as far as can be seen from here
    """

    done: dict[int, Done]
    dead: dict[int, Dead]
    tries: dict[int, list[Attempt]]
    running: tuple[int, ...]
    silent: tuple[int, ...]


class Surveyor:
    """Looks at a run again and again, and reads only what is new.

    lease : seconds without a heartbeat after which a try counts as silent. Ages are those of
        files by this machine's clock: good enough to show, and nothing else hangs on them.
    """

    def __init__(self, run: RunDir, lease: float) -> None:
        self._run = run
        self._lease = lease
        self._done: dict[int, Done] = {}

    def look(self) -> Survey:
        """The state of the run now."""
        run = self._run
        done = self._published()
        dead = {index: item for index, item in dead_units(run).items() if index not in done}
        begun = sorted(units_in(run.units) - done.keys())
        tries = {index: found for index in begun if (found := read_attempts(run, index))}
        claimed = [
            index
            for index, found in tries.items()
            if index not in dead and found[-1].outcome == "running"
        ]
        running = tuple(index for index in claimed if self._lives(index, tries[index][-1]))
        silent = tuple(index for index in claimed if index not in set(running))
        return Survey(done, dead, tries, running, silent)

    def _published(self) -> dict[int, Done]:
        """Records of the sequences that are there in their recorded size."""
        sizes = sizes_in(self._run.sequences)
        for index in numbers_in(self._run.done_folder):
            if index not in self._done or sizes.get(index) != self._done[index].bytes:
                self._read(index)
        return {i: done for i, done in self._done.items() if sizes.get(i) == done.bytes}

    def _read(self, index: int) -> None:
        done = read_done(self._run, index)
        if done is not None:
            self._done[index] = done

    def _lives(self, index: int, attempt: Attempt) -> bool:
        """Whether the holder of a running try beats still."""
        if is_gone(attempt, this_process()):
            return False
        folder = self._run.attempts(index)
        with contextlib.suppress(FileNotFoundError):
            beaten = record_path(folder, highest(folder)).stat().st_mtime
            return time.time() - beaten < self._lease
        return False


def dead_units(run: RunDir) -> dict[int, Dead]:
    """Why units are set aside, by unit; one that is opened again at this moment is none."""
    found: dict[int, Dead] = {}
    for index in sorted(numbers_in(run.dead_folder)):
        with contextlib.suppress(FileNotFoundError):
            found[index] = read_dead(run, index)
    return found


def units_in(folder: Path) -> set[int]:
    """Units that have a folder of their own."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        return {int(entry.name) for entry in entries if entry.name.isdecimal()}
    return set()


def sizes_in(folder: Path) -> dict[int, int]:
    """Bytes of the published files by unit, by one pass over the folder."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        return {
            int(entry.name[:-3]): entry.stat().st_size
            for entry in entries
            if entry.name.endswith(".h5") and entry.name[:-3].isdecimal()
        }
    return {}
