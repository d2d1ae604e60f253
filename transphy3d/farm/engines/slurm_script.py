"""The batch scripts of a run on Slurm, as text."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from transphy3d.errors import DeviceError, DiskFull, Interrupted
from transphy3d.farm.engines.slurm_profile import Container, SlurmProfile, seconds_of
from transphy3d.templates import open_templates

# A task that must be back in the queue before its time is up asks for it so long before.
REQUEUE_SECONDS = 15
# Of a task whose agent was killed or found its node unfit; more have a cause that stays.
RESTARTS = 5


@dataclass(frozen=True)
class Scripts:
    """Text of the array's script and of the one that finishes the run."""

    work: str
    finish: str


def scripts(
    profile: SlurmProfile, name: str, root: Path, units: int, excluded: Iterable[str] = ()
) -> Scripts:
    """The scripts for a run.

    name : of the job; units : sequences that are not made yet
    excluded : nodes to keep away from, besides those that the profile names
    """
    tasks = task_count(profile, units)
    nodes = sorted({*profile.exclude, *excluded})
    work = _render(
        "slurm_work.sh.j2",
        profile,
        root,
        options=_work_options(profile, name, root, tasks, nodes),
        command=_command(profile, devices=profile.gpus > 1),
        cores=max(profile.cpus // profile.agents, 1),
        tasks=tasks,
        agents=profile.agents,
        gpus=profile.gpus,
        requeue=profile.requeue,
        seconds=seconds_of(profile.time) - profile.signal_seconds if profile.time else None,
        patience=profile.signal_seconds - REQUEUE_SECONDS,
        codes={
            "interrupted": Interrupted.exit_code,
            "device": DeviceError.exit_code,
            "disk": DiskFull.exit_code,
        },
        restarts=RESTARTS,
    )
    finish = _render(
        "slurm_finish.sh.j2",
        profile,
        root,
        options=_finish_options(profile, name, root, nodes),
        command=_command(profile, devices=False),
        cores=profile.finish.cpus,
    )
    return Scripts(work, finish)


def task_count(profile: SlurmProfile, units: int) -> int:
    """Tasks for so many sequences: agents take what is left, so fewer do as well."""
    return max(min(math.ceil(units / profile.units_per_task), profile.array_limit), 1)


def log_folder(root: Path) -> Path:
    """Where the scripts lie and what their jobs print."""
    return root / "logs" / "slurm"


def _work_options(
    profile: SlurmProfile, name: str, root: Path, tasks: int, excluded: list[str]
) -> list[str]:
    """Options of sbatch for the array."""
    gres = profile.resources
    return [
        *_common_options(profile, f"transphy3d-{name}", root, "%A_%a", excluded),
        f"--array=0-{tasks - 1}%{min(profile.parallel, tasks)}",
        *_given("partition", profile.partition),
        *_given("gres", gres),
        f"--cpus-per-task={profile.cpus}",
        *_given("mem", profile.memory),
        *_given("time", profile.time),
        "--requeue" if profile.requeue else "--no-requeue",
        f"--signal=B:USR1@{profile.signal_seconds}",
        *profile.sbatch,
    ]


def _finish_options(profile: SlurmProfile, name: str, root: Path, excluded: list[str]) -> list[str]:
    """Options of sbatch for the job that finishes."""
    finish = profile.finish
    return [
        *_common_options(profile, f"transphy3d-{name}-finish", root, "%j_finish", excluded),
        *_given("partition", finish.partition or profile.partition),
        f"--cpus-per-task={finish.cpus}",
        *_given("mem", finish.memory),
        *_given("time", finish.time),
        "--requeue" if profile.requeue else "--no-requeue",
    ]


def _common_options(
    profile: SlurmProfile, name: str, root: Path, log: str, excluded: list[str]
) -> list[str]:
    # In a file name, Slurm takes % for the start of a pattern.
    folder = str(log_folder(root)).replace("%", "%%")
    return [
        f"--job-name={name}",
        f"--output={shlex.quote(f'{folder}/{log}.txt')}",
        "--open-mode=append",
        f"--chdir={shlex.quote(str(root))}",
        "--nodes=1",
        "--ntasks=1",
        *_given("account", profile.account),
        *_given("qos", profile.qos),
        *_given("constraint", profile.constraint),
        *_given("exclude", ",".join(excluded)),
    ]


def _given(option: str, value: str | None) -> list[str]:
    return [f"--{option}={shlex.quote(value)}"] if value else []


def _command(profile: SlurmProfile, *, devices: bool) -> str:
    """How the script calls transphy3d; with `devices`, on the GPU in its variable `device`."""
    inside = profile.container is not None
    here = "transphy3d" if inside else f"{shlex.quote(sys.executable)} -m transphy3d"
    called = profile.command or here
    if devices:
        called = f'env CUDA_VISIBLE_DEVICES="$device" {called}'
    return (
        f"{_enter(profile.container, profile.gpus > 0)} {called}" if profile.container else called
    )


def _enter(container: Container, gpus: bool) -> str:
    """The command that runs another one in the container."""
    options = map(shlex.quote, container.options)
    own = ('"$run"', '"$TRANSPHY3D_SCRATCH"', '"$TRANSPHY3D_KERNELS"')
    image = shlex.quote(container.image)
    if container.runtime == "apptainer":
        binds = (f"--bind {path}" for path in (*own, *map(shlex.quote, container.mounts)))
        return " ".join(["apptainer exec", *(["--nv"] if gpus else []), *binds, *options, image])
    mounts = ",".join([*(f"{p}:{p}" for p in own), *map(_mount, container.mounts)])
    step = "srun --overlap --ntasks=1 --cpu-bind=none"
    return " ".join([step, f"--container-image={image}", f"--container-mounts={mounts}", *options])


def _mount(path: str) -> str:
    """A mount as pyxis takes it: the same path inside, unless another one is given."""
    return shlex.quote(path if ":" in path else f"{path}:{path}")


def _render(template: str, profile: SlurmProfile, root: Path, **values: object) -> str:
    environment = open_templates("transphy3d.farm.engines", html=False)
    environment.filters["quote"] = shlex.quote
    return environment.get_template(template).render(
        run=str(root),
        modules=profile.modules,
        environment=profile.environment,
        before=profile.before,
        scratch=profile.scratch,
        kernels=profile.kernels,
        **values,
    )
