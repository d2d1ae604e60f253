"""Blender in a process of its own: started, watched, stopped, and its end explained."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transphy3d.blender.report import CHATTER_NAME
from transphy3d.errors import Interrupted
from transphy3d.scenes.stage import PHASES, Phase

POLL_SECONDS = 0.2
# From asking Blender to end until it is killed. An engine that knows how much notice an agent is
# given says so in the variable, for an agent that is stopped.
STOP_SECONDS = 20.0
STOP_VARIABLE = "TRANSPHY3D_STOP_SECONDS"
RECORD_SECONDS = 30  # of a notice, to write down how a try ended
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loading it after a fork may hang


@dataclass(frozen=True)
class BlenderEnd:
    """How a Blender process ended.

    code : exit code, negative for a signal; timed_out : stopped because no frame came
    """

    code: int
    timed_out: bool
    phase: str
    error: dict[str, Any] | None

    @property
    def signal(self) -> str | None:
        """Name of the signal that killed it, as SIGSEGV."""
        return signal.Signals(-self.code).name if self.code < 0 else None


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies, so that no orphan renders on."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def stop_environment(notice: int) -> dict[str, str]:
    """The variable that gives a frame at hand what `notice` seconds leave room for."""
    return {STOP_VARIABLE: f"{max(notice - RECORD_SECONDS, STOP_SECONDS):.0f}"}


def count_frames(stage: Path) -> dict[Phase, int]:
    """Finished frames on disk, by phase."""
    return {phase: _count(stage / "frames" / phase) for phase in PHASES}


def _count(folder: Path) -> int:
    """Visible entries of a folder, which may vanish while one looks."""
    try:
        return sum(not entry.name.startswith(".") for entry in os.scandir(folder))
    except FileNotFoundError:
        return 0


def whole_frames(stage: Path, phases: Collection[Phase]) -> int:
    """Frames on disk that every one of these phases has rendered."""
    counts = count_frames(stage)
    return min(counts[phase] for phase in phases)


def run_blender(
    stage: Path, log: Path, timeout: float, watch: Callable[[dict[Phase, int]], None]
) -> BlenderEnd:
    """Render a stage folder to its end.

    timeout : seconds without a new frame after which the process is stopped
    watch : called with the finished frames by phase, several times a second; what it raises
        stops Blender after the frame at hand, or without it where that takes too long
    Everything that Blender prints is appended to `log`.
    """
    (stage / "error.json").unlink(missing_ok=True)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "transphy3d.blender.worker", str(stage)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        try:
            timed_out = _watch(process, stage, timeout, watch)
        except Interrupted:
            _stop(process, float(os.environ.get(STOP_VARIABLE, STOP_SECONDS)))
            raise
        except BaseException:
            _stop(process, STOP_SECONDS)
            raise
    _keep_last_words(stage / CHATTER_NAME, log)
    error = _read_error(stage)
    phase = error["phase"] if error else _phase(stage)
    return BlenderEnd(process.returncode, timed_out, phase, error)


def _keep_last_words(chatter: Path, log: Path) -> None:
    """Append what a crashed Blender had printed and not yet passed on."""
    if chatter.exists():
        with log.open("ab") as stream:
            stream.write(chatter.read_bytes())
        chatter.unlink()


def _watch(
    process: subprocess.Popen[bytes],
    stage: Path,
    timeout: float,
    watch: Callable[[dict[Phase, int]], None],
) -> bool:
    """Wait for the end; returns whether the process had to be stopped for silence."""
    seen: dict[Phase, int] = {}
    last = time.monotonic()
    while process.poll() is None:
        time.sleep(POLL_SECONDS)
        counts = count_frames(stage)
        if counts != seen:
            seen, last = counts, time.monotonic()
        watch(counts)
        if time.monotonic() - last > timeout:
            _stop(process, STOP_SECONDS)
            return True
    watch(count_frames(stage))
    return False


def _stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask for an end after the current frame, and insist after so many seconds."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _phase(stage: Path) -> str:
    """The phase that was being rendered: the last one with frames, "start" before any."""
    counts = count_frames(stage)
    started = [phase for phase in PHASES if counts[phase]]
    return started[-1] if started else "start"


def _read_error(stage: Path) -> dict[str, Any] | None:
    try:
        error: dict[str, Any] = json.loads((stage / "error.json").read_text())
        return error
    except (OSError, ValueError):
        return None
