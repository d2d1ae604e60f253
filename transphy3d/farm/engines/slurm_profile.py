"""What the Slurm engine must know about a cluster: partition, limits, container, disks."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from transphy3d.config import Section

# The forms that sbatch's manual gives for --time.
TIME = re.compile(
    r"^(?:(?P<days>\d+)-(?P<day_hours>\d+)(?::(?P<day_minutes>\d+)(?::(?P<day_seconds>\d+))?)?"
    r"|(?P<hours>\d+):(?P<hour_minutes>\d+):(?P<hour_seconds>\d+)"
    r"|(?P<minutes>\d+)(?::(?P<seconds>\d+))?)$"
)
# gpu, gpu:2, gpu:a100 and gpu:a100:2, alone or among others.
GRES_GPUS = re.compile(r"(?:^|,)gpu(?::[^:,]*[^:,\d][^:,]*)?(?::(\d+))?(?=,|$)")
UNIT_SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
Name = Annotated[str, Field(pattern=r"^[^\s]+$")]
Memory = Annotated[str, Field(pattern=r"^\d+[KMGT]?$")]


def seconds_of(time: str) -> int:
    """Seconds of a time limit as sbatch writes it: 90, 90:00, 1:30:00, 1-12 or 1-12:30:00."""
    parts = TIME.match(time)
    if parts is None:
        raise ValueError(f"{time!r} is no time; write minutes or, in quotes, hours as '12:00:00'")
    found = {name: int(value) for name, value in parts.groupdict().items() if value}
    return sum(UNIT_SECONDS[_unit(name)] * value for name, value in found.items())


def _unit(group: str) -> str:
    """The unit that a group of `TIME` counts, as hours for day_hours."""
    return group.rpartition("_")[2]


def _gpus_in(gres: str) -> int | None:
    """GPUs that --gres asks for, as 2 of gpu:a100:2 and 1 of gpu; None where it names none."""
    counts = GRES_GPUS.findall(gres)
    return sum(int(count or 1) for count in counts) if counts else None


class _Timed(Section):
    """Sections with a time limit."""

    @field_validator("time", mode="before", check_fields=False)
    @classmethod
    def _is_time(cls, value: Any) -> Any:
        if isinstance(value, int):  # YAML reads an unquoted 12:00:00 as 43200
            raise ValueError("YAML reads it as a number; write it in quotes, as '12:00:00'")
        if isinstance(value, str):
            seconds_of(value)
        return value


class Container(Section):
    """An image that holds transphy3d, and how the cluster runs it."""

    runtime: Literal["apptainer", "pyxis"] = Field(description="program that runs containers")
    image: str = Field(description="file or address of the image, as the runtime takes it")
    mounts: list[str] = Field(
        [], description="folders to see inside, besides the run directory and scratch"
    )
    options: list[str] = Field([], description="further options of the runtime")


class Finishing(_Timed):
    """The job that packs, verifies and draws previews once all others have ended."""

    partition: Name | None = Field(
        None, description="a partition without GPUs will do; null takes that of the others"
    )
    cpus: Annotated[int, Field(ge=1)] = Field(2, description="CPU cores")
    memory: Memory | None = Field("8G", description="as sbatch takes it; null asks for none")
    time: str | None = Field("04:00:00", description="limit, quoted; null leaves it out")


class SlurmProfile(_Timed):
    """Settings of one cluster."""

    partition: Name | None = Field(None, description="null takes the cluster's default")
    account: Name | None = Field(None, description="account that is charged")
    qos: Name | None = Field(None, description="quality of service")
    constraint: str | None = Field(None, description="node features, as in `a100|h100`")
    exclude: list[Name] = Field([], description="nodes never to use")
    gpus: Annotated[int, Field(ge=0, le=64)] = Field(
        1, description="GPUs of a task; each renders its own sequences; 0 renders on CPU cores"
    )
    gres: Name | None = Field(
        None, description="how as many GPUs are asked for, as gpu:a100:1; null is gpu:<gpus>"
    )
    cpus: Annotated[int, Field(ge=1)] = Field(8, description="CPU cores of a task")
    memory: Memory | None = Field("32G", description="of a task; null asks for none")
    time: str | None = Field(
        "04:00:00", description="limit of a task, quoted; null takes the partition's"
    )
    parallel: Annotated[int, Field(ge=1)] = Field(32, description="tasks that run at a time")
    units_per_task: Annotated[int, Field(ge=1)] = Field(
        4, description="sequences for each task; more make fewer tasks"
    )
    array_limit: Annotated[int, Field(ge=1)] = Field(
        1001, description="most tasks of an array: MaxArraySize of `scontrol show config`"
    )
    requeue: bool = Field(
        True, description="let tasks that are preempted or out of time queue again"
    )
    signal_seconds: Annotated[int, Field(ge=30)] = Field(
        120, description="before the limit, tasks are told to stop after the frame at hand"
    )
    shared: list[str] = Field(
        [], description="folders that all nodes share; the run directory must lie in one"
    )
    scratch: str = Field(
        "${SLURM_TMPDIR:-${TMPDIR:-/tmp}}",
        description="folder on a node's own disk for unpublished sequences, as the shell reads it",
    )
    kernels: str = Field(
        "${TMPDIR:-/tmp}/transphy3d-kernels-$(id -un)",
        description="folder on a node's own disk that keeps compiled render kernels",
    )
    modules: list[str] = Field([], description="modules to load on the node")
    environment: dict[str, str] = Field({}, description="variables to set on the node")
    before: list[str] = Field([], description="shell commands to run on the node before rendering")
    command: str | None = Field(
        None, description="how transphy3d is called on the node; null takes the one called here"
    )
    container: Container | None = Field(None, description="run transphy3d in a container")
    sbatch: list[Annotated[str, Field(pattern=r"^-")]] = Field(
        [], description="further options of sbatch, as `--exclusive`"
    )
    finish: Finishing = Finishing()

    @field_validator("gres")
    @classmethod
    def _as_many_as_gpus(cls, value: str | None, info: ValidationInfo) -> str | None:
        gpus, asked = info.data.get("gpus"), _gpus_in(value or "")
        if gpus is not None and asked is not None and asked != gpus:
            raise ValueError(
                f"its number of GPUs is not that of gpus: {gpus}; write the same in both"
            )
        return value

    @field_validator("signal_seconds")
    @classmethod
    def _within_the_limit(cls, value: int, info: ValidationInfo) -> int:
        time = info.data.get("time")
        if time and seconds_of(time) <= value:
            raise ValueError(f"is no less than the limit, time: {time}; lower it or raise time")
        return value

    @property
    def resources(self) -> str | None:
        """What --gres asks for; None where no GPU is wanted."""
        return (self.gres or f"gpu:{self.gpus}") if self.gpus else None

    @property
    def agents(self) -> int:
        """Agents of a task: one for each GPU, or one on the cores."""
        return max(self.gpus, 1)
