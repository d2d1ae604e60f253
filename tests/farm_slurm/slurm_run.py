"""A run on the test's Slurm: its profile, what works on it at the moment, and what it has made."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import yaml
from command_line import run_cli
from slurm_cluster import wait_for

from transphy3d.config import CHANNELS

# One thread: Cycles then repeats pictures bit for bit. Quick heartbeats: the dead are found soon.
FRAMES = 12
SETTINGS = (
    *(f"frames={FRAMES}", "width=32", "height=24", "render.device=cpu", "run.threads=1"),
    *("run.heartbeat=0.5", "run.lease=4", "run.attempts=2", "output.sequences_per_shard=4"),
)
PHASES = ("truth", "behind", "rgb")
FEW_PICTURES = 2
WAIT_SECONDS = 240.0


@dataclass(frozen=True)
class Worker:
    """A process that makes a unit, by its id on its node; task : as 3_0 in Slurm."""

    pid_inside: int
    unit: int
    node: str
    task: str


@dataclass(frozen=True)
class SlurmRun:
    """A run directory and the profile to render it with."""

    out: Path
    profile: Path

    def render(self, *words: str, sequences: int, code: int = 0) -> str:
        """Call `transphy3d render`; what it says on both streams."""
        changes = [w for s in (*SETTINGS, f"sequences={sequences}") for w in ("--set", s)]
        engine = ("--engine", "slurm", "--profile", self.profile)
        said = run_cli("render", "smoke", "--out", self.out, *changes, *engine, *words)
        assert said.returncode == code, said.stdout + said.stderr
        return said.stdout + said.stderr

    def jobs(self) -> dict[str, int]:
        """Ids of the last array and of the finishing job."""
        facts = json.loads((self.out / "engine.json").read_text())
        return {"array": facts["arrays"][-1], "finish": facts["finish"]}

    def attempts(self, unit: int) -> list[dict]:
        files = sorted((self.out / f"units/{unit:06d}/attempts").glob("*.json"))
        return [json.loads(file.read_text()) for file in files]

    def outcomes(self, unit: int) -> list[str]:
        return [attempt["outcome"] for attempt in self.attempts(unit)]

    def pictures(self, unit: int) -> int:
        """Finished pictures of all phases of a unit in the making."""
        frames = self.out / f"units/{unit:06d}/stage/frames"
        return sum(len(list((frames / phase).glob("[0-9]*"))) for phase in PHASES)

    def worker(self, *, task: str | None = None, node: str | None = None) -> Worker:
        """Wait for a worker in the middle of its frames."""
        found: list[Worker] = []

        def rendering() -> bool:
            here = [w for w in workers(self.out) if task in (None, w.task)]
            found[:] = [w for w in here if node in (None, w.node) and self.is_rendering(w)]
            return bool(found)

        wait_for(rendering, f"a worker of {task or node} renders", WAIT_SECONDS)
        return found[0]

    def hit_and_following(self, worker: Worker) -> tuple[dict, dict]:
        """The try that a worker held, and the next one at its unit."""
        tries = self.attempts(worker.unit)
        holders = [(t["host"], t["pid"]) for t in tries]
        hit = holders.index((worker.node, worker.pid_inside))
        return tries[hit], tries[hit + 1]

    def is_rendering(self, worker: Worker) -> bool:
        """Whether a worker holds its unit and has added some pictures to it."""
        tries = self.attempts(worker.unit)
        if not tries or (tries[-1]["host"], tries[-1]["pid"]) != (worker.node, worker.pid_inside):
            return False
        new = self.pictures(worker.unit) - tries[-1]["pictures_before"]
        return tries[-1]["outcome"] == "running" and new >= FEW_PICTURES

    def log(self, task: str = "*") -> str:
        """What a task printed, or all of them."""
        files = sorted((self.out / "logs/slurm").glob(f"{task}.txt"))
        return "\n".join(file.read_text() for file in files)


def workers(out: Path) -> list[Worker]:
    """Processes that make a unit of this run."""
    found = []
    for pid, words, environment in _processes(out):
        if "--unit" in words:
            unit = int(words[words.index("--unit") + 1])
            node = environment["SLURMD_NODENAME"]
            with contextlib.suppress(OSError):
                found.append(Worker(_pid_inside(pid), unit, node, _task(environment)))
    return found


def _pid_inside(pid: int) -> int:
    """A process's id in its own namespace, the last of those in proc(5)'s NSpid."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nNSpid:")[2].splitlines()[0].split()[-1])


def agent_of(out: Path, task: str) -> int:
    """Process id of a task's agent."""
    (pid,) = [p for p, words, env in _processes(out) if "--share" in words and _task(env) == task]
    return pid


def _task(environment: dict[str, str]) -> str:
    return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"


def _processes(out: Path) -> list[tuple[int, list[str], dict[str, str]]]:
    """Id, words and environment of every `transphy3d work` on this run under Slurm."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if "transphy3d" in words and "work" in words and str(out) in words:
                pairs = (entry / "environ").read_bytes().decode().split("\0")
                environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
                found.append((int(entry.name), words, environment))
    return [row for row in found if "SLURM_ARRAY_JOB_ID" in row[2]]


def write_profile(folder: Path, **changes: object) -> Path:
    """A profile for the test's nodes, with these keys besides or instead."""
    settings = {
        "gpus": 1,
        "cpus": 2,
        "memory": None,
        "time": "00:30:00",
        "units_per_task": 1,
        "array_limit": 100,
        "parallel": 2,
        "shared": [str(folder)],
        "scratch": str(folder),
        "kernels": str(folder / "kernels-$SLURMD_NODENAME"),
        "finish": {"partition": "cpu", "cpus": 1, "memory": None, "time": "00:30:00"},
    }
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(settings | changes))
    return path


def contents(out: Path) -> dict[int, dict[str, bytes]]:
    """Checksums of every chunk of every channel, by published sequence."""
    found = {}
    for path in sorted((out / "sequences").glob("*.h5")):
        with h5py.File(path, "r") as file:
            (group,) = (file[name] for name in file)
            sums = {name: group[f"checksums/{name}"][:].tobytes() for name in CHANNELS}
        found[int(path.stem)] = sums
    return found


def leftovers(out: Path) -> list[str]:
    """Files that no reader should ever see once a run is over."""
    return [str(path) for path in out.rglob("*.part")]
