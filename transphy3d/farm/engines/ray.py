"""The engine for Ray: a task for each sequence, on an existing cluster or on this machine's."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from transphy3d.config import Job, Section
from transphy3d.errors import DeviceError
from transphy3d.farm.engines import Facts
from transphy3d.farm.engines.ray_cluster import (
    Need,
    check_machines,
    check_room,
    connect,
    has_gpus,
    import_ray,
    nodes,
)
from transphy3d.farm.engines.ray_driver import Settings, drive
from transphy3d.farm.profile import load_profile
from transphy3d.farm.rundir import RunDir
from transphy3d.files import create as create_file
from transphy3d.progress import Progress

NAME = "ray"
GIB = 1 << 30
RESERVED = ("CPU", "GPU", "memory", "object_store_memory")

Amount = Annotated[float, Field(gt=0)]


class RayProfile(Section):
    """Settings of one cluster."""

    address: str | None = Field(
        None,
        description="HOST:PORT of the cluster's head, `auto` on one of its machines; null starts "
        "Ray on this machine for as long as the run takes",
    )
    gpus: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="of one sequence; 0.5 lets two share a GPU; null is 1 where the job may use "
        "GPUs and the cluster has any, else 0",
    )
    cpus: Annotated[int, Field(ge=1)] | None = Field(
        None, description="CPU cores of one sequence; null is the job's run.threads, at least 1"
    )
    memory: Amount | None = Field(
        None, description="GiB that Ray sets apart for one sequence; null sets none apart"
    )
    resources: dict[str, Amount] = Field(
        {}, description="custom resources of one sequence, as {render_node: 0.01}"
    )
    parallel: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="sequences asked for at a time; more than there is room for lets an autoscaler "
        "add machines; null follows the room that there is",
    )
    wait_for_nodes: bool = Field(
        False, description="start though no machine has room yet, because machines come on demand"
    )
    environment: dict[str, str] = Field(
        {}, description="variables to set on the machines, as TRANSPHY3D_SCRATCH"
    )

    @field_validator("resources")
    @classmethod
    def _are_custom(cls, value: dict[str, float]) -> dict[str, float]:
        if known := [name for name in RESERVED if name in value]:
            raise ValueError(f"{known[0]} has a key of its own in the profile; use that")
        return value


def create(profile: Path | None, workers: int | None) -> RayEngine:
    """The engine with a cluster's profile; `workers` sequences at a time instead of what it says.

    Raises PackageMissing without Ray, JobError for a faulty profile.
    """
    settings = load_profile(RayProfile, profile, NAME)
    import_ray()
    return RayEngine(settings.model_copy(update={"parallel": workers}) if workers else settings)


class RayEngine:
    """See `transphy3d.farm.engines.Engine`."""

    name = NAME
    foreground = True

    def __init__(self, profile: RayProfile) -> None:
        self.profile = profile

    def check(self, job: Job, root: Path) -> None:
        """Raise RunError or DeviceError where the cluster is not there or has not what it takes."""
        if job.render.device == "gpu" and self.profile.gpus == 0:
            raise DeviceError(
                "engine ray: gpus: 0 gives sequences no GPU, but the job says render.device: gpu; "
                "raise gpus in the profile, or let the job say auto or cpu"
            )
        connect(self.profile.address)
        if not self.profile.wait_for_nodes:
            check_room(self._need(job))

    def describe(self, job: Job, root: Path) -> str:
        """Where the tasks go, what each asks for and runs."""
        where = f"at {self.profile.address}" if self.profile.address else "started on this machine"
        need = self._asked(job, 1.0 if job.render.device == "gpu" else 0.0)
        asked = ", ".join(f"{name} {amount:g}" for name, amount in need.items())
        if self.profile.gpus is None and job.render.device == "auto":
            asked += ", GPU 1 if there are any"
        return (
            f"Ray {where}\n"
            f"{job.sequences} tasks of {asked}; each in a process of its own runs\n"
            f"transphy3d work --out {root.resolve()} --unit 0 ... {job.sequences - 1}"
        )

    def start(self, job: Job, root: Path, progress: Progress) -> Facts:
        """Work off every open sequence; what is lost with a machine is asked for again.

        Raises what concerns the whole run: JobError, DeviceError, DiskFull, RunError, Interrupted.
        """
        connect(self.profile.address)
        run, need = RunDir(root.resolve()), self._need(job)
        token = _token(run)
        check_machines([node for node in nodes() if node.holds(need)], run.token_file, token)
        settings = Settings(
            need=need,
            cores=self._cpus(job),
            parallel=self.profile.parallel,
            patient=self.profile.wait_for_nodes,
            environment=self.profile.environment,
            token=token,
        )
        drive(job, run, settings, progress)
        return {"address": self.profile.address}

    def is_over(self, facts: Facts) -> bool:
        """Always: `start` returns when nothing works any more; Ray ends what a dead one leaves."""
        return True

    def cancel(self, facts: Facts) -> None:
        """Nothing more: driver and tasks look for the run's cancel file themselves."""

    def _cpus(self, job: Job) -> int:
        return self.profile.cpus or max(job.run.threads, 1)

    def _need(self, job: Job) -> Need:
        """Resources of one task; for what the profile leaves open, the cluster is asked."""
        demanded = job.render.device == "gpu"
        used = demanded or (job.render.device == "auto" and has_gpus())
        return self._asked(job, 1.0 if used else 0.0)

    def _asked(self, job: Job, gpus: float) -> Need:
        gpus = gpus if self.profile.gpus is None else self.profile.gpus
        memory = {"memory": self.profile.memory * GIB} if self.profile.memory else {}
        gpu = {"GPU": gpus} if gpus else {}
        return {"CPU": float(self._cpus(job)), **gpu, **memory, **self.profile.resources}


def _token(run: RunDir) -> str:
    """What the run's token file holds; made once, so that drivers may come and go."""
    create_file(run.token_file, secrets.token_hex(16).encode())
    return run.token_file.read_text()
