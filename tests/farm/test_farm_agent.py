"""Agents take open units until none is left; units are made in this process, of nothing."""

import os
import time
from contextlib import nullcontext
from dataclasses import asdict, replace

import pytest

from transphy3d.errors import (
    DeviceError,
    DiskFull,
    Interrupted,
    JobError,
    RenderError,
    RunError,
    TransPhy3DError,
)
from transphy3d.farm import agent as agents
from transphy3d.farm.agent import read_share, run_agent
from transphy3d.farm.attempts import Attempt, highest, read_attempt, read_attempts, read_dead
from transphy3d.farm.control import cancel, drain
from transphy3d.farm.hosts import forgive, read_trouble
from transphy3d.farm.lease import Holder, Observer, record_path, take
from transphy3d.farm.published import published, reopen_damaged
from transphy3d.farm.rundir import RunDir, make_plan
from transphy3d.farm.unit import TryFailed, work
from transphy3d.farm.unit_process import EXIT_BUSY
from transphy3d.files import write_text
from transphy3d.job import load_job
from transphy3d.jsonio import to_json

CODES = {"done": 0, "failed": RenderError.exit_code, "busy": EXIT_BUSY, "dead": RunError.exit_code}
FAST = (
    "output.sequences_per_shard=4",
    "run.heartbeat=0.05",
    "run.lease=0.2",
    "run.standby=0.5",
    "run.attempts=2",
)
ELSEWHERE = Holder("elsewhere", 1, "boot", "pid:1", 1)


class Killed(BaseException):
    """What ends a process without a word."""


class Told:
    """Progress that remembers its events."""

    def __init__(self):
        self.events = []

    def event(self, kind, **facts):
        self.events.append((kind, facts.get("sequence")))

    def frames(self, done, total):
        pass

    def close(self):
        pass

    def started(self):
        return [sequence for kind, sequence in self.events if kind == "sequence started"]


class Child:
    """A unit's process that has ended by the time it is looked at."""

    pid = 2**22 + 1  # more than any process has

    def __init__(self, code):
        self.returncode = code

    def poll(self):
        return self.returncode


class Farm:
    """A planned run; `makers` say by unit what makes it."""

    def __init__(self, root, *settings):
        self.job = load_job("smoke", [*FAST, "sequences=4", *settings])
        make_plan(self.job, root)
        self.run = RunDir(root)
        self.makers = {}
        self.told = Told()

    def start(self, run, index, over, environment):
        run.unit(index).mkdir(parents=True, exist_ok=True)
        run.said(index).write_text("error: the last words")
        try:
            result = work(
                self.job,
                run,
                index,
                self.makers.get(index, make),
                over=over,
                beat=lambda *_: nullcontext(),
            )
        except TransPhy3DError as error:
            return Child(error.exit_code)
        except Killed:
            return Child(-9)
        return Child(CODES[result])

    def agent(self, **options):
        return run_agent(self.run.root, self.told, **options)

    def outcomes(self, index):
        return [attempt.outcome for attempt in read_attempts(self.run, index)]


def make(current):
    current.file.write_bytes(b"a sequence")


def crash(current):
    raise TryFailed("crash", "killed by SIGSEGV", signal="SIGSEGV")


@pytest.fixture
def farm(tmp_path, monkeypatch):
    def build(*settings):
        built = Farm(tmp_path / "run", *settings)
        monkeypatch.setattr(agents, "start_unit", built.start)
        return built

    return build


def hold(farm, index, **facts):
    """Another host's claim on a unit."""
    return take(farm.run.attempts(index), Observer(1e9), me=ELSEWHERE)


def test_an_agent_works_off_every_unit_from_its_share_on(farm):
    run = farm()
    end = run.agent(share=(1, 2))
    assert (end.reason, end.made, end.exit_code) == ("finished", 4, 0)
    assert run.told.started() == [2, 3, 0, 1]
    assert published(run.run) == {0, 1, 2, 3}


def test_a_unit_that_failed_comes_last_and_is_given_up_after_its_tries(farm):
    run = farm()
    run.makers[0] = crash
    end = run.agent()
    assert run.told.started() == [0, 1, 2, 3, 0]
    assert (end.reason, end.made) == ("finished", 3)
    assert read_dead(run.run, 0).reason == "crash in claim: killed by SIGSEGV"


@pytest.mark.parametrize(("ask", "reason"), [(drain, "drained"), (cancel, "cancelled")])
def test_control_files_stop_an_agent_without_asking_to_be_started_again(farm, ask, reason):
    run = farm()

    def make_and_ask(current):
        make(current)
        ask(run.run.root)

    run.makers[1] = make_and_ask
    end = run.agent()
    assert (end.reason, end.exit_code) == (reason, 0)
    assert run.told.started() == [0, 1]


