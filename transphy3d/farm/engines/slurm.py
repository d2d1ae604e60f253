"""The engine for Slurm: an array of tasks that run agents, and a job that finishes the run."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from transphy3d.config import Job
from transphy3d.errors import DeviceError, JobError, RunError
from transphy3d.farm.control import started_engine
from transphy3d.farm.engines import Facts
from transphy3d.farm.engines import slurm_commands as slurm
from transphy3d.farm.engines.slurm_profile import SlurmProfile, seconds_of
from transphy3d.farm.engines.slurm_script import Scripts, log_folder, scripts, task_count
from transphy3d.farm.hosts import troubled_hosts
from transphy3d.farm.profile import load_profile
from transphy3d.farm.rundir import RunDir
from transphy3d.files import write_text
from transphy3d.job import paths_of
from transphy3d.progress import Progress
from transphy3d.wording import suggest

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
        self._check_shared(job, root.resolve())
        self._check_gpus(job)
        self._check_times()
        self._check_array(job)
        self._try_out(job, root)

    def describe(self, job: Job, root: Path) -> str:
        """Both scripts."""
        made = _scripts(self.profile, job, root)
        return f"{made.work}\n{made.finish}"

    def start(self, job: Job, root: Path, progress: Progress) -> Facts:
        """Submit an array of the tasks that do not wait or run yet, and what finishes the run.

        The finishing job waits for all tasks, and takes the place of the one before.
        """
        facts = started_engine(root)
        alive = unfinished(facts)
        profile = with_room(self.profile, len(alive), _open_units(job, RunDir(root.resolve())))
        if profile is None:
            progress.event("still at work, nothing submitted", tasks=" ".join(alive[:10]))
            return facts
        made = _scripts(profile, job, root)
        folder = log_folder(root.resolve())
        write_text(folder / "work.sh", made.work)
        write_text(folder / "finish.sh", made.finish)
        array = slurm.submit(str(folder / "work.sh"))
        arrays = sorted({array, *(int(task.partition("_")[0]) for task in alive)})
        waits = f"--dependency=afterany:{':'.join(map(str, arrays))}"
        try:
            last = slurm.submit(str(folder / "finish.sh"), waits)
            if alive:
                slurm.cancel([facts["finish"]])
        except RunError:
            slurm.cancel([array])  # nobody would find it again
            raise
        progress.event("submitted", job=array, finishing_job=last, logs=str(folder))
        return {"arrays": arrays, "finish": last, "logs": str(folder)}

    def is_over(self, facts: Facts) -> bool:
        """Whether no task waits or runs any more; a controller that is silent for now is no end."""
        try:
            return not unfinished(facts)
        except RunError:
            return False

    def cancel(self, facts: Facts) -> None:
        """End the jobs that `start` submitted."""
        if "arrays" in facts:
            slurm.cancel([*facts["arrays"], facts["finish"]])

    def _check_shared(self, job: Job, root: Path) -> None:
        """Raise RunError or JobError for a folder or file that nodes would not see."""
        shared = [Path(folder).resolve() for folder in self.profile.shared]
        if not shared and any(root.is_relative_to(folder) for folder in NOT_SHARED):
            raise RunError(
                f"{root}: other nodes do not see this folder; choose one that all nodes share with "
                f"OUT=... or --out, or name it under `shared` in a profile if they do"
            )
        outside = (
            f"lies in none of the folders that {self.source} names as shared by all nodes "
            f"({', '.join(map(str, shared))})"
        )
        if _is_outside(root, shared):
            raise RunError(f"{root}: {outside}; choose one there with OUT=... or --out")
        for path in paths_of(job):
            if _is_outside(Path(path), shared):
                raise JobError(f"{path}: {outside}; copy it there and name it so in the job")

    def _check_gpus(self, job: Job) -> None:
        """Raise DeviceError where GPUs are demanded and cannot be had."""
        gpus = self.profile.gpus
        if job.render.device == "gpu" and not gpus:
            raise DeviceError(
                f"{self.source}: gpus: 0 gives tasks no GPU, but the job says render.device: gpu; "
                "raise gpus, or let the job say auto or cpu"
            )
        used = self._used("partition", self.profile.partition)
        if gpus and not any("gpu" in gres for p in used for gres in p.gres):
            names = ", ".join(p.name for p in used)
            raise DeviceError(
                f"{self.source}: gpus: {gpus} asks for GPUs, but no node of partition {names} has "
                "any; name another partition, or set gpus: 0"
            )

    def _check_times(self) -> None:
        """Raise JobError for a limit above the partition's: such jobs would wait for ever."""
        finish = self.profile.finish
        for key, partition, time in (
            ("", self.profile.partition, self.profile.time),
            ("finish.", finish.partition or self.profile.partition, finish.time),
        ):
            used = self._used(f"{key}partition", partition)
            limits = [_limit(p) for p in used]
            if time and seconds_of(time) > max(limits):
                longest = max(used, key=_limit)
                raise JobError(
                    f"{self.source}: {key}time: {time} is above the {longest.limit} that partition "
                    f"{longest.name} allows; lower it"
                )

    def _used(self, key: str, name: str | None) -> list[slurm.Partition]:
        """The partitions that `name` means, as a,b; the cluster's default for None.

        Raises JobError for one that the cluster does not have.
        """
        known = slurm.partitions()
        if name is None:
            return [p for p in known if p.default] or known
        names = [p.name for p in known]
        for part in name.split(","):  # sbatch takes several, and uses the first that is free
            if part not in names:
                hint = suggest(part, names, f"there are {', '.join(names)}")
                raise JobError(f"{self.source}: {key}: the cluster has no {part!r}; {hint}")
        return [p for p in known if p.name in name.split(",")]

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
        made = _scripts(self.profile, job, root)
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
    return slurm.unfinished(facts["arrays"]) if "arrays" in facts else []


def with_room(profile: SlurmProfile, alive: int, units: int) -> SlurmProfile | None:
    """The profile with the tasks that `alive` ones leave of those for so many open units.

    None where they leave none, or run as many at a time as may.
    """
    tasks, parallel = task_count(profile, units) - alive, profile.parallel - alive
    if tasks < 1 or parallel < 1:
        return None
    return profile.model_copy(update={"array_limit": tasks, "parallel": parallel})


def _scripts(profile: SlurmProfile, job: Job, root: Path) -> Scripts:
    """Both scripts for what is open."""
    run = RunDir(root.resolve())
    return scripts(profile, job.name, run.root, _open_units(job, run), _troubled(run))


def _is_outside(path: Path, folders: list[Path]) -> bool:
    """Whether folders are named and `path` is in none of them."""
    return bool(folders) and not any(path.is_relative_to(folder) for folder in folders)


def _limit(partition: slurm.Partition) -> float:
    """Seconds that a job may take in a partition."""
    return math.inf if partition.limit == "infinite" else seconds_of(partition.limit)


def _troubled(run: RunDir) -> list[str]:
    """Nodes on which units of this run failed one after another."""
    hosts = [trouble.host for trouble in troubled_hosts(run) if trouble.avoided]
    return slurm.node_names(hosts)


def _open_units(job: Job, run: RunDir) -> int:
    """Sequences that are neither published nor set aside; all of them before there is a plan."""
    ended = {
        file.name for folder in (run.done_folder, run.dead_folder) for file in folder.glob("*.json")
    }
    return job.sequences - len(ended)
