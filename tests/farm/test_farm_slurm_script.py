"""The batch scripts that the Slurm engine writes, and the profiles that they are written from."""

import re
import subprocess
from pathlib import Path

import pytest

from transphy3d.errors import JobError
from transphy3d.farm.engines import slurm_commands
from transphy3d.farm.engines.slurm import create, with_room
from transphy3d.farm.engines.slurm_profile import Container, Finishing, SlurmProfile, seconds_of
from transphy3d.farm.engines.slurm_script import scripts, task_count
from transphy3d.job import load_job
from transphy3d.library import builtin

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path("/shared/runs/bottles")


def golden_profile(name):
    return create(GOLDEN / f"{name}.yaml", None).profile


@pytest.mark.parametrize("name", ["slurm_gpu", "slurm_apptainer", "slurm_pyxis"])
def test_scripts_are_the_golden_ones(name):
    made = scripts(golden_profile(name), "bottles", ROOT, 11_000, excluded=["node7"])
    assert made.work == (GOLDEN / f"{name}_work.sh").read_text()
    assert made.finish == (GOLDEN / f"{name}_finish.sh").read_text()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.sh")), ids=lambda p: p.name)
def test_the_shell_accepts_the_scripts(path):
    said = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")


def test_a_dry_run_needs_neither_slurm_nor_a_run_directory():
    text = create(None, 5).describe(load_job("smoke", ["sequences=100"]), ROOT)
    assert "#SBATCH --array=0-24%5\n" in text
    assert "finish --out" in text


@pytest.mark.parametrize(
    ("units", "settings", "tasks"),
    [
        (11_000, {}, 1001),
        (11_000, {"units_per_task": 50}, 220),
        (9, {"units_per_task": 4}, 3),
        (9, {"units_per_task": 4, "array_limit": 2}, 2),
        (0, {}, 1),
    ],
)
def test_tasks_take_several_units_and_stay_below_the_limit_of_an_array(units, settings, tasks):
    assert task_count(SlurmProfile(**settings), units) == tasks


@pytest.mark.parametrize(
    ("alive", "units", "tasks", "parallel"),
    [(0, 11_000, 1001, 32), (1, 11_000, 1000, 31), (30, 122, 1, 2), (3, 20, 2, 29)],
)
def test_tasks_that_live_leave_the_others_to_submit(alive, units, tasks, parallel):
    made = scripts(with_room(SlurmProfile(), alive, units), "x", ROOT, units)
    assert f"#SBATCH --array=0-{tasks - 1}%{min(tasks, parallel)}\n" in made.work


@pytest.mark.parametrize(("alive", "units"), [(32, 11_000), (1, 4), (5, 18)])
def test_enough_tasks_that_live_leave_none(alive, units):
    assert with_room(SlurmProfile(), alive, units) is None


def test_names_with_spaces_and_percent_signs_survive_the_shell_and_slurm():
    made = scripts(SlurmProfile(), "x", Path("/shared/my runs/50%"), 1)
    assert "#SBATCH --output='/shared/my runs/50%%/logs/slurm/%A_%a.txt'\n" in made.work
    assert "\nrun='/shared/my runs/50%'\n" in made.work


def test_workers_are_agents_of_which_a_task_has_one_for_each_gpu(tmp_path):
    file = tmp_path / "profile.yaml"
    file.write_text("gpus: 4\n")
    assert create(file, 10).profile.parallel == 3


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        *(("gpu", 1), ("gpu:2", 2), ("gpu:a100", 1), ("gpu:a100:2", 2)),
        *(("gpu:a100:1,gpu:v100:1", 2), ("nvme:900,gpu:4", 4), ("mig:1", 1)),
    ],
)
def test_resources_are_asked_for_as_the_profile_says(gres, gpus):
    assert SlurmProfile(gpus=gpus, gres=gres).resources == gres


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        *(("90", 5400), ("90:30", 5430), ("1:30:00", 5400)),
        *(("1-12", 129600), ("1-12:30", 131400), ("1-0:0:5", 86405)),
    ],
)
def test_times_are_read_as_sbatch_reads_them(time, seconds):
    assert seconds_of(time) == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("partiton: gpu\n", ["partiton: unknown key", "did you mean 'partition'?"]),
        ("finish: {cpu: 2}\n", ["finish.cpu: unknown key", "did you mean 'cpus'?"]),
        ("time: 12:00:00\n", ["time: YAML reads it as a number", "in quotes", "(value 43200)"]),
        ("time: 3 days\n", ["time: '3 days' is no time", "12:00:00"]),
        ("time: '1:00'\nsignal_seconds: 90\n", ["signal_seconds", "lower it", "(value 90)"]),
        (
            "gpus: 2\ngres: gpu:a100:1\n",
            ["gres: its number", "gpus: 2", "(value 'gpu:a100:1')"],
        ),
        ("gpus: 0\ngres: gpu\n", ["gres: its number", "gpus: 0"]),
        ("memory: much\n", ["memory", "(value 'much')"]),
        ("container: {runtime: docker, image: x}\n", ["container.runtime", "'apptainer'"]),
        ("sbatch: [exclusive]\n", ["sbatch.0", "(value 'exclusive')"]),
        ("gpus: 1\ngpus: 2\n", ["'gpus' is given twice"]),
    ],
)
def test_a_wrong_profile_is_named_with_file_key_value_and_remedy(tmp_path, text, words):
    file = tmp_path / "site.yaml"
    file.write_text(text)
    with pytest.raises(JobError) as error:
        create(file, None)
    for word in ["site.yaml", *words]:
        assert word in str(error.value)


def test_the_example_profile_is_valid_and_shows_the_defaults():
    path = builtin("jobs") / "profiles" / "slurm.yaml"
    assert create(path, None).profile == SlurmProfile()
    for model in (SlurmProfile, Finishing, Container):
        for key in model.model_fields:
            assert re.search(rf"^(# +)?{key}:", path.read_text(), re.MULTILINE), key


def test_the_profiles_of_the_documentation_are_valid(tmp_path):
    page = builtin("jobs").parent / "docs" / "farm-slurm.md"
    shown = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(shown) == 2
    for text in shown:
        (tmp_path / "site.yaml").write_text(text)
        create(tmp_path / "site.yaml", None)


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (
            "Batch job submission failed: Invalid account or account/partition combination",
            "account",
        ),
        ("allocation failure: Requested time limit is invalid (missing or exceeds limit)", "time"),
        ("Batch job submission failed: Invalid qos specification", "qos"),
        ("error: Invalid generic resource (gres) specification", "gres"),
        ("error: Memory specification can not be satisfied", "memory"),
        ("error: QOSMaxSubmitJobPerUserLimit Job violates accounting/QOS policy", "units_per_task"),
        ("sbatch: unrecognized option '--exclusiv'", "sbatch"),
        ("allocation failure: Unable to contact slurm controller", "try again"),
        ("something new", "ask those who run the cluster"),
    ],
)
def test_an_error_of_slurms_comes_with_the_key_to_look_at(said, key):
    assert key in slurm_commands.remedy(said)
