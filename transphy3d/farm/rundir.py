"""The run directory: where everything of a run lies, and the plan that it follows.

job.yaml                     the resolved job
plan.json                    identity of the job, number of units, versions, host
engine.json                  the engine that was started last, and how to find it
drain, cancel                there while no unit may be begun, or rendered on
sequences/000000.h5          published sequences
done/000000.json             size and SHA-256 of a published sequence, and what it took
dead/000000.json             why a unit was set aside
units/000000/attempts/0001.json  one record for each try; a running one is the claim on the unit
units/000000/forgiven/0001.json  why it had been set aside after that try, before a `retry`
units/000000/log.txt         what Blender said
units/000000/worker.txt      what the process said that made the sequence
units/000000/stage/          scene and frames in the making; removed once published
units/000000/stage.blend     the scene as Blender has it, with run.keep_blend
claims/pack/, claims/finish/ claims on what one process at a time does
hosts/                       hosts on which units failed one after another
agents/                      what each agent said
packed/00000.json            what each shard was made from
kubernetes.yaml, template.yaml  what is submitted to Kubernetes, to Open Job Description
ray.token                    by which machines of a Ray cluster know that the folder is shared
receipts/                    what was compared at each address that the data are published under
cache/                       what is derived from the user's mesh files
verified.txt                 SHA-256 of the index whose shards passed verification
shards/, preview/            what `pack` and `preview` make
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transphy3d.config import Job
from transphy3d.errors import DiskFull, RunError
from transphy3d.files import is_full, write_json, write_text
from transphy3d.job import dump_job, identity, load_job
from transphy3d.versions import versions

PLAN_VERSION = 1


@dataclass(frozen=True)
class RunDir:
    """Every path of a run, in one place."""

    root: Path

    @property
    def job_file(self) -> Path:
        return self.root / "job.yaml"

    @property
    def plan_file(self) -> Path:
        return self.root / "plan.json"

    @property
    def sequences(self) -> Path:
        return self.root / "sequences"

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    @property
    def preview(self) -> Path:
        return self.root / "preview"

    @property
    def engine_file(self) -> Path:
        return self.root / "engine.json"

    @property
    def drain_file(self) -> Path:
        return self.root / "drain"

    @property
    def cancel_file(self) -> Path:
        return self.root / "cancel"

    @property
    def done_folder(self) -> Path:
        return self.root / "done"

    @property
    def dead_folder(self) -> Path:
        return self.root / "dead"

    @property
    def units(self) -> Path:
        return self.root / "units"

    @property
    def hosts(self) -> Path:
        return self.root / "hosts"

    @property
    def agents(self) -> Path:
        return self.root / "agents"

    @property
    def token_file(self) -> Path:
        return self.root / "ray.token"

    @property
    def receipts(self) -> Path:
        return self.root / "receipts"

    @property
    def packed(self) -> Path:
        return self.root / "packed"

    def claims(self, name: str) -> Path:
        return self.root / "claims" / name

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def sequence(self, index: int) -> Path:
        return self.sequences / f"{index:06d}.h5"

    def unit(self, index: int) -> Path:
        return self.root / "units" / f"{index:06d}"

    def stage(self, index: int) -> Path:
        return self.unit(index) / "stage"

    def log(self, index: int) -> Path:
        return self.unit(index) / "log.txt"

    def attempts(self, index: int) -> Path:
        return self.unit(index) / "attempts"

    def forgiven(self, index: int) -> Path:
        return self.unit(index) / "forgiven"

    def done(self, index: int) -> Path:
        return self.done_folder / f"{index:06d}.json"

    def dead(self, index: int) -> Path:
        return self.dead_folder / f"{index:06d}.json"

    def said(self, index: int) -> Path:
        return self.unit(index) / "worker.txt"

    def blend(self, index: int) -> Path:
        return self.unit(index) / "stage.blend"


@dataclass(frozen=True)
class Plan:
    """What a run directory promises: `units` sequences of the job with this identity."""

    job_sha256: str
    units: int


def check_plan(job: Job, root: Path) -> Plan:
    """The plan that the job makes of a run directory.

    The same job may join a run and may ask for more sequences. Raises RunError when the folder
    belongs to another job or holds a larger plan.
    """
    plan = Plan(identity(job), job.sequences)
    if RunDir(root).plan_file.exists():
        _check_same(RunDir(root), plan)
    return plan


def make_plan(job: Job, root: Path) -> Plan:
    """Lay out a run directory, or join the one that is there.

    Raises RunError as `check_plan` does or when the folder cannot be written, DiskFull when no
    space is left.
    """
    run, plan = RunDir(root), check_plan(job, root)
    try:
        for folder in (run.sequences, root / "units"):
            folder.mkdir(parents=True, exist_ok=True)
        write_text(run.job_file, dump_job(job))
        write_json(run.plan_file, _plan_data(plan))
    except OSError as error:
        if is_full(error):
            raise DiskFull(f"{root}: {error}; free space, then run again") from None
        raise RunError(f"{root}: the run directory cannot be written: {error}") from None
    return plan


def _plan_data(plan: Plan) -> dict[str, Any]:
    host = {"name": platform.node(), "platform": platform.platform(), "cores": os.cpu_count()}
    return {
        "version": PLAN_VERSION,
        "job_sha256": plan.job_sha256,
        "units": plan.units,
        "versions": versions(),
        "host": host,
    }


def _check_same(run: RunDir, plan: Plan) -> None:
    found = read_plan(run.root)
    if found.job_sha256 != plan.job_sha256:
        raise RunError(
            f"{run.root}: holds the run of another job (its resolved copy is {run.job_file}); "
            "choose another output folder with OUT=... or --out, or remove this one"
        )
    if found.units > plan.units:
        raise RunError(
            f"{run.root}: is planned for {found.units} sequences, more than sequences: "
            f"{plan.units}; ask for at least as many, or choose another output folder"
        )


def check_writable(run: RunDir) -> None:
    """Raise RunError for a planned run that this process may not work in."""
    for folder in (run.root, run.sequences, run.units):
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise RunError(
                f"{folder}: is missing or cannot be written by this user on this host; mount it "
                "for writing, or change its owner or mode"
            )


def read_plan(root: Path) -> Plan:
    """The plan of a run directory. Raises RunError where there is none."""
    path = RunDir(root).plan_file
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != PLAN_VERSION:
            raise ValueError(f"version {data['version']}, this program reads {PLAN_VERSION}")
        return Plan(data["job_sha256"], data["units"])
    except FileNotFoundError:
        raise RunError(f"{root}: is not a run directory, {path.name} is missing") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); plan into a fresh folder") from None


def read_job(root: Path) -> Job:
    """The resolved job of a run directory."""
    read_plan(root)
    return load_job(RunDir(root).job_file)
