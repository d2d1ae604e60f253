"""Steering a run: retry, drain, cancel, resume, dead letters, logs."""

import json
import shlex
import subprocess
import time

import pytest
from blender_faults import blender_faults
from command_line import command, run_cli
from hypothesis import given
from hypothesis import strategies as st
from run_records import give_up, plan, publish, record

from transphy3d.errors import JobError, RunError
from transphy3d.farm import deadletters, steering, unit_log
from transphy3d.farm.attempts import failures, read_attempts
from transphy3d.farm.control import cancel, drain, is_draining, remember_engine
from transphy3d.farm.hosts import note_failure, troubled_hosts
from transphy3d.farm.selection import parse_units
from transphy3d.farm.status import read_status
from transphy3d.files import write_text

PATIENCE_SECONDS = 240


@pytest.mark.parametrize(
    ("words", "units"),
    [
        (["3"], [3]),
        (["3,7-9"], [3, 7, 8, 9]),
        (["7-9", "8", " 3 , 3 "], [3, 7, 8, 9]),
        (["0-0"], [0]),
        ([], []),
    ],
)
def test_units_are_named_by_numbers_and_ranges(words, units):
    assert parse_units(words, 10) == units


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("10", "has units 0 to 9"),
        ("4-10", "has units 0 to 9"),
        ("5-3", "write 3-5"),
        ("-1", "names no unit"),
        ("3,", "names no unit"),
        ("a", "names no unit"),
        ("1-", "names no unit"),
    ],
)
def test_what_names_no_unit_of_the_run_is_an_error(word, complaint):
    with pytest.raises(RunError, match=complaint):
        parse_units([word], 10)


@given(st.sets(st.integers(0, 99), min_size=1))
def test_any_set_of_units_can_be_named(units):
    assert parse_units([",".join(map(str, units))], 100) == sorted(units)


def given_up_run(root):
    """Units 1 and 2 crashed, 3 is impossible, 0 is published."""
    run = plan(root, 6)
    publish(run, 0)
    give_up(run, 1)
    give_up(run, 2)
    give_up(run, 3, outcome="impossible")
    return run


@pytest.mark.parametrize(
    ("words", "choice", "opened"),
    [
        (["1"], {}, {1}),
        (["0,2-3"], {}, {2, 3}),
        ([], {"everything": True}, {1, 2, 3}),
        ([], {"outcome": "crash"}, {1, 2}),
        (["3"], {"outcome": "crash"}, {1, 2, 3}),
    ],
)
def test_retry_opens_what_is_named_and_nothing_else(tmp_path, words, choice, opened):
    given_up_run(tmp_path)
    assert set(steering.retry(tmp_path, words, **choice).opened) == opened
    assert set(read_status(tmp_path).set_aside) == {1, 2, 3} - opened


def test_the_command_takes_units_and_a_class(tmp_path):
    given_up_run(tmp_path)
    said = run_cli("retry", "0,3", "--class", "crash", "--out", tmp_path)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("opened again: 000001, 000002, 000003\nnot set aside")
    assert read_status(tmp_path).set_aside == []


def test_a_retried_unit_keeps_its_history_and_starts_counting_anew(tmp_path):
    run = given_up_run(tmp_path)
    result = steering.retry(tmp_path, ["0-2"])
    assert (result.opened, result.others) == ((1, 2), (0,))
    assert "not set aside, so left alone: 000000" in result.describe()
    assert [attempt.outcome for attempt in read_attempts(run, 1)] == ["crash"]
    assert failures(run, 1) == []


@pytest.mark.parametrize(
    ("words", "choice", "complaint"),
    [
        ([], {}, "no unit is named"),
        (["6"], {"everything": True}, "has units 0 to 5"),
        ([], {"outcome": "crush"}, "did you mean 'crash'"),
        (["1-x"], {}, "names no unit"),
    ],
)
def test_a_retry_that_names_nothing_sensible_changes_nothing(tmp_path, words, choice, complaint):
    given_up_run(tmp_path)
    with pytest.raises(RunError, match=complaint):
        steering.retry(tmp_path, words, **choice)
    assert read_status(tmp_path).set_aside == [1, 2, 3]


