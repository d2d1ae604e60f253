"""The local engine: agents on this machine, one for each GPU or share of the cores."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transphy3d.config import Job
from transphy3d.cores import core_share
from transphy3d.doctor import DEVICE_PROBE, answer, probe
from transphy3d.errors import DeviceError, Interrupted, RunError
from transphy3d.farm.attempts import numbers_in
from transphy3d.farm.blender_process import die_with_parent, whole_frames
from transphy3d.farm.devices import VISIBLE, gpus_for
from transphy3d.farm.engines import Facts
from transphy3d.farm.hosts import forgive
from transphy3d.farm.lease import this_process
from transphy3d.farm.rundir import RunDir, read_plan
from transphy3d.farm.unit_process import FATAL
from transphy3d.progress import Progress
from transphy3d.scenes.stage import phases_for

POLL_SECONDS = 0.5
RESTARTS = 5  # of one agent; more deaths have a cause that another start does not mend
STOP_SECONDS = 90.0
ENDS = {**FATAL, RunError.exit_code: RunError}


def create(profile: Path | None, workers: int | None) -> LocalEngine:
    """The engine; it has no profile. Raises RunError where one is given."""
    if profile is not None:
        raise RunError(f"{profile}: the local engine takes no profile; leave --profile out")
    return LocalEngine(workers)


@dataclass(frozen=True)
class LocalEngine:
    """workers : agents at a time; None takes the job's, and that one for each GPU."""

    workers: int | None = None
    name: str = "local"
    foreground: bool = True

    def check(self, job: Job, root: Path) -> None:
        """Raise DeviceError when the job demands a GPU and Cycles sees none here."""
        if job.render.device != "gpu" or gpus_for(job.render.device):
            return
        seen = probe(DEVICE_PROBE)
        if seen.code == 0 and not any(device["type"] != "CPU" for device in answer(seen)):
            raise DeviceError(
                "render.device is 'gpu', but Cycles sees none on this machine; run `transphy3d "
                "doctor`, or set render.device to 'auto' or 'cpu'"
            )

    def describe(self, job: Job, root: Path) -> str:
        lines = [f"{' '.join(map(str, _command(root, s)))}  # {s}" for s in self.slots(job)]
        return "\n".join(lines)

    def slots(self, job: Job) -> list[Slot]:
        """Where agents run: a GPU or none, and a share of the cores."""
        gpus = gpus_for(job.render.device)
        count = min(self.workers or job.run.workers or len(gpus) or 1, job.sequences)
        return [Slot(k, count, gpus[k % len(gpus)] if gpus else None) for k in range(count)]

    def start(self, job: Job, root: Path, progress: Progress) -> Facts:
        """Run agents until nothing is left for them; a dead one is started again.

        Raises what concerns the whole run: JobError, DeviceError, DiskFull, RunError, Interrupted.
        Agents are then stopped after their current frame, and what they rendered is kept.
        """
        forgive(RunDir(root), socket.gethostname())
        state = _make_state(job, root, self.slots(job), progress)
        try:
            while any(agent.process is not None for agent in state.agents):
                time.sleep(POLL_SECONDS)
                _look(state)
        finally:
            _stop(state)
        _tell_frames(state)
        return {"agents": len(state.agents), "host": this_process().host}

    def is_over(self, facts: Facts) -> bool:
        """Always: `start` has returned."""
        return True

    def cancel(self, facts: Facts) -> None:
        """Nothing more: local agents look for the run's cancel file every half second."""


@dataclass(frozen=True)
class Slot:
    """Agent `number` of `count`, and the GPU that it renders on, if any."""

    number: int
    count: int
    gpu: str | None

    def __str__(self) -> str:
        return f"GPU {self.gpu}" if self.gpu else f"core share {self.number + 1} of {self.count}"


@dataclass
class _Agent:
    """A slot, its process while it runs, and how far its words were read."""

    slot: Slot
    log: Path
    process: subprocess.Popen[bytes] | None
    read: int
    deaths: int = 0


