"""A real Ray on this machine: a head, and machines that join it, each with a fake GPU.

Each machine has host-name and process namespaces of its own: it has its own host name, and killing
it takes everything on it along, as a power cut does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

WAIT_SECONDS = 120.0
READY = b"Ray runtime started"
# A machine that is gone is noticed within seconds instead of half a minute.
HEALTH = (
    '{"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, '
    '"health_check_timeout_ms": 2000, "health_check_failure_threshold": 4}'
)
STORE_BYTES = 100_000_000
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _namespaces() -> list[str]:
    """The command that gives a machine a host name and processes of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--uts", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class RayNodes:
    """A head that runs nothing, at `address`, and machines by name."""

    folder: Path
    address: str
    token: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What everything that talks to this cluster needs.

        The memory monitor is off: it would judge us by what else runs on this machine.
        """
        secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return os.environ | secret | {"RAY_memory_monitor_refresh_ms": "0"}

    def start_machine(self, name: str, gpu: int, *, before: str = ":") -> None:
        """Switch a machine on, and wait until it is there: several at a time get in their way.

        before : shell commands to run on it first
        """
        ray = ["ray", "start", "--address", self.address, "--num-cpus", "1", "--num-gpus", "1"]
        ray += ["--resources", '{"machine": 1}']
        inner = f'hostname {name}; {before}; exec "$@"'
        command = [*_namespaces(), "sh", "-c", inner, "sh", *_common(ray)]
        self.start(name, command, {"CUDA_VISIBLE_DEVICES": str(gpu)})
        self.wait_ready(name)

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as stream:
            self.processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=self.environment | environment,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def wait_ready(self, name: str) -> None:
        log = self.folder / f"{name}.log"
        end = time.monotonic() + WAIT_SECONDS
        while READY not in log.read_bytes():
            ended = self.processes[name].poll() is not None
            if ended or time.monotonic() > end:
                raise AssertionError(f"Ray on {name} did not start: {log.read_text()}")
            time.sleep(0.1)

    def kill_machine(self, name: str) -> None:
        """Cut a machine's power: every process on it is gone at once."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for name in reversed(list(self.processes)):
            self.kill_machine(name)


def _common(ray: list[str]) -> list[str]:
    options = ["--block", "--disable-usage-stats", "--node-ip-address", "127.0.0.1"]
    program = str(Path(sys.executable).with_name("ray"))
    return [program, *ray[1:], *options, "--object-store-memory", str(STORE_BYTES)]


@contextlib.contextmanager
def ray_head() -> Iterator[RayNodes]:
    """A running head without room for any task."""
    folder = Path(tempfile.mkdtemp(prefix="tpray"))  # short: it holds names of sockets
    port = free_port()
    nodes = RayNodes(folder, f"127.0.0.1:{port}", secrets.token_hex(32))
    head = ["ray", "start", "--head", "--port", str(port), "--num-cpus", "0", "--num-gpus", "0"]
    head += ["--include-dashboard", "false", "--temp-dir", str(folder / "ray")]
    try:
        nodes.start("head", _common([*head, "--system-config", HEALTH]), {})
        nodes.wait_ready("head")
        yield nodes
    finally:
        nodes.stop()
        shutil.rmtree(folder, ignore_errors=True)
