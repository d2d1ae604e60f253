"""What the engines have in common that write a template for another program to submit."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from transphy3d.config import Job
from transphy3d.errors import DeviceError, JobError, RunError
from transphy3d.farm.engines import Facts
from transphy3d.files import write_text
from transphy3d.job import identity, paths_of
from transphy3d.progress import Progress


class TemplateEngine:
    """Writes a template beside the run and says how to submit it.

    A subclass says `name`, `file_name`, `describe`, `submit`, a command with {file} or {folder} for
    where the template lies, and, if it likes, `check`.
    """

    name = ""
    foreground = False
    file_name = ""
    submit = ""

    def check(self, job: Job, root: Path) -> None:
        """See `transphy3d.farm.engines.Engine`."""

    def describe(self, job: Job, root: Path) -> str:
        """The template."""
        raise NotImplementedError

    def start(self, job: Job, root: Path, progress: Progress) -> Facts:
        """Write the template into the run directory."""
        file = root.resolve() / self.file_name
        write_text(file, self.describe(job, root))
        names = {"file": shlex.quote(str(file)), "folder": shlex.quote(str(file.parent))}
        command = self.submit.format(**names)
        progress.event("template written, submit it", command=command)
        return {"file": str(file), "submit": command}

    def is_over(self, facts: Facts) -> bool:
        """Never: others start the agents, and do not say."""
        return False

    def cancel(self, facts: Facts) -> None:
        """Nothing: agents see for themselves that the run is cancelled."""


class _Plain(yaml.SafeDumper):
    """YAML for people: nothing by reference, texts of several lines as such."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


def dump(*documents: dict[str, Any]) -> str:
    """YAML text of one or more documents."""
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=100)


def resource_name(job: Job) -> str:
    """A name for what a job starts: lower case, digits and dashes, at most 40, the same each time.

    Kubernetes takes names of RFC 1123 labels, of 63 characters with what it appends for pods.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", job.name.lower()).strip("-")[:20].strip("-")
    return f"transphy3d-{plain}-{identity(job)[:8]}"


def check_gpus(job: Job, gpus: int, engine: str) -> None:
    """Raise DeviceError where the job demands a GPU that the profile does not ask for."""
    if job.render.device == "gpu" and not gpus:
        raise DeviceError(
            f"engine {engine}: gpus: 0 gives agents no GPU, but the job says render.device: gpu; "
            "set gpus: 1 in the profile, or let the job say auto or cpu"
        )


def check_visible(job: Job, root: Path, shared: Path, key: str) -> None:
    """Raise RunError or JobError for what agents would not see, because it is not in `shared`.

    key : of the profile, that names the folder
    """
    if not root.resolve().is_relative_to(shared):
        raise RunError(
            f"{root}: is not in {shared}, which agents see as the profile's {key} says; choose a "
            "run directory there with OUT=... or --out"
        )
    for path in paths_of(job):
        if not Path(path).is_relative_to(shared):
            raise JobError(
                f"{path}: is not in {shared}, which agents see as the profile's {key} says; copy "
                "it there and name it so in the job"
            )
