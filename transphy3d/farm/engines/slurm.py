"""The engine for Slurm: an array of tasks that run agents, and a job that finishes the run."""

from __future__ import annotations

import difflib
import math
import tempfile
from pathlib import Path

from transphy3d.config import Job
from transphy3d.errors import DeviceError, JobError, RunError
from transphy3d.farm.control import started_engine
from transphy3d.farm.engines import Facts
from transphy3d.farm.engines import slurm_commands as slurm
from transphy3d.farm.engines.slurm_profile import SlurmProfile
from transphy3d.farm.engines.slurm_script import Scripts, log_folder, scripts, task_count
from transphy3d.farm.profile import load_profile
from transphy3d.farm.rundir import RunDir
from transphy3d.files import write_text
from transphy3d.progress import Progress

NAME = "slurm"
# Folders that each machine has of its own, unless a profile says otherwise.
NOT_SHARED = ("/tmp", "/var/tmp", "/dev/shm")


def create(profile: Path | None, workers: int | None) -> SlurmEngine:
    """The engine with a site's profile; `workers` agents at a time instead of what it says."""
    settings = load_profile(SlurmProfile, profile, NAME)
    if workers:
        parallel = math.ceil(workers / settings.agents)
        settings = settings.model_copy(update={"parallel": parallel})
    return SlurmEngine(settings, profile)


class SlurmEngine:
    """Submits agents as tasks of an array job; see `transphy3d.farm.engines.Engine`."""

    name = NAME
    foreground = False

    def __init__(self, profile: SlurmProfile, file: Path | None) -> None:
        self.profile = profile
        self.source = str(file) if file else "the profile's defaults"

    def check(self, job: Job, root: Path) -> None:
        """Raise RunError, JobError or DeviceError for what would go wrong on this cluster."""
        if missing := slurm.missing_programs():
            raise RunError(
                f"engine slurm: {', '.join(missing)} not found; run this on a login node of the "
                "cluster, or choose another engine"
            )
        self._check_shared(root.resolve())
        self._check_partitions(job)
        self._check_array(job)
        self._try_out(job, root)

    def describe(self, job: Job, root: Path) -> str:
        """Both scripts."""
        made = self._scripts(job, root)
        return f"{made.work}\n{made.finish}"

    def start(self, job: Job, root: Path, progress: Progress) -> Facts:
        """Submit the array and what finishes it, unless tasks of this run still wait or run."""
        facts = started_engine(root)
        if alive := unfinished(facts):
            progress.event("still at work, nothing submitted", tasks=" ".join(alive[:10]))
            return facts
        made = self._scripts(job, root)
        folder = log_folder(root.resolve())
        write_text(folder / "work.sh", made.work)
        write_text(folder / "finish.sh", made.finish)
        array = slurm.submit(str(folder / "work.sh"))
        last = slurm.submit(str(folder / "finish.sh"), f"--dependency=afterany:{array}")
        progress.event("submitted", job=array, finishing_job=last, logs=str(folder))
        return {"array": array, "finish": last, "logs": str(folder)}

    def is_over(self, facts: Facts) -> bool:
        """Whether no task waits or runs any more."""
        return not unfinished(facts)

    def cancel(self, facts: Facts) -> None:
        """End the jobs that `start` submitted."""
        slurm.cancel(facts[key] for key in ("array", "finish") if key in facts)

    def _scripts(self, job: Job, root: Path) -> Scripts:
        run = RunDir(root.resolve())
        return scripts(self.profile, job.name, run.root, _open_units(job, run))

    def _check_shared(self, root: Path) -> None:
        """Raise RunError for a run directory that nodes would not see."""
        shared = [Path(folder).resolve() for folder in self.profile.shared]
        if shared and not any(root.is_relative_to(folder) for folder in shared):
            raise RunError(
                f"{root}: lies in none of the folders that {self.source} names as shared by all "
                f"nodes ({', '.join(map(str, shared))}); choose one there with OUT=... or --out"
            )
        if not shared and any(root.is_relative_to(folder) for folder in NOT_SHARED):
            raise RunError(
                f"{root}: other nodes do not see this folder; choose one that all nodes share with "
                f"OUT=... or --out, or name it under `shared` in a profile if they do"
            )

    def _check_partitions(self, job: Job) -> None:
        """Raise JobError for an unknown partition, DeviceError where GPUs are missing."""
        known = slurm.partitions()
        for key, name in (
            ("partition", self.profile.partition),
            ("finish.partition", self.profile.finish.partition),
        ):
            if name is not None:
                self._check_partition(key, name, [partition.name for partition in known])
        if job.render.device == "gpu" and not self.profile.gpus:
            raise DeviceError(
                f"{self.source}: gpus: 0 gives tasks no GPU, but the job says render.device: gpu; "
                "raise gpus, or let the job say auto or cpu"
            )
        used = [p for p in known if p.name == self.profile.partition or self._is_default(p)]
        if self.profile.gpus and not any("gpu" in gres for p in used for gres in p.gres):
            raise DeviceError(
                f"{self.source}: gpus: {self.profile.gpus} asks for GPUs, but no node of partition "
                f"{', '.join(p.name for p in used)} has any; name another partition, or set gpus: 0"
            )

    def _is_default(self, partition: slurm.Partition) -> bool:
        return self.profile.partition is None and partition.default

    def _check_partition(self, key: str, name: str, known: list[str]) -> None:
        for part in name.split(","):  # sbatch takes several, and uses the first that is free
            if part not in known:
                close = difflib.get_close_matches(part, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
                raise JobError(f"{self.source}: {key}: the cluster has no {part!r}; {hint}")

    def _check_array(self, job: Job) -> None:
        """Raise JobError for more tasks than the cluster takes in one array."""
        size, tasks = slurm.max_array_size(), task_count(self.profile, job.sequences)
        if tasks > size:
            raise JobError(
                f"{self.source}: array_limit: {self.profile.array_limit} allows {tasks} tasks, but "
                f"this cluster takes {size} in an array; write array_limit: {size}"
            )

    def _try_out(self, job: Job, root: Path) -> None:
        """Let Slurm itself judge both scripts. Raises RunError with its words and a remedy."""
        made = self._scripts(job, root)
        with tempfile.TemporaryDirectory() as folder:
            for what, text in (("tasks", made.work), ("finish", made.finish)):
                file = Path(folder) / "script.sh"
                file.write_text(text)
                try:
                    slurm.validate(str(file))
                except RunError as error:
                    raise RunError(f"{self.source}: {what}: {error}") from None


def unfinished(facts: Facts) -> list[str]:
    """Tasks of a started run that wait or run."""
    return slurm.unfinished([facts["array"]]) if "array" in facts else []


def _open_units(job: Job, run: RunDir) -> int:
    """Sequences that are neither published nor set aside; all of them before there is a plan."""
    ended = {
        file.name for folder in (run.done_folder, run.dead_folder) for file in folder.glob("*.json")
    }
    return job.sequences - len(ended)
