"""Runs on a real Slurm with a real Blender, and what clusters do to them."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass

import pytest
from blender_faults import blender_faults
from command_line import run_cli
from slurm_cluster import SlurmCluster, wait_for
from slurm_run import (
    FEW_PICTURES,
    WAIT_SECONDS,
    SlurmRun,
    Worker,
    agent_of,
    contents,
    leftovers,
    workers,
    write_profile,
)

from transphy3d.farm.engines.slurm_script import RESTARTS
from transphy3d.shards.verify import verify

SEQUENCES = 8  # as conftest's undisturbed run
POISONED = 7
END_SECONDS = 600.0
FEW_ARE_MADE = f"made >= {FEW_PICTURES}"


def jobs_end(cluster: SlurmCluster) -> None:
    wait_for(lambda: not cluster.call("squeue", "--noheader"), "no job is left", END_SECONDS)


@dataclass(frozen=True)
class Story:
    """A run to which everything happened, and the workers that were hit."""

    run: SlurmRun
    killed: Worker
    out_of_time: Worker
    preempted: Worker
    lost_node: Worker
    last_states: dict[str, str]


@pytest.fixture(scope="module")
def story(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Two tasks, one of them submitted twice; each waits in the middle of its frames and is hit."""
    folder = tmp_path_factory.mktemp("story")
    faults = blender_faults(
        folder / "faults", crash_if=f"'units/{POISONED:06d}' in argv", hold_if=FEW_ARE_MADE
    )
    run = SlurmRun(folder / "run", write_profile(folder, units_per_task=4))
    run.render(*faults.settings, sequences=SEQUENCES)
    array = run.jobs()["array"]
    script = run.out / "logs/slurm/work.sh"
    # Where a scene was made already, the plugin is not loaded; the array inherits what it sets.
    export = ",".join(["ALL", *(f"{name}={value}" for name, value in faults.environment.items())])
    again = ("--parsable", "--array=0", "--nodelist=n1", f"--export={export}", script)
    twin = cluster.call("sbatch", *again).strip()
    wait_for(lambda: len(workers(run.out)) == 3, "three workers at once", WAIT_SECONDS)
    lost_node = run.worker(task=f"{twin}_0")
    cluster.kill_node(lost_node.node)
    killed = run.worker(task=f"{array}_0")
    os.kill(agent_of(run.out, killed.task), signal.SIGKILL)
    out_of_time = run.worker(task=f"{array}_1")
    cluster.call("scancel", "--signal=USR1", "--batch", out_of_time.task)
    wait_for(lambda: out_of_time not in workers(run.out), "the worker has stopped")
    preempted = run.worker(node="n0")
    urgent = ("--partition=urgent", "--nodelist=n0", "--exclusive", "--output=/dev/null")
    cluster.call("sbatch", *urgent, "--wrap=true")
    wait_for(lambda: preempted not in workers(run.out), "the preempted worker has stopped")
    wait_for(lambda: "DOWN" in cluster.node_state("n1"), "the node is down")
    cluster.start_node("n1")
    faults.let_go()
    jobs_end(cluster)
    states = {row["JobId"]: row["JobState"] for row in cluster.jobs()}
    return Story(run, killed, out_of_time, preempted, lost_node, states)


def test_every_sequence_is_published_once_as_in_an_undisturbed_run(story, undisturbed):
    assert contents(story.run.out) == {
        unit: sums for unit, sums in undisturbed.items() if unit != POISONED
    }
    for unit in set(range(SEQUENCES)) - {POISONED}:
        assert story.run.outcomes(unit).count("done") == 1, unit
    assert leftovers(story.run.out) == []


def test_a_task_that_runs_twice_at_once_takes_another_unit(story):
    twins = (story.killed, story.lost_node)
    assert {worker.task.partition("_")[2] for worker in twins} == {"0"}
    assert len({worker.task for worker in twins}) == len({worker.unit for worker in twins}) == 2


def test_a_poisoned_unit_is_a_dead_letter_with_its_reason(story):
    said = run_cli("dead-letters", "--out", story.run.out, "--json")
    (letter,) = [json.loads(line) for line in said.stdout.splitlines()]
    assert letter["unit"] == POISONED
    assert "SIGSEGV" in letter["reason"]
    assert f"--unit {POISONED} --retry" in letter["replay"]
    # Between the last crash and the letter, another agent may have taken it and found it used up.
    outcomes = [outcome for outcome in story.run.outcomes(POISONED) if outcome != "skipped"]
    assert outcomes == ["crash", "crash"]


def test_frames_of_a_killed_worker_are_kept(story):
    hit, following = story.run.hit_and_following(story.killed)
    assert hit["outcome"] == "running"  # nobody was left to say how it ended
    assert following["pictures_before"] >= FEW_PICTURES


@pytest.mark.parametrize("hit", ["out_of_time", "preempted"])
def test_what_is_told_to_stop_keeps_its_frames_and_counts_as_no_failure(story, hit):
    stopped, following = story.run.hit_and_following(getattr(story, hit))
    assert stopped["outcome"] == "interrupted"
    assert following["pictures_before"] >= stopped["pictures"] >= FEW_PICTURES


def test_tasks_come_back_after_each_kind_of_stop(story):
    assert "DUE TO PREEMPTION" in story.run.log(story.preempted.task)
    for worker in (story.killed, story.out_of_time):
        assert f"task {worker.task} queues again" in story.run.log()


def test_the_unit_of_a_lost_node_goes_on_elsewhere(story):
    lost, following = story.run.hit_and_following(story.lost_node)
    assert (lost["host"], lost["outcome"]) == ("n1", "running")
    assert following["pictures_before"] >= FEW_PICTURES
    assert story.run.outcomes(story.lost_node.unit)[-1] == "done"


