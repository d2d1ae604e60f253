"""What a run's files say of it: units by state, speed, time left, hosts, disk, page."""

import heapq
import json
import os
import re
import signal
import subprocess

import numpy as np
import pytest
from command_line import command, run_cli
from hypothesis import given
from hypothesis import strategies as st
from run_records import FRAMES, give_up, plan, publish, record

from transphy3d.errors import RunError
from transphy3d.farm import survey
from transphy3d.farm.attempts import retry_unit
from transphy3d.farm.control import cancel, drain, remember_engine
from transphy3d.farm.forecast import forecast, unknown_because
from transphy3d.farm.hosts import note_failure
from transphy3d.farm.lease import this_process
from transphy3d.farm.status import Disk, Watcher, read_status
from transphy3d.farm.status_hosts import failing_hosts, slow_hosts
from transphy3d.farm.status_page import write_page
from transphy3d.farm.status_text import describe, disk, needed_room


def test_a_fresh_plan_waits_and_promises_nothing(tmp_path):
    plan(tmp_path, 3)
    state = read_status(tmp_path)
    assert (state.published, state.running, state.waiting, state.set_aside) == (0, [], 3, [])
    assert (state.complete, state.over, state.forecast) == (False, False, None)
    assert "not known yet: no worker is at work" in describe(state)
    assert "not known before the first sequence is finished" in describe(state)


def test_units_are_counted_by_state(tmp_path):
    run = plan(tmp_path, 7)
    publish(run, 0)
    record(run, 1, frames=4)
    give_up(run, 2)
    give_up(run, 3, outcome="impossible")
    record(run, 4, outcome="interrupted", frames=3)
    state = read_status(tmp_path)
    assert (state.published, state.running, state.waiting) == (1, [1], 3)
    assert (state.set_aside, state.set_aside_by) == ([2, 3], {"crash": 1, "impossible": 1})
    assert state.failed_tries == {"crash": 1, "impossible": 1, "interrupted": 1}
    assert (state.frames, state.frames_planned) == (FRAMES + 4 + 3, 7 * FRAMES)
    text = describe(state)
    assert "1 of 7 published, 1 running, 3 waiting, 2 set aside" in text
    assert "000002, 000003 (crash 1, impossible 1)" in text


def test_a_truncated_or_unrecorded_sequence_is_not_published(tmp_path):
    run = plan(tmp_path, 3)
    for index in range(3):
        publish(run, index)
    os.truncate(run.sequence(0), 999)
    run.done(1).write_text('{"unit": 1')
    assert (read_status(tmp_path).published, read_status(tmp_path).waiting) == (1, 2)


def test_frames_of_an_earlier_try_still_count_in_a_new_one(tmp_path):
    run = plan(tmp_path, 1)
    record(run, 0, 1, "interrupted", frames=6)
    record(run, 0, 2, frames=0)
    assert read_status(tmp_path).frames == 6


def test_a_worker_without_a_sign_of_life_is_not_running(tmp_path):
    run = plan(tmp_path, 4)
    lease = 120
    record(run, 0, age=lease - 30)
    record(run, 1, age=lease + 30)
    mine = this_process()
    here = {"host": mine.host, "boot": mine.boot, "namespace": mine.namespace}
    record(run, 2, pid=mine.pid, process_start=mine.process_start, **here)
    record(run, 3, pid=mine.pid, process_start=mine.process_start + 1, **here)  # that pid's former
    state = read_status(tmp_path)
    assert (state.running, state.silent, state.waiting) == ([0, 2], [1, 3], 2)
    assert state.failed_tries == {"vanished": 2}
    assert "000001, 000003" in describe(state)


def test_failed_tries_of_finished_sequences_count_too(tmp_path):
    run = plan(tmp_path, 2)
    publish(run, 0, tries={"interrupted": 2, "crash": 1, "done": 1})
    record(run, 1, 1, "disk")
    record(run, 1, 2, "skipped")
    assert read_status(tmp_path).failed_tries == {"crash": 1, "disk": 1, "interrupted": 2}


def test_speed_is_that_of_finished_sequences_with_all_their_tries(tmp_path):
    run = plan(tmp_path, 6)
    publish(run, 0, seconds=100)
    publish(run, 1, seconds=100, tries={"crash": 1, "done": 1})
    record(run, 2)
    record(run, 3)
    state = read_status(tmp_path)
    assert state.frames_per_hour == pytest.approx(3600 * 2 * FRAMES / 300)
    assert state.frames_per_second == pytest.approx(2 * 2 * FRAMES / 300)