def test_dead_letters_are_json_lines_or_words_with_the_command_that_replays(tmp_path):
    given_up_run(tmp_path)
    lines = run_cli("dead-letters", "--out", tmp_path, "--json").stdout.splitlines()
    letters = [json.loads(line) for line in lines]
    assert [(letter["unit"], letter["outcome"]) for letter in letters] == [
        *((1, "crash"), (2, "crash"), (3, "impossible")),
    ]
    text = deadletters.describe(deadletters.dead_letters(tmp_path))
    for letter in letters:
        assert letter["reason"] in text
        assert letter["replay"] in text


def test_a_run_without_dead_letters_says_so(tmp_path):
    plan(tmp_path)
    assert deadletters.dead_letters(tmp_path) == []
    assert deadletters.describe([]) == "no unit is set aside"


def test_the_replay_command_makes_the_sequence(tmp_path):
    run = plan(tmp_path, 1, "frames=2")
    give_up(run, 0)
    (letter,) = deadletters.dead_letters(tmp_path)
    said = run_cli(*shlex.split(letter.replay)[1:])
    assert said.returncode == 0, said.stderr
    assert read_status(tmp_path).complete


class Deaf:
    """An engine that only notes what it was told."""

    def __init__(self):
        self.told = []

    def cancel(self, facts):
        self.told.append(facts["arrays"])


def test_cancel_tells_the_engine_that_was_started_with_its_own_profile(tmp_path, monkeypatch):
    plan(tmp_path)
    engine, made = Deaf(), []
    monkeypatch.setattr(steering, "make_engine", lambda *given: made.append(given) or engine)
    facts = {"arrays": [4711], "profile": str(tmp_path / "site.yaml"), "workers": 3}
    remember_engine(tmp_path, "slurm", facts)
    assert steering.cancel_run(tmp_path) == "slurm"
    assert made == [("slurm", tmp_path / "site.yaml", 3)]
    assert engine.told == [[4711]]
    del facts["arrays"]  # it ends, whoever asks
    assert read_status(tmp_path).engine == {"engine": "slurm", **facts}
    assert read_status(tmp_path).halted == "cancelled"


def test_a_lost_profile_is_an_error_that_leaves_the_run_cancelled(tmp_path):
    plan(tmp_path)
    remember_engine(tmp_path, "slurm", {"profile": str(tmp_path / "gone.yaml"), "workers": None})
    with pytest.raises(JobError, match=r"gone\.yaml"):
        steering.cancel_run(tmp_path)
    assert read_status(tmp_path).halted == "cancelled"


def test_resume_without_an_engine_lets_workers_begin_again(tmp_path):
    run = plan(tmp_path)
    drain(tmp_path)
    cancel(tmp_path)
    note_failure(run, "n7", 1, "no driver")
    said = run_cli("resume", "--out", tmp_path)
    assert said.returncode == 0
    assert "no engine was started" in said.stdout
    assert not is_draining(run)
    assert troubled_hosts(run) == []


def render(root, faults, *settings):
    words = [*faults.settings, *(word for setting in settings for word in ("--set", setting))]
    said = (root.parent / "said.txt").open("w")
    return subprocess.Popen(command("render", "smoke", "--out", root, *words), stderr=said)


