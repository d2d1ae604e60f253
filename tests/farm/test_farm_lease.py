"""Claims: one holder at a time, told by files, whatever dies and whatever clocks say."""

import errno
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from run_records import Clock

from transphy3d.config import RunConfig
from transphy3d.farm import lease as leases
from transphy3d.farm.attempts import highest, read_attempt, read_tries
from transphy3d.farm.lease import Holder, LostClaim, Observer, alone, beating, record_path, take

LEASE = 100.0
ELSEWHERE = Holder("elsewhere", 1, "boot", "pid:1", 1)


@pytest.fixture
def clock():
    return Clock()


def watch(observer, clock, folder, seconds, step=10.0):
    """Look at a claim every `step` seconds for so long; whether it is stale at the end."""
    end = clock.now + seconds
    while clock.now < end:
        observer.is_stale(folder, read_attempt(folder, highest(folder)))
        clock.now += step
    return observer.is_stale(folder, read_attempt(folder, highest(folder)))


def fresh():
    return Observer(LEASE)


def test_a_claim_excludes_others_until_it_ends(tmp_path):
    first = take(tmp_path, fresh())
    assert take(tmp_path, fresh()) is None
    first.end("error", message="a driver hung")
    second = take(tmp_path, fresh())
    assert (first.number, second.number) == (1, 2)
    assert [t.outcome for t in read_tries(tmp_path)] == ["error", "running"]


def test_of_many_that_claim_at_once_one_wins(tmp_path):
    start, won = threading.Barrier(8), []

    def claim():
        start.wait()
        won.append(take(tmp_path, fresh()))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([lease for lease in won if lease is not None]) == 1


def test_a_claim_of_a_process_that_died_here_is_free_at_once(tmp_path):
    script = (
        "import pathlib, sys; from transphy3d.farm.lease import *;"
        "assert take(pathlib.Path(sys.argv[1]), Observer(100.0))"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True)
    assert take(tmp_path, fresh()).number == 2
    assert [t.outcome for t in read_tries(tmp_path)] == ["vanished", "running"]


def test_a_process_id_that_was_given_again_does_not_keep_a_claim(tmp_path):
    me = leases.this_process()
    take(tmp_path, fresh(), me=replace(me, process_start=me.process_start - 1))
    assert take(tmp_path, fresh()) is not None


@pytest.mark.parametrize("field", ["host", "boot", "namespace"])
def test_a_process_elsewhere_is_not_judged_by_its_id(tmp_path, field):
    me = leases.this_process()
    dead = replace(me, process_start=me.process_start - 1)
    take(tmp_path, fresh(), me=replace(dead, **{field: "another"}))
    assert take(tmp_path, fresh()) is None


def test_a_claim_elsewhere_is_free_after_a_lease_without_a_beat(tmp_path, clock):
    take(tmp_path, fresh(), me=ELSEWHERE)
    observer = Observer(LEASE, clock)
    assert not watch(observer, clock, tmp_path, LEASE - 10)
    assert watch(observer, clock, tmp_path, 20)
    assert take(tmp_path, observer).number == 2


def test_a_beat_starts_the_watch_anew(tmp_path, clock):
    lease = take(tmp_path, fresh(), me=ELSEWHERE)
    observer = Observer(LEASE, clock)
    for _ in range(5):
        assert not watch(observer, clock, tmp_path, LEASE - 10)
        lease.beat()


def test_an_observer_that_was_stopped_itself_has_not_watched(tmp_path, clock):
    take(tmp_path, fresh(), me=ELSEWHERE)
    observer = Observer(LEASE, clock)
    watch(observer, clock, tmp_path, 10)
    clock.now += 100 * LEASE
    assert not observer.is_stale(tmp_path, read_attempt(tmp_path, 1))


def test_wall_clocks_decide_nothing(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(leases.time, "time", lambda: 1e12)
    take(tmp_path, fresh(), me=ELSEWHERE)
    monkeypatch.setattr(leases.time, "time", lambda: 0.0)
    observer = Observer(LEASE, clock)
    assert not watch(observer, clock, tmp_path, LEASE - 10)
    assert watch(observer, clock, tmp_path, 20)


def test_who_was_superseded_finds_out_at_the_next_beat(tmp_path):
    slow = take(tmp_path, fresh(), me=ELSEWHERE)
    fast = take(tmp_path, fresh(), over=1)
    with pytest.raises(LostClaim):
        slow.beat()
    fast.beat()
    slow.end("lost")
    assert [t.outcome for t in read_tries(tmp_path)] == ["lost", "running"]


def test_a_claim_is_superseded_only_by_who_watched_that_one(tmp_path):
    take(tmp_path, fresh(), me=ELSEWHERE)
    assert take(tmp_path, fresh(), over=1).number == 2
    assert take(tmp_path, fresh(), over=1) is None


@pytest.mark.parametrize("left", [b"", b'{"number": 1, "outc', b"\0" * 100, b'{"number": "x"}'])
def test_a_record_cut_short_by_a_crash_holds_the_work_for_one_lease(tmp_path, clock, left):
    record_path(tmp_path, 1).write_bytes(left)
    observer = Observer(LEASE, clock)
    assert take(tmp_path, observer) is None
    assert watch(observer, clock, tmp_path, LEASE + 10)
    assert take(tmp_path, observer).number == 2
    first = read_tries(tmp_path)[0]
    assert (first.outcome, first.counts) == ("interrupted", False)


@pytest.mark.parametrize(("pictures", "counts"), [(0, True), (4, False)])
def test_a_vanished_try_counts_unless_it_made_a_picture(tmp_path, pictures, counts):
    take(tmp_path, fresh(), me=ELSEWHERE)
    take(tmp_path, fresh(), over=1, pictures=pictures)
    vanished = read_tries(tmp_path)[0]
    assert (vanished.outcome, vanished.counts) == ("vanished", counts)


def test_a_heart_beats_and_tells_of_a_lost_claim(tmp_path):
    lease = take(tmp_path, fresh(), me=ELSEWHERE)
    with beating(lease, 0.01, lambda: False):
        while read_attempt(tmp_path, 1).beat < 3:
            lease.raise_if_broken()
        take(tmp_path, fresh(), over=1)
        with pytest.raises(LostClaim):
            while True:
                lease.raise_if_broken()


def test_an_end_on_a_full_disk_is_written_into_the_space_that_is_there(tmp_path, monkeypatch):
    lease = take(tmp_path, fresh())

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(leases, "write_text", full)
    lease.end("disk", message="no space", log_tail="x" * 4000)
    assert json.loads(record_path(tmp_path, 1).read_text())["outcome"] == "disk"


def test_one_at_a_time_waits_for_the_other(tmp_path):
    config, order, inside = RunConfig(), [], threading.Event()

    def first():
        with alone(tmp_path, config):
            inside.set()
            order.append("first in")
            order.append("first out")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with alone(tmp_path, config):
        order.append("second in")
    thread.join()
    assert order == ["first in", "first out", "second in"]
    assert [t.outcome for t in read_tries(tmp_path)] == ["done", "done"]


def test_what_fails_alone_lets_others_in(tmp_path):
    with pytest.raises(ValueError, match="broken"), alone(tmp_path, RunConfig()):
        raise ValueError("broken")
    with alone(tmp_path, RunConfig()):
        pass
    assert [t.outcome for t in read_tries(tmp_path)] == ["error", "done"]