@pytest.mark.parametrize(
    ("settings", "device", "name"),
    [
        (["render.device=gpu"], "", "GPU"),
        ([], "0", "GPU"),
        ([], "", "worker"),
    ],
)
def test_a_worker_is_called_a_gpu_only_where_it_surely_has_one(tmp_path, settings, device, name):
    run = plan(tmp_path, 2, *settings)
    publish(run, 0)
    record(run, 1, device=device)
    state = read_status(tmp_path)
    assert state.worker == name
    assert f"frames a {name}-hour" in describe(state)


def test_time_left_is_not_known_before_each_worker_has_finished_one():
    assert "no worker" in unknown_because(50, 0)
    assert "3 of the 8 units" in unknown_because(3, 8)
    assert "2 of the 3 units" in unknown_because(2, 1)
    assert unknown_because(8, 8) == ""
    assert forecast([100.0] * 3, [1.0] * 9, 8) is None


def test_equal_units_take_their_time_and_at_most_one_unit_more():
    expected = forecast([100.0] * 10, [1.0] * 20, 4)
    assert expected.low == pytest.approx(500)
    assert expected.high == pytest.approx(500 + 0.75 * 100)
    assert expected.low <= expected.seconds <= expected.high


def test_frames_that_are_done_shorten_the_time_left(tmp_path):
    run = plan(tmp_path, 8)
    for index in range(4):
        publish(run, index, seconds=90.0 + index)
    record(run, 4, frames=0)
    before = read_status(tmp_path).forecast
    record(run, 4, frames=8)
    after = read_status(tmp_path).forecast
    assert before.seconds - after.seconds == pytest.approx(0.8 * 91.5)


