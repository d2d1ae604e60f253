"""The engine for Kubernetes: a manifest of an Indexed Job of agents, and of a Job that finishes.

The fields are those of batch/v1 in Kubernetes 1.33 and later, where retries by index are stable.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field, field_validator

from transphy3d.config import Job, Section
from transphy3d.errors import Interrupted, JobError
from transphy3d.farm.blender_process import stop_environment
from transphy3d.farm.engines.template import (
    TemplateEngine,
    check_gpus,
    check_visible,
    dump,
    resource_name,
)
from transphy3d.farm.profile import load_profile

NAME = "kubernetes"
SCRATCH = "/scratch"
KERNELS = "/kernels"
AGENT = 'exec transphy3d work --out "$RUN" --share "$JOB_COMPLETION_INDEX/$AGENTS" --progress plain'
FINISH = 'exec transphy3d finish --out "$RUN" --wait --progress plain'

Quantity = Annotated[str, Field(pattern=r"^\d+(\.\d+)?([EPTGMk]i?|m)?$")]
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
Manifest = dict[str, Any]


class KubernetesProfile(Section):
    """Settings of one cluster."""

    image: str = Field(description="container image that holds transphy3d")
    claim: Label = Field(description="PersistentVolumeClaim that many nodes may write to")
    mount: str = Field(
        description="where that volume is mounted, in pods and on the machine that plans"
    )
    namespace: Label | None = Field(None, description="null takes that of kubectl's context")
    agents: Annotated[int, Field(ge=1, le=100_000)] = Field(8, description="agents, one a pod")
    parallel: Annotated[int, Field(ge=1)] | None = Field(
        None, description="pods at a time; null is all of them"
    )
    gpus: Annotated[int, Field(ge=0, le=1)] = Field(
        1, description="GPUs of a pod; 0 renders on CPU cores"
    )
    gpu_resource: str = Field("nvidia.com/gpu", description="name of the resource, or of a share")
    cpus: Annotated[int, Field(ge=1)] = Field(8, description="CPU cores of a pod")
    memory: Quantity = Field("32Gi", description="memory of a pod")
    scratch: Quantity = Field("20Gi", description="the node's own disk for unpublished sequences")
    kernels: str | None = Field(
        None,
        description="folder of the nodes that keeps compiled render kernels and that `user` may "
        "write to; null compiles them once a pod",
    )
    user: Annotated[int, Field(ge=1)] | None = Field(
        1000, description="user id that owns the run directory; null takes the image's"
    )
    group: Annotated[int, Field(ge=1)] | None = Field(1000, description="its group id")
    grace_seconds: Annotated[int, Field(ge=30)] = Field(
        300, description="from the end of a pod being asked for to its being killed; frames end"
    )
    retries: Annotated[int, Field(ge=0)] = Field(
        6, description="failures of an agent, preemptions not counted, before it is given up"
    )
    priority_class: Label | None = Field(None, description="priority of the pods")
    runtime_class: Label | None = Field(None, description="as `nvidia`, where the cluster needs it")
    service_account: Label | None = Field(None, description="null takes the namespace's default")
    pull_secrets: list[Label] = Field([], description="secrets for the image's registry")
    node_selector: dict[str, str] = Field({}, description="labels that nodes must have")
    tolerations: list[dict[str, Any]] = Field([], description="as Kubernetes writes them")
    environment: dict[str, str] = Field({}, description="variables to set in the pods")

    @field_validator("mount", "kernels")
    @classmethod
    def _is_absolute(cls, value: str | None) -> str | None:
        if value is not None and not PurePosixPath(value).is_absolute():
            raise ValueError("must begin with /")
        return value


def create(profile: Path | None, workers: int | None) -> KubernetesEngine:
    """The engine with a cluster's profile; `workers` pods at a time instead of what it says."""
    settings = load_profile(KubernetesProfile, profile, NAME)
    if workers:
        settings = settings.model_copy(update={"agents": workers, "parallel": None})
    return KubernetesEngine(settings)


class KubernetesEngine(TemplateEngine):
    """See `transphy3d.farm.engines.Engine`."""

    name = NAME
    file_name = "kubernetes.yaml"
    submit = "kubectl apply -f {file}"

    def __init__(self, profile: KubernetesProfile) -> None:
        self.profile = profile

    def check(self, job: Job, root: Path) -> None:
        """Raise RunError, JobError or DeviceError for what would fail in the pods."""
        check_gpus(job, self.profile.gpus, NAME)
        check_visible(job, root, Path(self.profile.mount), "mount")
        if any(name in self.profile.environment for name in ("RUN", "AGENTS")):
            raise JobError("engine kubernetes: environment: RUN and AGENTS are set by the engine")

    def describe(self, job: Job, root: Path) -> str:
        """Both manifests as one YAML file."""
        return dump(*manifests(self.profile, job, root))


def manifests(profile: KubernetesProfile, job: Job, root: Path) -> list[Manifest]:
    """The Job of agents and the Job that waits for them and finishes the run."""
    return [_agents(profile, job, root), _finish(profile, job, root)]