def test_an_agent_whose_time_is_up_asks_to_be_started_again(farm):
    run = farm()
    end = run.agent(seconds=1.0)
    assert (end.reason, end.made, end.exit_code) == ("time", 0, 75)


def test_the_time_limit_of_slurm_is_known(farm, monkeypatch):
    run = farm()
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time())))
    assert run.agent().reason == "time"
    assert run.told.started() == []


def test_three_different_units_in_a_row_make_an_agent_leave_its_host(farm):
    run = farm()
    run.makers = {0: crash, 1: crash, 2: crash}
    with pytest.raises(DeviceError, match=r"units 0, 1, 2 failed here.*SIGSEGV; mend the host"):
        run.agent()
    assert run.told.started() == [0, 1, 2]
    run.makers = {}
    with pytest.raises(DeviceError):
        run.agent()
    forgive(run.run)
    assert run.agent().reason == "finished"


def test_a_success_clears_a_host(farm):
    run = farm()
    run.makers = {0: crash, 1: crash}
    run.agent()
    assert read_trouble(run.run, os.uname().nodename).units == (0, 1)  # not four


def test_a_stale_claim_of_another_host_is_taken_over(farm):
    run = farm("run.standby=60")
    hold(run, 2)
    end = run.agent()
    assert (end.reason, end.made) == ("finished", 4)
    assert run.outcomes(2) == ["vanished", "done"]


def test_a_claim_that_beats_is_left_alone_until_patience_ends(farm, monkeypatch):
    run = farm("run.straggler=1e9")
    lease = hold(run, 2)
    monkeypatch.setattr(agents.time, "sleep", lambda seconds: (lease.beat(), time.monotonic()))
    end = run.agent()
    assert (end.reason, end.made, end.exit_code) == ("standby", 3, 0)
    assert run.outcomes(2) == ["running"]


def test_a_claim_that_beats_without_a_new_picture_is_issued_again(farm, monkeypatch):
    run = farm("run.standby=60")
    lease = hold(run, 2)

    def beat(seconds):
        if lease.is_held():
            lease.beat()

    monkeypatch.setattr(agents.time, "sleep", beat)
    assert run.agent().reason == "finished"
    assert highest(run.run.attempts(2)) == 2
    assert 2 in published(run.run)


@pytest.mark.parametrize("kind", [JobError, DeviceError, DiskFull])
def test_what_concerns_every_unit_ends_the_agent(farm, kind):
    run = farm()

    def fail(current):
        raise kind("of no use")

    run.makers[1] = fail
    with pytest.raises(kind, match="the last words"):
        run.agent()
    assert run.told.started() == [0, 1]


def test_a_process_killed_without_a_word_is_recorded_by_its_agent(farm):
    run = farm()

    def vanish(current):
        attempt = replace(current.lease.attempt, pid=Child.pid)
        write_text(record_path(current.lease.folder, attempt.number), to_json(attempt))
        current.lease.attempt = replace(attempt, outcome="done")  # it will write nothing more
        del run.makers[0]
        raise Killed

    run.makers[0] = vanish
    assert run.agent().reason == "finished"
    first = read_attempt(run.run.attempts(0), 1)
    assert (first.outcome, first.signal, first.exit_code) == ("vanished", "SIGKILL", -9)
    assert run.outcomes(0) == ["vanished", "done"]


def test_processes_that_cannot_even_claim_end_the_agent(farm, monkeypatch):
    run = farm()

    def no_package(run_folder, index, over, environment):
        run_folder.unit(index).mkdir(parents=True)
        run_folder.said(index).write_text("ImportError: no module")
        return Child(1)

    monkeypatch.setattr(agents, "start_unit", no_package)
    with pytest.raises(RunError, match="exit code 1 at once: ImportError"):
        run.agent()


def test_an_interrupted_unit_ends_the_agent_so_that_it_is_started_again(farm):
    run = farm()

    def stop(current):
        raise Interrupted("preempted")

    run.makers[1] = stop
    end = run.agent()
    assert (end.reason, end.exit_code) == ("interrupted", 75)
    assert run.outcomes(1) == ["interrupted"]


def test_a_sequence_that_was_cut_is_made_again(farm):
    run = farm()
    run.agent()
    with run.run.sequence(1).open("r+b") as stream:
        stream.truncate(3)
    assert reopen_damaged(run.run) == {1}
    assert run.agent().made == 1
    assert run.outcomes(1) == ["done", "done"]
    assert published(run.run) == {0, 1, 2, 3}


def test_records_keep_who_did_what(farm):
    run = farm()
    run.agent()
    facts = asdict(read_attempt(run.run.attempts(0), 1))
    assert facts["host"] == os.uname().nodename
    assert facts["pid"] == os.getpid()
    assert Attempt(**facts).frames == run.job.frames


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "a/b", "0/0", "1/"])
def test_a_share_is_k_of_n(text):
    with pytest.raises(RunError, match="K/N"):
        read_share(text)