def test_the_interval_of_time_left_holds_the_true_end_as_often_as_it_says():
    """List scheduling of log-normal units, foretold from the first ones that finished."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        times = rng.lognormal(5, 0.5, 70)
        expected = forecast(times[:20], [1.0] * 50, 8)
        ends = [0.0] * 8
        for seconds in times[20:]:
            heapq.heapreplace(ends, ends[0] + seconds)
        held += expected.low <= max(ends) <= expected.high
    assert held >= 0.93 * 300


@given(
    st.lists(st.floats(1, 1e5), min_size=3, max_size=30),
    st.lists(st.floats(0, 1), min_size=1, max_size=50),
    st.integers(1, 3),
)
def test_a_forecast_is_ordered_and_never_negative(seconds, left, workers):
    expected = forecast(seconds, left, workers)
    assert 0 <= expected.low <= expected.seconds <= expected.high


def test_slow_and_failing_hosts_are_named(tmp_path):
    run = plan(tmp_path, 16)
    for index in range(9):
        publish(run, index, host=f"n{index // 3}", seconds=300 if index < 3 else 100)
    give_up(run, 9, host="n5")
    for unit in (10, 11, 12):
        note_failure(run, "n6", unit, "no driver")
    state = read_status(tmp_path)
    assert [host.host for host in slow_hosts(state.hosts)] == ["n0"]
    assert [(h.host, h.avoided) for h in failing_hosts(state.hosts)] == [
        ("n6", True),
        ("n5", False),
    ]
    text = describe(state)
    assert "n0: 30 s a frame" in text
    assert "n6: 3 units failed in a row; avoided until `transphy3d resume`; no driver" in text


def test_a_unit_that_takes_far_longer_than_others_is_named(tmp_path):
    run = plan(tmp_path, 6)
    for index in range(3):
        publish(run, index, seconds=100)
    record(run, 3, seconds=450, frames=2)
    record(run, 4, seconds=150)
    state = read_status(tmp_path)
    assert [(unit.unit, unit.host, unit.times) for unit in state.slow] == [(3, "n1", 4.5)]
    assert "000003 on n1: 7.5 min, 4.5 times the usual, 2 frames" in describe(state)


def test_room_still_needed_is_foretold_from_what_is_published(tmp_path):
    run = plan(tmp_path, 10)
    publish(run, 0, size=1000)
    publish(run, 1, size=3000)
    give_up(run, 2)
    values = read_status(tmp_path).disk
    assert (values.sequences, values.to_come) == (4000, 7 * 2000)
    assert needed_room(values) == 14000 + 18000  # and all of it once more, in shards
    assert "too little" in disk(Disk(sequences=10, shards=0, to_come=10, free=5))
    assert "too little" not in disk(Disk(sequences=10, shards=10, to_come=0, free=5))


def test_engine_and_halt_are_shown(tmp_path):
    plan(tmp_path)
    remember_engine(tmp_path, "slurm", {"arrays": [4711, 4713], "finish": 4714})
    drain(tmp_path)
    assert "slurm: arrays 4711 4713, finish 4714" in describe(read_status(tmp_path))
    assert "draining" in describe(read_status(tmp_path))
    cancel(tmp_path)
    assert read_status(tmp_path).halted == "cancelled"


def test_a_second_look_sees_what_has_changed(tmp_path):
    run = plan(tmp_path, 2)
    publish(run, 0)
    watcher = Watcher(tmp_path)
    assert watcher.read().published == 1
    publish(run, 1)
    assert watcher.read().published == 2
    publish(run, 0, size=500)
    assert watcher.read().disk.sequences == 1500
    run.sequence(0).unlink()
    assert watcher.read().published == 1


def test_two_looks_at_an_unchanged_run_are_equal(tmp_path):
    publish(plan(tmp_path), 0)
    assert read_status(tmp_path) == read_status(tmp_path)


def test_exit_codes_tell_complete_from_not(tmp_path):
    run = plan(tmp_path, 2)
    publish(run, 0)
    give_up(run, 1)
    said = run_cli("status", "--out", tmp_path, "--json")
    found = json.loads(said.stdout)
    assert (said.returncode, found["complete"], found["over"]) == (1, False, True)
    publish(run, 1)
    run.dead(1).unlink()
    said = run_cli("status", "--out", tmp_path)
    assert said.returncode == 0
    assert "\x1b" not in said.stdout


def test_watching_ends_when_nothing_is_left_to_do(tmp_path):
    run = plan(tmp_path, 2)
    publish(run, 0)
    words = ("status", "--out", tmp_path, "--watch", "--interval", 0.2, "--json", "--page")
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True) as watching:
        first = json.loads(watching.stdout.readline())
        publish(run, 1)
        *_, last = map(json.loads, watching.stdout)
    assert (first["published"], last["published"], watching.returncode) == (1, 2, 0)
    assert "100 % smoke" in (tmp_path / "status.html").read_text()


def test_an_interrupt_ends_the_watching_without_a_complaint(tmp_path):
    plan(tmp_path, 2)
    words = ("status", "--out", tmp_path, "--watch", "--interval", 60)
    pipe = subprocess.PIPE
    with subprocess.Popen(command(*words), stdout=pipe, stderr=pipe, text=True) as watching:
        assert watching.stdout.readline().startswith("smoke")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 1
        assert watching.stderr.read() == ""


def page_of(root):
    return write_page(read_status(root)).read_text()


def test_the_page_loads_itself_anew_until_the_run_is_over(tmp_path):
    run = plan(tmp_path, 2)
    publish(run, 0)
    assert 'http-equiv="refresh"' in page_of(tmp_path)
    publish(run, 1)
    assert 'http-equiv="refresh"' not in page_of(tmp_path)


def test_the_page_needs_no_network_and_trusts_no_text(tmp_path):
    run = plan(tmp_path, 4)
    publish(run, 0, host="<script>alert(1)</script>")
    give_up(run, 1, message="<img src=x onerror=alert(1)>")
    note_failure(run, "n9", 1, "<b>bold</b>")
    text = page_of(tmp_path)
    assert not re.search(
        r"(src|href)\s*=|https?://|@import|url\(", text.replace("&lt;img src=x", "")
    )
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "<b>bold" not in text
    assert "transphy3d work --out" in text  # the command that replays the unit


def test_markup_in_a_message_is_shown_as_it_is(tmp_path):
    run = plan(tmp_path)
    note_failure(run, "n9", 1, "[red]closed[/red] [/nonsense]")
    assert "[red]closed[/red] [/nonsense]" in describe(read_status(tmp_path))


@pytest.mark.parametrize("name", ["status", "dead-letters", "drain", "cancel", "resume"])
def test_a_folder_that_is_no_run_is_an_error(tmp_path, name):
    said = run_cli(name, "--out", tmp_path)
    assert said.returncode == RunError.exit_code
    assert "is not a run directory" in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_second_look_reads_new_records_only(tmp_path, monkeypatch):
    run = plan(tmp_path, 5)
    for index in range(4):
        publish(run, index)
    watcher, read, plain = Watcher(tmp_path), [], survey.read_done
    monkeypatch.setattr(
        survey, "read_done", lambda run, unit: read.append(unit) or plain(run, unit)
    )
    watcher.read()
    publish(run, 4)
    assert watcher.read().published == 5
    assert sorted(read[:4]) == [0, 1, 2, 3]
    assert read[4:] == [4]


def test_a_unit_that_is_opened_again_under_our_eyes_is_no_fault(tmp_path, monkeypatch):
    run, listing = plan(tmp_path, 2), survey.numbers_in
    give_up(run, 0)
    give_up(run, 1)

    def list_then_retry(folder):
        found = listing(folder)
        retry_unit(run, 1)
        return found

    monkeypatch.setattr(survey, "numbers_in", list_then_retry)
    assert read_status(tmp_path).set_aside == [0]
