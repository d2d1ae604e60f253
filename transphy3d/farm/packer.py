"""Packing beside the rendering: a child process packs each shard once nothing more can come."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Collection

from transphy3d.config import Job
from transphy3d.farm.blender_process import die_with_parent
from transphy3d.farm.rundir import RunDir


class Packer:
    """Packs closed shards of a run of `units`, one process at a time."""

    def __init__(self, job: Job, run: RunDir, units: int) -> None:
        self._size = job.output.sequences_per_shard
        self._run = run
        self._units = units
        self._process: subprocess.Popen[bytes] | None = None

    def unit_ended(self, index: int, open_units: Collection[int]) -> None:
        """Pack the unit's shard if it is closed.

        open_units : units that are neither published nor set aside
        The last shards of all are left to whoever finishes the run.
        """
        start = index // self._size * self._size
        shard = range(start, min(start + self._size, self._units))
        busy = self._process is not None and self._process.poll() is None
        if not busy and open_units and set(shard).isdisjoint(open_units):
            self._process = self._start()

    def wait(self) -> None:
        """Wait for the process that packs, if one does."""
        if self._process is not None:
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "transphy3d", "pack", "--out", str(self._run.root)]
        self._run.agents.mkdir(exist_ok=True)
        with (self._run.agents / f"{socket.gethostname()}-pack.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--closed"],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )
