"""A real Slurm of two virtual nodes on this machine, in one folder, gone when the test is over.

Each node is a slurmd in host-name and process namespaces of its own: it has its own host name,
and killing it takes everything on it along, as a power cut does. Nodes have two fake GPUs each.
"""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import grp
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

NODES = ("n0", "n1")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "unshare")
SBIN = "/usr/sbin"  # where Debian keeps daemons, not on every user's path
WAIT_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1

# Requeued jobs wait for cred_expire seconds; the default of 120 is long for a test.
SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=4
KillWait=60
MinJobAge=3600
MaxArraySize=101
GresTypes=gpu
NodeName=n0 NodeAddr=127.0.0.1 Port={n0} CPUs=4 RealMemory=4000 Gres=gpu:2
NodeName=n1 NodeAddr=127.0.0.1 Port={n1} CPUs=4 RealMemory=4000 Gres=gpu:2
NodeName=n2 NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=DOWN
PartitionName=gpu Nodes=n0,n1 Default=YES MaxTime=60 PriorityTier=1
PartitionName=urgent Nodes=n0,n1 MaxTime=60 PriorityTier=10 PreemptMode=OFF
PartitionName=cpu Nodes=n0,n1 MaxTime=60 PriorityTier=1 OverSubscribe=FORCE:4
PartitionName=bare Nodes=n2 MaxTime=60
"""
GRES_CONF = "NodeName=n[0-1] Name=gpu File=/dev/zero,/dev/full\n"


def missing_programs() -> list[str]:
    """What this machine lacks for a Slurm of its own."""
    path = f"{os.environ['PATH']}:{SBIN}"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class SlurmCluster:
    """The daemons and what talks to them; `environment` is what a user of it needs."""

    folder: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{os.environ['PATH']}:{SBIN}"
        return os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def call(self, *words: str | Path) -> str:
        """What a Slurm command prints. Raises subprocess.CalledProcessError."""
        return subprocess.run(
            [*map(str, words)], env=self.environment, check=True, text=True, capture_output=True
        ).stdout

    def start_node(self, name: str) -> None:
        """Switch a node on."""
        inner = f"hostname {name}; exec slurmd -D -N {name}"
        self._start(name, [*_namespaces(), "sh", "-c", inner])

    def kill_node(self, name: str) -> None:
        """Cut a node's power: with the first process of its namespace, all on it are gone."""
        parent = self.daemons.pop(name)
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        parent.wait(timeout=10)

    def node_state(self, name: str) -> str:
        """State of a node in capitals, as IDLE, MIXED or DOWN."""
        return _fields(self.call("scontrol", "show", "node", "-o", name))["State"]

    def revive(self) -> None:
        """Both nodes idle again, whatever was done to them."""
        for name in NODES:
            if name not in self.daemons:
                self.start_node(name)
            if "DRAIN" in self.node_state(name):
                self.call("scontrol", "update", f"NodeName={name}", "State=RESUME")
        wait_for(lambda: all(self.node_state(n) == "IDLE" for n in NODES), "nodes are idle")

    def drain_node(self, name: str) -> None:
        """Give a node no more jobs."""
        self.call("scontrol", "update", f"NodeName={name}", "State=DRAIN", "Reason=test")

    def jobs(self, *ids: int) -> list[dict[str, str]]:
        """Fields of the jobs with these ids, array tasks one by one; of all jobs without ids."""
        shown = self.call("scontrol", "show", "job", "-o")
        rows = [_fields(line) for line in shown.splitlines() if line.startswith("JobId=")]
        wanted = {str(i) for i in ids}
        return [r for r in rows if not ids or {r["JobId"], r.get("ArrayJobId")} & wanted]

    def cancel_all(self) -> None:
        """End every job, and wait until none is left."""
        self.call("scancel", f"--user={getpass.getuser()}")
        wait_for(lambda: not self.call("squeue", "--noheader"), "no job is left", 2 * WAIT_SECONDS)

    def _start(self, name: str, command: list[str], **options: object) -> None:
        with (self.folder / f"{name}.out").open("ab") as stream:
            self.daemons[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                **options,
            )

    @staticmethod
    def _stop(daemon: subprocess.Popen[bytes]) -> None:
        daemon.terminate()
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def stop(self) -> None:
        """End everything; nodes first, so that no job outlives the controller."""
        for name in [n for n in NODES if n in self.daemons]:
            self.kill_node(name)
        for name in reversed(self.daemons):
            self._stop(self.daemons[name])
        self.daemons.clear()


@contextlib.contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """A running Slurm in `folder`, whose two nodes are idle."""
    cluster = SlurmCluster(folder)
    _write_settings(folder)
    try:
        _start_munge(cluster)
        cluster._start("slurmctld", ["slurmctld", "-D", "-i"])
        wait_for(lambda: _answers(cluster), "slurmctld answers")
        cluster.revive()
        yield cluster
    finally:
        cluster.stop()


def wait_for(condition: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until `condition()` is true. Raises TimeoutError that says `what` did not happen."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds:.0f} s still not true: {what}")
        time.sleep(0.1)


def _namespaces() -> list[str]:
    """The command that gives a node its own host name and processes; root is played if need be."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]


def _write_settings(folder: Path) -> None:
    for name in ("state", "spool-n0", "spool-n1"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    controller_port, *node_ports = _free_ports(1 + len(NODES))
    text = SLURM_CONF.format(
        host=socket.gethostname(),
        user=getpass.getuser(),
        folder=folder,
        controller_port=controller_port,
        **dict(zip(NODES, node_ports, strict=True)),
    )
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(GRES_CONF)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _start_munge(cluster: SlurmCluster) -> None:
    """munged with a key of its own; as root it insists on an account that is not root's."""
    place = cluster.folder / "munge"
    place.mkdir(mode=0o755)
    key = place / "key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    options: dict[str, object] = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("munge")
        for path in (place, key):
            os.chown(path, user.pw_uid, user.pw_gid)
        options = {"user": "munge", "group": grp.getgrgid(user.pw_gid).gr_name, "extra_groups": []}
    files = [f"--{name}-file={place / name}" for name in ("key", "pid", "log", "seed")]
    command = ["munged", "--foreground", "--force", f"--socket={place}/socket", *files]
    cluster._start("munged", command, **options)
    wait_for((place / "socket").exists, "munged listens")


def _answers(cluster: SlurmCluster) -> bool:
    return (
        subprocess.run(
            ["scontrol", "ping"], env=cluster.environment, capture_output=True, check=False
        ).returncode
        == 0
    )


def _fields(line: str) -> dict[str, str]:
    """The `Key=Value` words of a line of scontrol."""
    return dict(word.split("=", 1) for word in line.split() if "=" in word)
