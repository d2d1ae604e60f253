"""What the Ray engine runs on the machines of a cluster."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from transphy3d.cores import GRANT_VARIABLE
from transphy3d.errors import DeviceError
from transphy3d.farm.attempts import highest, last_message, read_attempt
from transphy3d.farm.control import is_draining
from transphy3d.farm.hosts import check_host, note_failure, note_success
from transphy3d.farm.lease import this_process
from transphy3d.farm.rundir import RunDir, read_job
from transphy3d.farm.unit_process import last_words, note_vanished, start_unit
from transphy3d.farm.warmup import cache_environment, warm_up
from transphy3d.progress import make_progress

POLL_SECONDS = 0.2
# A network file system may show a new file to other hosts some seconds late.
TOKEN_SECONDS = 10.0


@dataclass(frozen=True)
class Order:
    """What a task is told.

    root : the run directory; token : what the run's token file must hold
    over : number of a try to supersede; cores : that the unit's process may render with
    """

    root: str
    token: str
    index: int
    over: int | None
    cores: int
    environment: dict[str, str]


@dataclass(frozen=True)
class End:
    """How a task ended.

    kind : ran; stopped, because the run is drained; unfit, because this machine is, as `words` say
    node : Ray's id of the machine; code : exit code of the unit's process
    """

    kind: Literal["ran", "stopped", "unfit"]
    host: str
    node: str
    words: str = ""
    code: int = 0


def make_unit(order: Order) -> End:
    """Make one sequence in a process of its own, unless the run or this machine speaks against it.

    When Ray wants the task to end, the process is told, and has finished the frame at hand when
    this returns.
    """
    import ray

    run, node = RunDir(Path(order.root)), ray.get_runtime_context().get_node_id()
    end = partial(End, host=this_process().host, node=node)
    if unfit := _unfit(run, order):
        return end("unfit", words=unfit)
    if is_draining(run):
        return end("stopped")
    os.environ.update({**order.environment, GRANT_VARIABLE: str(order.cores)})
    caches = cache_environment()
    warm_up(read_job(run.root), run.root, caches, make_progress("plain", sys.stdout))
    code = _run(run, order, caches)
    return end("ran", words=last_words(run, order.index), code=code)


def _unfit(run: RunDir, order: Order) -> str | None:
    """What speaks against this machine."""
    host = this_process().host
    if not _is_shared(run, order.token):
        return f"{host}: {run.root} is not the run directory that the driver sees; mount it there"
    try:
        check_host(run, host)
    except DeviceError as error:
        return str(error)
    return None


def _is_shared(run: RunDir, token: str) -> bool:
    """Whether this machine sees the directory that the driver wrote its token to."""
    end = time.monotonic() + TOKEN_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            return run.token_file.read_text() == token
        time.sleep(POLL_SECONDS)
    return False


def _run(run: RunDir, order: Order, environment: dict[str, str]) -> int:
    """Exit code of the unit's process."""
    child = start_unit(run, order.index, order.over, environment)
    try:
        while child.poll() is None:
            time.sleep(POLL_SECONDS)
    except BaseException:  # KeyboardInterrupt: cancelled; SystemExit: the machine is to be left
        child.terminate()
        child.wait()
        raise
    _note(run, order.index, child.pid, child.returncode)
    return child.returncode


def _note(run: RunDir, index: int, pid: int, code: int) -> None:
    """Record what only the parent of a dead process knows, and how units fare on this host."""
    host = this_process().host
    if code == 0:
        note_success(run, host)
    number = highest(run.attempts(index))
    if code and number:
        note_vanished(run, index, pid, code)
        if read_attempt(run.attempts(index), number).counts:
            note_failure(run, host, index, last_message(run, index))


def make_probe() -> Callable[[str, str], dict[str, Any]]:
    """A function that Ray carries to machines by value, so that it runs without transphy3d there.

    It takes the run's token file and its content and says what it finds: host, python, version of
    transphy3d or None, shared.
    """

    def probe(token_file: str, token: str) -> dict[str, Any]:
        import importlib.metadata
        import pathlib
        import socket
        import sys
        import time

        found = {"host": socket.gethostname(), "python": sys.executable, "shared": False}
        try:
            found["version"] = importlib.metadata.version("transphy3d")
        except importlib.metadata.PackageNotFoundError:
            found["version"] = None
        for _ in range(10):
            try:
                found["shared"] = pathlib.Path(token_file).read_text() == token
                break
            except OSError:
                time.sleep(1)
        return found

    return probe
