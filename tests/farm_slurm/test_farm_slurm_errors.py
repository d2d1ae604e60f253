"""What is found wrong with a profile, a job or a folder on a real Slurm, before anything starts."""

import pytest
from slurm_run import SlurmRun, write_profile

from transphy3d.errors import DeviceError, JobError, RunError
from transphy3d.farm.engines.slurm import create
from transphy3d.job import load_job


def check(folder, *settings, **changes):
    """Check a job of one sequence with a profile that differs so from the test's."""
    job = load_job("smoke", ["sequences=1", *settings])
    create(write_profile(folder, **changes), None).check(job, folder / "run")


def test_a_profile_that_fits_the_cluster(slurm, tmp_path):
    check(tmp_path)
    check(tmp_path, gpus=0, partition="gpu,cpu", finish={"memory": "1G", "time": "10"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"partition": "gpux"}, ["partition: ", "'gpux'", "did you mean 'gpu'?"]),
        ({"partition": "gpu,nights"}, ["'nights'", "there are gpu, urgent, cpu, bare"]),
        ({"finish": {"partition": "cpus"}}, ["finish.partition", "did you mean 'cpu'?"]),
        ({"time": "05:00:00"}, ["time: 05:00:00", "1:00:00", "partition gpu", "lower it"]),
        ({"finish": {"time": "1-0"}}, ["finish.time: 1-0", "lower it"]),
        ({"array_limit": 1000}, ["takes 101 in an array; write array_limit: 101"]),
    ],
)
def test_a_key_that_the_cluster_answers_to_with_no(slurm, tmp_path, changes, words):
    with pytest.raises(JobError) as error:
        check(tmp_path, "sequences=200", **changes)
    for word in ["profile.yaml: ", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gpus": 9}, ["tasks: ", "gpus, cpus, memory, constraint: ask for less"]),
        ({"finish": {"cpus": 99, "time": None}}, ["finish: ", "ask for less"]),
        ({"gres": "tpu:1"}, ["gres: ask for GPUs as"]),
        ({"constraint": "a100"}, ["constraint: name features"]),
        ({"exclude": ["n7"]}, ["exclude: name nodes"]),
        ({"memory": "900G"}, ["memory", "ask for less"]),
        ({"sbatch": ["--exclusiv=no"]}, ["--exclusiv", "sbatch: "]),
    ],
)
def test_what_slurm_itself_refuses_comes_with_a_remedy(slurm, tmp_path, changes, words):
    with pytest.raises(RunError) as error:
        check(tmp_path, **changes)
    for word in ["profile.yaml: ", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        (["/nowhere"], ["profile.yaml names as shared", "(/nowhere)", "--out"]),
        ([], ["other nodes do not see this folder", "`shared`"]),
    ],
)
def test_a_run_directory_that_nodes_do_not_share(slurm, tmp_path, shared, words):
    with pytest.raises(RunError) as error:
        check(tmp_path, shared=shared)
    for word in words:
        assert word in str(error.value)


def test_a_file_of_the_job_that_nodes_do_not_share(slurm, tmp_path, tmp_path_factory):
    mesh = tmp_path_factory.mktemp("elsewhere") / "cup.glb"
    mesh.write_bytes(b"glTF")
    settings = (f"objects.meshes=[{{path: {mesh}}}]", "objects.sources={meshes: 1}")
    with pytest.raises(JobError, match=r"cup\.glb: lies in none .* copy it there"):
        check(tmp_path, *settings)


def test_gpus_that_are_demanded_and_missing(slurm, tmp_path):
    with pytest.raises(DeviceError, match=r"no node of partition bare has any.* gpus: 0"):
        check(tmp_path, partition="bare")
    with pytest.raises(DeviceError, match="gpus: 0 gives tasks no GPU"):
        check(tmp_path, "render.device=gpu", gpus=0)


def test_a_machine_without_slurm(slurm, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RunError, match=r"sbatch, squeue, .* not found; run this on a login node"):
        check(tmp_path)


def test_after_an_error_nothing_is_submitted_or_planned(slurm, tmp_path):
    run = SlurmRun(tmp_path / "run", write_profile(tmp_path, partition="gpux"))
    assert "did you mean 'gpu'?" in run.render(sequences=1, code=JobError.exit_code)
    assert not (run.out / "plan.json").exists()
    assert slurm.call("squeue", "--noheader") == ""
