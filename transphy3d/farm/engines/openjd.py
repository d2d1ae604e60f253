"""The engine for Open Job Description: a job template, as AWS Deadline Cloud takes them.

See the specification's "2023-09" template schemas, github.com/OpenJobDescription.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from transphy3d.config import Job, Section
from transphy3d.farm.blender_process import stop_environment
from transphy3d.farm.engines.template import TemplateEngine, check_gpus, dump, resource_name
from transphy3d.farm.profile import load_profile

NAME = "openjd"
RUN = "{{Param.RunDirectory}}"
SCRATCH = "{{Session.WorkingDirectory}}/scratch"
ENTER = f"""\
#!/bin/sh
if ! test -f '{RUN}/plan.json'; then
    echo 'openjd_fail: {RUN} is not the run directory on this worker; mount what holds it'
    exit 1
fi
mkdir -p '{SCRATCH}'
echo 'openjd_env: TRANSPHY3D_SCRATCH={SCRATCH}'
"""
EXIT = f"""\
#!/bin/sh
rm -rf -- '{SCRATCH}'
"""
MOST_AGENTS = 1024  # of a task parameter's range, as the specification limits it

Template = dict[str, Any]


class OpenJDProfile(Section):
    """Settings of one farm."""

    agents: Annotated[int, Field(ge=1, le=MOST_AGENTS)] = Field(8, description="agents, one a task")
    gpus: Annotated[int, Field(ge=0, le=1)] = Field(
        1, description="GPUs of a worker; 0 renders on CPU cores"
    )
    cpus: Annotated[int, Field(ge=1)] = Field(4, description="least CPU cores of a worker")
    memory: Annotated[int, Field(ge=512)] = Field(16384, description="least memory, MiB")
    notice_seconds: Annotated[int, Field(ge=30, le=600)] = Field(
        300, description="from a task's end being asked for to its being killed; frames end"
    )
    command: str = Field("transphy3d", description="how transphy3d is called on workers")
    environment: dict[str, str] = Field({}, description="variables to set on workers")


def create(profile: Path | None, workers: int | None) -> OpenJDEngine:
    """The engine with a farm's profile; `workers` agents instead of what it says."""
    settings = load_profile(OpenJDProfile, profile, NAME)
    return OpenJDEngine(settings.model_copy(update={"agents": workers}) if workers else settings)


class OpenJDEngine(TemplateEngine):
    """See `transphy3d.farm.engines.Engine`."""

    name = NAME
    file_name = "template.yaml"  # as a bundle of Deadline Cloud must call it
    submit = "deadline bundle submit {folder}"

    def __init__(self, profile: OpenJDProfile) -> None:
        self.profile = profile

    def check(self, job: Job, root: Path) -> None:
        """Raise DeviceError where the job demands a GPU that is not asked for."""
        check_gpus(job, self.profile.gpus, NAME)

    def describe(self, job: Job, root: Path) -> str:
        """The template as YAML."""
        return dump(template(self.profile, job))


def template(profile: OpenJDProfile, job: Job) -> Template:
    """A job of two steps: agents, one a task, and then what finishes the run."""
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "name": resource_name(job),
        "parameterDefinitions": [_run_parameter()],
        "jobEnvironments": [_environment(profile)],
        "steps": [_agents(profile), _finish(profile)],
    }


def _run_parameter() -> Template:
    """The run directory; it is not transferred, but mapped where workers mount it elsewhere.

    A path that is given in a template must be relative to the template's folder, which is the run
    directory.
    """
    return {
        "name": "RunDirectory",
        "type": "PATH",
        "objectType": "DIRECTORY",
        "dataFlow": "NONE",
        "default": ".",
        "description": "run directory, on a disk that all workers share",
    }


def _environment(profile: OpenJDProfile) -> Template:
    variables = {**stop_environment(profile.notice_seconds), **profile.environment}
    actions = {"onEnter": _script("Enter"), "onExit": _script("Exit")}
    files = [_file("Enter", ENTER), _file("Exit", EXIT)]
    script = {"actions": actions, "embeddedFiles": files}
    return {"name": "Scratch", "variables": variables, "script": script}


def _script(name: str) -> Template:
    return {"command": f"{{{{Env.File.{name}}}}}"}


def _file(name: str, text: str) -> Template:
    return {"name": name, "type": "TEXT", "runnable": True, "data": text}


def _agents(profile: OpenJDProfile) -> Template:
    share = f"{{{{Task.Param.Share}}}}/{profile.agents}"
    shares = {"name": "Share", "type": "INT", "range": f"0-{profile.agents - 1}"}
    gpu = [{"name": "amount.worker.gpu", "min": profile.gpus}] if profile.gpus else []
    return {
        "name": "Agents",
        "parameterSpace": {"taskParameterDefinitions": [shares]},
        "hostRequirements": _requirements(profile, gpu),
        "script": {"actions": {"onRun": _action(profile, "work", "--share", share)}},
    }


def _finish(profile: OpenJDProfile) -> Template:
    return {
        "name": "Finish",
        "dependencies": [{"dependsOn": "Agents"}],
        "hostRequirements": _requirements(profile, []),
        "script": {"actions": {"onRun": _action(profile, "finish")}},
    }


def _requirements(profile: OpenJDProfile, more: list[Template]) -> Template:
    cpus = {"name": "amount.worker.vcpu", "min": profile.cpus}
    memory = {"name": "amount.worker.memory", "min": profile.memory}
    linux = {"name": "attr.worker.os.family", "anyOf": ["linux"]}
    return {"amounts": [cpus, memory, *more], "attributes": [linux]}


def _action(profile: OpenJDProfile, name: str, *arguments: str) -> Template:
    """A command that is told to stop, and has `notice_seconds` for the frame at hand."""
    return {
        "command": profile.command,
        "args": [name, "--out", RUN, *arguments, "--progress", "plain"],
        "cancelation": {
            "mode": "NOTIFY_THEN_TERMINATE",
            "notifyPeriodInSeconds": profile.notice_seconds,
        },
    }
