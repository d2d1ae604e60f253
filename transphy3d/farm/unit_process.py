"""One unit in a process of its own: started, asked to stop, and its end understood."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from transphy3d.errors import (
    DeviceError,
    DiskFull,
    JobError,
    RunError,
    TransPhy3DError,
)
from transphy3d.farm.attempts import highest, read_attempt
from transphy3d.farm.blender_process import die_with_parent
from transphy3d.farm.lease import record_path, this_process
from transphy3d.farm.rundir import RunDir
from transphy3d.files import write_text
from transphy3d.jsonio import to_json

EXIT_BUSY = 10
# Ends of a unit's process that concern every unit, not this one alone.
FATAL: dict[int, type[TransPhy3DError]] = {
    kind.exit_code: kind for kind in (JobError, DeviceError, DiskFull)
}


def start_unit(
    run: RunDir, index: int, over: int | None, environment: dict[str, str]
) -> subprocess.Popen[str]:
    """A process that makes one sequence; its words go to a file beside the unit's log."""
    command = [sys.executable, "-m", "transphy3d", "work", "--out", str(run.root)]
    command += ["--unit", str(index), "--progress", "json"]
    command += ["--over", str(over)] if over else []
    said = run.said(index)
    said.parent.mkdir(parents=True, exist_ok=True)
    with said.open("w") as stream:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=die_with_parent,
            env=os.environ | environment,
        )


def last_words(run: RunDir, index: int) -> str:
    """The last line that the unit's process said."""
    said = run.said(index).read_text(errors="replace").strip()
    return said.splitlines()[-1].removeprefix("error: ") if said else f"unit {index}: no message"


def note_vanished(run: RunDir, index: int, pid: int, code: int) -> bool:
    """Complete the record of a child that died without a word; whether it had one.

    Nobody else writes it: its one writer, our child, is gone.
    """
    folder, me = run.attempts(index), this_process()
    attempt = read_attempt(folder, highest(folder))
    if attempt.outcome != "running" or (attempt.host, attempt.pid) != (me.host, pid):
        return False
    name = signal.Signals(-code).name if code < 0 else None
    how = f"killed by {name}" if name else f"ended with exit code {code}"
    facts = {"exit_code": code, "signal": name, "message": f"the worker process was {how}"}
    ended = type(attempt)(**{**vars(attempt), "outcome": "vanished", **facts})
    write_text(record_path(folder, attempt.number), to_json(ended) + "\n")
    return True


def raise_if_fatal(run: RunDir, index: int, code: int) -> None:
    """Raise what concerns more than this unit."""
    if code in FATAL:
        raise FATAL[code](last_words(run, index))
    if code == RunError.exit_code and not run.dead(index).exists():
        raise RunError(last_words(run, index))