def _agents(profile: KubernetesProfile, job: Job, root: Path) -> Manifest:
    spec = {
        "completionMode": "Indexed",
        "completions": profile.agents,
        "parallelism": min(profile.parallel or profile.agents, profile.agents),
        "backoffLimitPerIndex": profile.retries,
        "podFailurePolicy": {"rules": _failure_rules()},
    }
    gpu = {profile.gpu_resource: str(profile.gpus)} if profile.gpus else {}
    pod = _pod(profile, root, "agent", AGENT, gpu)
    return _job(profile, resource_name(job), spec, pod)


def _finish(profile: KubernetesProfile, job: Job, root: Path) -> Manifest:
    spec = {"backoffLimit": profile.retries, "podFailurePolicy": {"rules": _failure_rules()}}
    pod = _pod(profile, root, "finish", FINISH, {})
    return _job(profile, f"{resource_name(job)}-finish", spec, pod)


def _failure_rules() -> list[Manifest]:
    """What a pod's end means: pods that were interrupted come again without being counted.

    DisruptionTarget is preemption, a drained node, an eviction. A faulty job fails everywhere.
    """
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "Ignore", "onExitCodes": _exit_code(Interrupted.exit_code)},
        {"action": "FailJob", "onExitCodes": _exit_code(JobError.exit_code)},
    ]


def _exit_code(code: int) -> Manifest:
    return {"operator": "In", "values": [code]}


def _job(profile: KubernetesProfile, name: str, spec: Manifest, pod: Manifest) -> Manifest:
    labels = {"app.kubernetes.io/name": "transphy3d", "app.kubernetes.io/instance": name}
    place = {"namespace": profile.namespace} if profile.namespace else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, **place, "labels": labels},
        "spec": {**spec, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def _pod(
    profile: KubernetesProfile, root: Path, name: str, command: str, gpu: dict[str, str]
) -> Manifest:
    volumes = _volumes(profile)
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": profile.grace_seconds,
        **_placement(profile, bool(gpu)),
        "containers": [_container(profile, root, name, command, gpu)],
        "volumes": [volume for volume, _ in volumes],
    }


def _placement(profile: KubernetesProfile, on_gpu_nodes: bool) -> Manifest:
    """Where pods run and as whom; the finishing pod needs none of the GPU nodes' settings."""
    user = {"runAsUser": profile.user, "runAsGroup": profile.group}
    security = {key: value for key, value in user.items() if value is not None}
    found: Manifest = {
        "priorityClassName": profile.priority_class,
        "serviceAccountName": profile.service_account,
        "imagePullSecrets": [{"name": name} for name in profile.pull_secrets],
        "securityContext": {"runAsNonRoot": True, **security},
    }
    if on_gpu_nodes or not profile.gpus:
        found |= {
            "runtimeClassName": profile.runtime_class,
            "nodeSelector": profile.node_selector,
            "tolerations": profile.tolerations,
        }
    return {key: value for key, value in found.items() if value}


def _container(
    profile: KubernetesProfile, root: Path, name: str, command: str, gpu: dict[str, str]
) -> Manifest:
    asked = {"cpu": str(profile.cpus), "memory": profile.memory, **gpu}
    return {
        "name": name,
        "image": profile.image,
        "command": ["sh", "-c", command],
        "env": [{"name": key, "value": value} for key, value in _environment(profile, root)],
        "resources": {"requests": asked, "limits": asked},
        "volumeMounts": [mount for _, mount in _volumes(profile)],
    }


def _environment(profile: KubernetesProfile, root: Path) -> list[tuple[str, str]]:
    caches = {"OPTIX_CACHE_PATH": f"{KERNELS}/optix", "CUDA_CACHE_PATH": f"{KERNELS}/cuda"}
    ours = {"RUN": str(root.resolve()), "AGENTS": str(profile.agents), "HOME": SCRATCH}
    ours |= {"TRANSPHY3D_SCRATCH": SCRATCH, **(caches if profile.kernels else {})}
    ours |= stop_environment(profile.grace_seconds)
    return list({**ours, **profile.environment}.items())


def _volumes(profile: KubernetesProfile) -> list[tuple[Manifest, Manifest]]:
    """Volumes, each with its mount: the run, the node's disk, compiled kernels."""
    run = {"persistentVolumeClaim": {"claimName": profile.claim}}
    pairs = [
        _volume("run", run, profile.mount),
        _volume("scratch", {"emptyDir": {"sizeLimit": profile.scratch}}, SCRATCH),
        _volume("shm", {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}, "/dev/shm"),
    ]
    if profile.kernels:
        node = {"hostPath": {"path": profile.kernels, "type": "Directory"}}
        pairs.append(_volume("kernels", node, KERNELS))
    return pairs


def _volume(name: str, source: Manifest, path: str) -> tuple[Manifest, Manifest]:
    return {"name": name, **source}, {"name": name, "mountPath": path}