@dataclass
class _State:
    """One call of the engine; `frames` are finished ones of open units by number."""

    job: Job
    run: RunDir
    units: int
    progress: Progress
    agents: list[_Agent]
    frames: dict[int, int] = field(default_factory=dict)


def _make_state(job: Job, root: Path, slots: list[Slot], progress: Progress) -> _State:
    run, units = RunDir(root), read_plan(root).units
    run.agents.mkdir(exist_ok=True)
    agents = []
    for slot in slots:
        log = run.agents / f"{socket.gethostname()}-{slot.number}.jsonl"
        read = log.stat().st_size if log.exists() else 0
        agents.append(_Agent(slot, log, _launch(root, slot, log), read))
    state = _State(job, run, units, progress, agents)
    begun = [int(path.name) for path in run.units.glob("[0-9]*")]
    state.frames = {index: _frames_of(state, index) for index in begun}
    return state


def _command(root: Path, slot: Slot) -> list[str]:
    share = f"{slot.number}/{slot.count}"
    command = [sys.executable, "-m", "transphy3d", "work", "--out", str(root)]
    return [*command, "--share", share, "--progress", "json"]


def _launch(root: Path, slot: Slot, log: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | ({VISIBLE: slot.gpu} if slot.gpu else {})
    with log.open("ab") as stream:
        return subprocess.Popen(
            _command(root, slot),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_confine(slot),
            env=environment,
        )


def _confine(slot: Slot) -> Callable[[], None]:
    """What an agent does first: die with us, and keep to its cores where the system can do that."""
    cores = core_share(slot.number, slot.count) if hasattr(os, "sched_setaffinity") else set()

    def prepare() -> None:
        die_with_parent()
        if cores:
            os.sched_setaffinity(0, cores)

    return prepare


def _look(state: _State) -> None:
    """Take in what agents say and which have ended."""
    for agent in state.agents:
        _tell(state, agent)
        if agent.process is not None and agent.process.poll() is not None:
            code, agent.process = agent.process.returncode, None
            _tell(state, agent)
            if code != 0:
                _replace(state, agent, code)
    _tell_frames(state)


def _replace(state: _State, agent: _Agent, code: int) -> None:
    """Start a dead agent again; raise what its end means for the whole run."""
    if code == Interrupted.exit_code:
        raise Interrupted("an agent was stopped from outside; run the same command to go on")
    if code in ENDS:
        raise ENDS[code](_last_words(agent.log))
    agent.deaths += 1
    if agent.deaths > RESTARTS:
        raise RunError(f"{agent.log}: agents die one after another, with exit code {code} at last")
    state.progress.event("agent died, started again", agent=agent.slot.number, exit_code=code)
    agent.process = _launch(state.run.root, agent.slot, agent.log)


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else f"{log}: no message"


def _tell(state: _State, agent: _Agent) -> None:
    """Pass on what an agent has said since the last look."""
    with agent.log.open("rb") as stream:
        stream.seek(agent.read)
        lines = stream.readlines()
    for line in lines:
        if not line.endswith(b"\n"):
            break
        agent.read += len(line)
        with contextlib.suppress(ValueError, TypeError, KeyError):
            _pass_on(state, json.loads(line))


def _pass_on(state: _State, said: dict[str, Any]) -> None:
    kind = said.pop("event")
    if "sequence" in said:
        state.frames[said["sequence"]] = 0
    state.progress.event(kind, **said)


def _tell_frames(state: _State) -> None:
    """Count finished frames: of published units by their records, of others on the disk."""
    published = numbers_in(state.run.done_folder)
    state.frames = {i: _frames_of(state, i) for i in state.frames.keys() - published}
    done = len(published) * state.job.frames + sum(state.frames.values())
    state.progress.frames(done, state.units * state.job.frames)


def _frames_of(state: _State, index: int) -> int:
    return whole_frames(state.run.stage(index), phases_for(state.job.output.channels))


def _stop(state: _State) -> None:
    """Ask agents that still run to stop after their current frame, then insist."""
    running = [agent.process for agent in state.agents if agent.process is not None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