def test_the_finishing_job_waits_for_all_and_packs_what_is_published(story):
    finish = str(story.run.jobs()["finish"])
    assert story.last_states[finish] == "FAILED"  # it says that a unit is dead
    assert verify(story.run.out / "shards") == []
    assert (story.run.out / "preview/report.html").exists()
    assert "1 of 8 sequences were set aside" in story.run.log()


def test_each_agent_sees_the_gpu_that_slurm_gave_it(story):
    at_once = [story.run.hit_and_following(w)[0] for w in (story.killed, story.out_of_time)]
    assert sorted((t["host"], t["device"]) for t in at_once) == [("n0", "0"), ("n0", "1")]


def test_a_run_that_is_waited_for_ends_complete(run, undisturbed):
    said = run.render("--wait", sequences=2)
    assert "2 of 2 sequences" in said
    assert contents(run.out) == {unit: undisturbed[unit] for unit in (0, 1)}
    assert verify(run.out / "shards") == []


def test_a_second_call_submits_nothing_while_tasks_are_alive_and_cancel_ends_them(slurm, run):
    faults = blender_faults(run.out.with_name("faults"), hold_if=FEW_ARE_MADE)
    run.render(*faults.settings, sequences=1)
    jobs = run.jobs()
    run.worker()
    assert "still at work, nothing submitted" in run.render(*faults.settings, sequences=1)
    assert run.jobs() == jobs
    assert run_cli("cancel", "--out", run.out).returncode == 0
    assert run_cli("resume", "--out", run.out).returncode == 0  # before the tasks have ended
    assert not {*run.jobs().values()} & {*jobs.values()}
    faults.let_go()
    jobs_end(slurm)
    assert {row["JobState"] for row in slurm.jobs(*jobs.values())} <= {"CANCELLED", "COMPLETED"}
    assert run.outcomes(0) == ["interrupted", "done"]


def test_a_run_that_grows_gets_the_tasks_that_living_ones_leave(slurm, run):
    faults = blender_faults(run.out.with_name("faults"), hold_if=FEW_ARE_MADE)
    run.render(*faults.settings, sequences=1)
    before = run.jobs()
    run.worker()
    run.render(*faults.settings, sequences=3)
    jobs = run.jobs()
    assert not {*jobs.values()} & {*before.values()}
    wait_for(lambda: len(workers(run.out)) == 2, "both tasks that may are at work", WAIT_SECONDS)
    faults.let_go()
    jobs_end(slurm)
    assert [run.outcomes(unit) for unit in range(3)] == [["done"]] * 3
    states = {int(row["JobId"]): row["JobState"] for row in slurm.jobs()}
    assert (states[before["finish"]], states[jobs["finish"]]) == ("CANCELLED", "COMPLETED")
    assert verify(run.out / "shards") == []


def test_a_full_scratch_disk_sends_a_task_elsewhere(slurm, tmp_path, small_disk, undisturbed):
    if small_disk is None:
        pytest.skip("mounting a small file system needs root")
    links = {"n0": tmp_path / "room", "n1": small_disk}
    links["n0"].mkdir()
    for node, place in links.items():
        (tmp_path / f"scratch-{node}").symlink_to(place)
    changes = {
        "scratch": f"{tmp_path}/scratch-$SLURMD_NODENAME",
        "exclude": ["n2"],
        "environment": {"SLURM_RESTART_COUNT": "99"},  # as after many time limits
    }
    run = SlurmRun(tmp_path / "run", write_profile(tmp_path, **changes))
    slurm.drain_node("n0")
    run.render(sequences=1)
    wait_for(lambda: "queues again" in run.log(), "the task gives up on n1", WAIT_SECONDS)
    slurm.call("scontrol", "update", "NodeName=n0", "State=RESUME")
    jobs_end(slurm)
    assert [(t["host"], t["outcome"]) for t in run.attempts(0)] == [("n1", "disk"), ("n0", "done")]
    (task,) = slurm.jobs(run.jobs()["array"])
    excluded = slurm.call("scontrol", "show", "hostnames", task["ExcNodeList"]).split()
    assert sorted(excluded) == ["n1", "n2"]
    assert contents(run.out) == {0: undisturbed[0]}


def test_a_task_whose_agent_is_killed_again_and_again_is_left(slurm, tmp_path):
    command = "sh -c 'kill -KILL $$'"
    run = SlurmRun(tmp_path / "run", write_profile(tmp_path, command=command))
    run.render(sequences=1)
    jobs_end(slurm)
    (task,) = slurm.jobs(run.jobs()["array"])
    assert (task["JobState"], task["Restarts"]) == ("FAILED", str(RESTARTS))
    assert run.log().count("queues again") == RESTARTS


def test_a_node_that_keeps_failing_is_left_and_excluded_from_then_on(slurm, tmp_path, undisturbed):
    broken = blender_faults(tmp_path / "broken", crash_if="node == 'n1'")
    run = SlurmRun(tmp_path / "run", write_profile(tmp_path, units_per_task=9))
    slurm.drain_node("n0")
    run.render(*broken.settings, sequences=3)
    wait_for(lambda: "queues again" in run.log(), "the task gives up on n1", WAIT_SECONDS)
    slurm.call("scontrol", "update", "NodeName=n0", "State=RESUME")
    jobs_end(slurm)
    assert [run.outcomes(unit) for unit in range(3)] == [["crash", "done"]] * 3
    assert contents(run.out) == {unit: undisturbed[unit] for unit in range(3)}
    assert "#SBATCH --exclude=n1\n" in run.render(*broken.settings, "--dry-run", sequences=4)
