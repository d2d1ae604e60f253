"""What the Ray engine says before it needs any Ray."""

import sys

import pytest
import yaml

from transphy3d.errors import DeviceError, JobError, PackageMissing
from transphy3d.farm.engines import make_engine
from transphy3d.farm.engines.ray import RayEngine, RayProfile
from transphy3d.job import load_job


@pytest.fixture
def without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)


def write(tmp_path, settings):
    path = tmp_path / "ray.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_a_missing_package_is_named(without_ray):
    with pytest.raises(PackageMissing, match=r"pip install 'transphy3d\[ray\]'"):
        make_engine("ray")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"adress": "head:6379"}, "adress: unknown key; did you mean 'address'"),
        ({"gpus": 2}, "gpus"),
        ({"resources": {"CPU": 4}}, "CPU has a key of its own in the profile"),
    ],
)
def test_a_faulty_profile_is_an_error_that_says_where(without_ray, tmp_path, settings, words):
    with pytest.raises(JobError, match=words) as caught:
        make_engine("ray", write(tmp_path, settings))
    assert "ray.yaml" in str(caught.value)


def test_a_job_that_demands_a_gpu_is_refused_where_none_is_asked_for(without_ray, tmp_path):
    engine = RayEngine(RayProfile(gpus=0))
    with pytest.raises(DeviceError, match="gpus: 0 gives sequences no GPU"):
        engine.check(load_job("smoke", ["render.device=gpu"]), tmp_path)


def test_a_dry_run_says_what_each_task_asks_for_and_runs(without_ray, tmp_path):
    profile = RayProfile(address="head:6379", gpus=0.5, cpus=4, resources={"farm": 1})
    text = RayEngine(profile).describe(load_job("smoke", ["sequences=7"]), tmp_path)
    assert "head:6379" in text
    assert "7 tasks of CPU 4, GPU 0.5, farm 1" in text
    assert f"transphy3d work --out {tmp_path} --unit 0 ... 6" in text