def wait_for(condition):
    """Wait until `condition()` holds."""
    for _ in range(PATIENCE_SECONDS * 10):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def test_drain_finishes_the_sequence_at_hand_and_resume_makes_the_rest(tmp_path):
    root = tmp_path / "run"
    faults = blender_faults(tmp_path / "faults", hold_if="made >= 2")
    rendering = render(root, faults, "sequences=2")
    wait_for(lambda: (root / "units/000000/attempts/0001.json").exists())
    assert run_cli("drain", "--out", root).returncode == 0
    faults.let_go()
    assert rendering.wait(PATIENCE_SECONDS) == 75
    state = read_status(root)
    assert (state.published, state.running, state.halted) == (1, [], "draining")
    said = run_cli("resume", "--out", root)
    assert said.returncode == 0, said.stderr
    assert (read_status(root).complete, read_status(root).halted) == (True, "")


def test_cancel_stops_after_the_frame_at_hand_and_resume_keeps_what_is_rendered(tmp_path):
    root = tmp_path / "run"
    faults = blender_faults(tmp_path / "faults", hold_if="made >= 2")
    rendering = render(root, faults, "sequences=1", "frames=24", "run.heartbeat=0.2")
    wait_for(lambda: faults.has_held(root / "units/000000"))
    assert run_cli("cancel", "--out", root).returncode == 0
    assert rendering.wait(PATIENCE_SECONDS) == 75
    faults.let_go()
    kept = {path: path.stat().st_mtime_ns for path in root.glob("units/*/stage/frames/*/*")}
    state = read_status(root)
    assert (state.published, state.halted, state.failed_tries) == (
        0,
        "cancelled",
        {"interrupted": 1},
    )
    assert len(kept) == 3  # with the frame at hand
    resumed = run_cli("resume", "--out", root)
    assert resumed.returncode == 0, resumed.stderr
    assert read_status(root).complete
    said = run_cli("logs", "0", "--out", root).stdout
    assert said.startswith("try 1: interrupted")
    # Each frame was rendered once, whichever try did it.
    assert [said.count(f"truth {frame}: ") for frame in range(24)] == [1] * 24


def test_logs_show_tries_and_what_blender_said(smoke_run):
    said = run_cli("logs", "1", "--out", smoke_run.out)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("try 1: done; on ")
    assert "rgb 2: " in said.stdout
    assert run_cli("logs", "1", "--follow", "--out", smoke_run.out).stdout == said.stdout


def test_one_try_is_shown_as_it_was_recorded(tmp_path):
    run = plan(tmp_path)
    facts = {"seconds": 12.0, "stage": "rgb", "message": "killed by SIGSEGV"}
    record(run, 2, 1, "crash", **facts, log_tail="last words\n")
    record(run, 2, 2, "interrupted", frames=5)
    said = run_cli("logs", "2", "--attempt", 1, "--out", tmp_path).stdout
    assert said == "try 1: crash; on n1; 12.0 s, 0 frames; in rgb; killed by SIGSEGV\nlast words\n"
    everything = unit_log.history(tmp_path, 2)
    assert [line.split(";")[0] for line in everything.splitlines()] == [
        *("try 1: crash", "try 2: interrupted"),
    ]


def test_logs_of_what_is_not_there_are_an_error(tmp_path):
    record(plan(tmp_path), 2, 1, "crash")
    with pytest.raises(RunError, match="has units 0 to 3"):
        unit_log.history(tmp_path, 4)
    with pytest.raises(RunError, match="was not begun yet"):
        unit_log.history(tmp_path, 1)
    with pytest.raises(RunError, match="has tries 1 to 1, no try 3"):
        unit_log.one_try(tmp_path, 2, 3)


def test_following_a_log_shows_new_lines_until_the_unit_ends(tmp_path):
    run = plan(tmp_path)
    record(run, 0)
    write_text(run.log(0), "truth 0: 1 s\n")
    words = ("logs", "0", "--follow", "--out", tmp_path)
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout.readline().startswith("try 1: running")
        assert following.stdout.readline() == "truth 0: 1 s\n"
        with run.log(0).open("a") as log:
            log.write("truth 1: 1 s\n")
        assert following.stdout.readline() == "truth 1: 1 s\n"
        publish(run, 0)
        assert following.stdout.read() == ""
    assert following.returncode == 0
