"""Templates for Kubernetes and Open Job Description: valid, and they do the work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from command_line import command, run_cli
from openjd.model import DocumentType, decode_job_template, document_string_to_object

from transphy3d.doctor import PACKAGES
from transphy3d.errors import DeviceError, JobError, RunError
from transphy3d.farm.engines import make_engine
from transphy3d.farm.engines.kubernetes import KubernetesProfile
from transphy3d.farm.engines.openjd import OpenJDProfile
from transphy3d.farm.engines.ray import RayProfile
from transphy3d.farm.profile import load_profile
from transphy3d.job import load_job
from transphy3d.library import builtin

TINY = [
    "frames=2",
    "width=32",
    "height=24",
    "render.device=cpu",
    "run.threads=1",
    "output.videos=0",
]
KUBERNETES_VERSIONS = ("1.33", "1.37")
PODS = {"image": "registry.example/transphy3d:1", "claim": "runs", "mount": "/runs"}
EVERYTHING = PODS | {
    "namespace": "render",
    "agents": 16,
    "parallel": 4,
    "kernels": "/var/cache/kernels",
    "priority_class": "low",
    "runtime_class": "nvidia",
    "service_account": "render",
    "pull_secrets": ["registry"],
    "node_selector": {"gpu": "a100"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "environment": {"TZ": "UTC"},
}


@pytest.fixture
def profile(tmp_path):
    def write(settings):
        path = tmp_path / "profile.yaml"
        path.write_text(yaml.safe_dump(settings))
        return path

    return write


def manifests(profile, settings, job="smoke", root=Path("/runs/smoke")):
    engine = make_engine("kubernetes", profile(settings))
    engine.check(load_job(job), root)
    return list(yaml.safe_load_all(engine.describe(load_job(job), root)))


@pytest.mark.parametrize("settings", [PODS, EVERYTHING, PODS | {"gpus": 0, "user": None}])
@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_manifests_fit_the_schema_of_kubernetes(profile, settings, version):
    for manifest in manifests(profile, settings):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schema_would_tell_a_wrong_field(profile):
    manifest = manifests(profile, PODS)[0]
    manifest["spec"]["backoffLimitPerIndx"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, KUBERNETES_VERSIONS[0], strict=True)


def test_pods_that_are_interrupted_come_again_without_being_counted(profile):
    spec = manifests(profile, EVERYTHING)[0]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 16, 4)
    assert spec["backoffLimitPerIndex"] > 0
    ignored = [rule for rule in spec["podFailurePolicy"]["rules"] if rule["action"] == "Ignore"]
    assert any("DisruptionTarget" in str(rule) for rule in ignored)
    assert [75] in [rule["onExitCodes"]["values"] for rule in ignored if "onExitCodes" in rule]


def test_a_pod_asks_for_its_gpu_and_the_finishing_one_does_not(profile):
    agents, finish = manifests(profile, EVERYTHING)
    limits = [m["spec"]["template"]["spec"]["containers"][0]["resources"] for m in (agents, finish)]
    assert limits[0]["limits"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in limits[1]["limits"]
    assert "nodeSelector" not in finish["spec"]["template"]["spec"]


def test_pods_give_the_frame_at_hand_what_their_grace_leaves(profile):
    for manifest in manifests(profile, PODS | {"grace_seconds": 600}):
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["terminationGracePeriodSeconds"] == 600
        assert {"name": "TRANSPHY3D_STOP_SECONDS", "value": "570"} in container["env"]


def test_the_commands_of_the_pods_make_the_whole_run(profile, tmp_path):
    settings = PODS | {"mount": str(tmp_path), "agents": 2, "gpus": 0}
    out = tmp_path / "run"
    options = ["--engine", "kubernetes", "--profile", profile(settings), "--progress", "json"]
    overrides = [word for text in TINY for word in ("--set", text)]
    said = run_cli("render", "smoke", "--out", out, *options, *overrides)
    assert said.returncode == 0, said.stderr
    assert "kubectl apply -f" in said.stderr

    pods = [
        manifest["spec"]["template"]["spec"]["containers"][0]
        for manifest in yaml.safe_load_all((out / "kubernetes.yaml").read_text())
    ]
    for pod, index in zip((pods[0], pods[0], pods[1]), "01x", strict=True):
        scratch = tmp_path / f"scratch{index}"
        scratch.mkdir()
        given = {item["name"]: item["value"] for item in pod["env"]}
        given |= {"JOB_COMPLETION_INDEX": index, "TRANSPHY3D_SCRATCH": str(scratch)}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | given | {"PATH": path, "HOME": os.environ["HOME"]}
        done = subprocess.run(pod["command"], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert run_cli("verify", out / "shards").returncode == 0
    assert run_cli("status", "--out", out).returncode == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image": "i", "claim": "c", "mout": "/runs"}, "mout: unknown key; did you mean 'mount'"),
        ({"image": "i", "claim": "c"}, "mount: is missing; add it"),
        (PODS | {"mount": "runs"}, "must begin with /"),
        (PODS | {"memory": "32 GB"}, "memory"),
        (PODS | {"environment": {"RUN": "/x"}}, "RUN and AGENTS are set by the engine"),
    ],
)
def test_a_faulty_profile_is_an_error_that_says_where(profile, settings, words):
    with pytest.raises(JobError, match=words):
        manifests(profile, settings)


def test_what_pods_would_not_see_is_an_error(profile, tmp_path):
    with pytest.raises(RunError, match="is not in /runs"):
        manifests(profile, PODS, root=tmp_path)
    plugin = tmp_path / "mine.py"
    plugin.write_text("")
    job = tmp_path / "job.yaml"
    job.write_text(yaml.safe_dump({"base": "smoke", "plugins": [str(plugin)]}))
    with pytest.raises(JobError, match=r"mine.py: is not in /runs"):
        manifests(profile, PODS, job=job)


@pytest.mark.parametrize(("name", "settings"), [("kubernetes", PODS), ("openjd", {"agents": 1})])
def test_a_job_that_demands_a_gpu_is_refused_without_one(profile, name, settings):
    engine = make_engine(name, profile(settings | {"gpus": 0}))
    with pytest.raises(DeviceError, match="gpus: 0 gives agents no GPU"):
        engine.check(load_job("smoke", ["render.device=gpu"]), Path("/runs/smoke"))


def test_a_template_of_open_job_description_is_valid(profile):
    engine = make_engine("openjd", profile({"agents": 40, "environment": {"TZ": "UTC"}}))
    text = engine.describe(load_job("smoke"), Path("/runs/smoke"))
    data = document_string_to_object(document=text, document_type=DocumentType.YAML)
    template = decode_job_template(template=data)
    assert [step.name for step in template.steps] == ["Agents", "Finish"]
    (scratch,) = template.jobEnvironments
    assert scratch.variables == {"TRANSPHY3D_STOP_SECONDS": "270", "TZ": "UTC"}
    assert [amount.name for amount in template.steps[0].hostRequirements.amounts][-1].endswith(
        "gpu"
    )


def test_open_job_description_runs_the_whole_job(profile, tmp_path):
    out = tmp_path / "run"
    call = " ".join(command()[:1])
    settings = {"agents": 2, "gpus": 0, "cpus": 1, "memory": 512, "command": str(tmp_path / "cli")}
    (tmp_path / "cli").write_text(f'#!/bin/sh\nexec {call} -m transphy3d "$@"\n')
    (tmp_path / "cli").chmod(0o755)
    overrides = [word for text in TINY for word in ("--set", text)]
    options = ["--engine", "openjd", "--profile", profile(settings), "--progress", "json"]
    said = run_cli("render", "smoke", "--out", out, *options, *overrides)
    assert said.returncode == 0, said.stderr
    openjd = [str(Path(sys.executable).with_name("openjd")), "run", str(out / "template.yaml")]
    done = subprocess.run(
        [*openjd, "--step", "Finish", "--run-dependencies"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert run_cli("verify", out / "shards").returncode == 0
    status = json.loads(run_cli("status", "--out", out, "--json").stdout)
    assert status["published"] == 2


def test_open_job_description_refuses_a_worker_without_the_run(profile, tmp_path):
    engine = make_engine("openjd", profile({"agents": 1, "gpus": 0, "cpus": 1, "memory": 512}))
    (tmp_path / "template.yaml").write_text(engine.describe(load_job("smoke"), tmp_path))
    openjd = [str(Path(sys.executable).with_name("openjd")), "run", str(tmp_path / "template.yaml")]
    done = subprocess.run([*openjd, "--step", "Agents"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "is not the run directory on this worker" in done.stdout


@pytest.mark.parametrize("recipe", ["Dockerfile", "transphy3d.def"])
def test_container_recipes_hold_every_library_and_all_of_the_driver(recipe):
    text = (Path(__file__).parents[2] / "docs/container" / recipe).read_text()
    assert {debian for debian, _ in PACKAGES.values()} <= set(text.split())
    assert "NVIDIA_DRIVER_CAPABILITIES=all" in text


@pytest.mark.parametrize(
    ("kind", "name"),
    [(RayProfile, "ray"), (KubernetesProfile, "kubernetes"), (OpenJDProfile, "openjd")],
)
def test_a_profile_to_copy_names_every_key_with_its_default(kind, name):
    path = builtin("jobs") / "profiles" / f"{name}.yaml"
    given = yaml.safe_load(path.read_text())
    assert given.keys() == kind.model_fields.keys()
    needed = {key: given[key] for key, field in kind.model_fields.items() if field.is_required()}
    assert load_profile(kind, path, name) == kind.model_validate(needed)
