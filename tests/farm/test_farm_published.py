"""Publishing: once, whole, from wherever the file was written."""

import errno
import os
import threading

import pytest

from transphy3d import files
from transphy3d.errors import DiskFull, RunError
from transphy3d.farm import published, rundir, space
from transphy3d.farm.attempts import failures, read_attempts, retry_unit
from transphy3d.farm.published import (
    ABANDONED_SECONDS,
    check_scratch,
    is_published,
    read_done,
    remove_leftovers,
)
from transphy3d.farm.rundir import RunDir, make_plan
from transphy3d.farm.unit import TryFailed, check_unit, work
from transphy3d.job import load_job

WHOLE = b"a whole sequence"


@pytest.fixture
def run(tmp_path):
    make_plan(load_job("smoke", ["run.attempts=2"]), tmp_path / "run")
    return RunDir(tmp_path / "run")


def make(current):
    current.file.write_bytes(WHOLE)
    current.device = "some GPU"


def crash(current):
    raise TryFailed("crash", "killed by SIGSEGV")


def do(run, maker=make, index=0, **options):
    return work(rundir.read_job(run.root), run, index, maker, **options)


def test_a_record_says_what_a_sequence_took(run):
    assert do(run, crash) == "failed"
    assert do(run) == "done"
    done = read_done(run, 0)
    assert (done.bytes, done.attempt, done.tries) == (len(WHOLE), 2, {"crash": 1, "done": 1})
    assert (done.device, done.frames) == ("some GPU", 3)
    assert done.seconds_all > done.seconds
    assert done.sha256 == files.sha256_file(run.sequence(0))


def test_a_sequence_is_written_on_the_nodes_own_disk_where_one_is_named(run, tmp_path, monkeypatch):
    scratch, written = tmp_path / "scratch", []
    monkeypatch.setenv("TRANSPHY3D_SCRATCH", str(scratch))
    check_unit(rundir.read_job(run.root), run, 0)

    def make_and_look(current):
        make(current)
        written.extend(scratch.iterdir())

    assert do(run, make_and_look) == "done"
    assert len(written) == 1
    assert list(scratch.iterdir()) == []
    assert [path.name for path in run.sequences.iterdir()] == ["000000.h5"]


def test_what_dead_processes_left_on_the_nodes_own_disk_is_removed_in_time(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSPHY3D_SCRATCH", str(tmp_path))
    old, new, other = (tmp_path / name for name in ("transphy3d-sequence-0.h5", "x.h5", "other"))
    new = tmp_path / "transphy3d-sequence-1.h5"
    for path in (old, new, other):
        path.touch()
    then = new.stat().st_mtime - 2 * ABANDONED_SECONDS
    for path in (old, other):
        os.utime(path, (then, then))
    check_scratch()
    assert not old.exists()
    assert new.exists()
    assert other.exists()


def test_a_scratch_folder_that_is_none_is_an_error_before_anything_starts(
    run, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRANSPHY3D_SCRATCH", str(tmp_path / "file"))
    with pytest.raises(RunError, match=r"TRANSPHY3D_SCRATCH.*unset it"):
        check_unit(rundir.read_job(run.root), run, 0)
    assert read_attempts(run, 0) == []


def test_a_run_that_cannot_be_written_is_an_error_before_anything_starts(run, monkeypatch):
    monkeypatch.setattr(rundir.os, "access", lambda path, mode: path != run.units)
    with pytest.raises(RunError, match=r"units: is missing or cannot be written"):
        check_unit(rundir.read_job(run.root), run, 0)


def test_a_full_disk_counts_against_nobody(run):
    def fill(current):
        make(current)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for _ in range(3):
        with pytest.raises(DiskFull):
            do(run, fill)
    assert failures(run, 0) == []
    assert list(run.sequences.iterdir()) == []
    assert do(run) == "done"


def test_a_nearly_full_disk_explains_what_goes_wrong_on_it(run, monkeypatch):
    monkeypatch.setattr(space, "MIN_FREE_BYTES", 1 << 60)
    with pytest.raises(DiskFull, match="killed by SIGSEGV"):
        do(run, crash)
    assert read_attempts(run, 0)[0].outcome == "disk"


def test_of_two_that_made_the_same_sequence_the_first_to_publish_wins(run):
    made, order = threading.Event(), []

    def slow(current):
        make(current)
        order.append(do(run, over=1))  # another process finds the first one stuck
        made.set()

    assert do(run, slow) == "busy"
    assert order == ["done"]
    assert [t.outcome for t in read_attempts(run, 0)] == ["lost", "done"]
    assert read_done(run, 0).attempt == 2


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_hard_links_will_do(run, monkeypatch, number):
    def no_link(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "link", no_link)
    assert do(run) == "done"
    first = run.sequence(0).stat().st_ino
    assert not files.publish_new(run.job_file, run.sequence(0))
    assert run.sequence(0).stat().st_ino == first


def test_a_link_whose_answer_was_lost_on_the_network_is_recognized(run, monkeypatch):
    link = os.link

    def link_and_lose_the_answer(*names):
        link(*names)
        raise FileExistsError

    monkeypatch.setattr(files.os, "link", link_and_lose_the_answer)
    assert do(run) == "done"


def stop_before_the_record(run, monkeypatch):
    """A publisher that dies right after it gave the file its name."""

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(published, "write_done", die)
        patch.setattr("transphy3d.farm.unit._end", die)
        with pytest.raises(Killed):
            do(run)


def test_a_file_whose_publisher_died_before_its_record_is_adopted(run, monkeypatch):
    stop_before_the_record(run, monkeypatch)
    assert not is_published(run, 0)
    assert do(run, crash, over=1) == "done"
    assert read_done(run, 0).attempt == 1
    assert [t.outcome for t in read_attempts(run, 0)] == ["vanished", "skipped"]


def test_one_that_was_cut_besides_is_made_again(run, monkeypatch):
    stop_before_the_record(run, monkeypatch)
    run.sequence(0).write_bytes(WHOLE[:5])
    assert do(run, over=1) == "done"
    assert run.sequence(0).read_bytes() == WHOLE
    assert read_done(run, 0).attempt == 2


def test_a_retry_forgives_and_forgets_nothing(run):
    assert [do(run, crash), do(run, crash), do(run, crash)] == ["failed", "dead", "dead"]
    assert retry_unit(run, 0)
    assert not retry_unit(run, 0)
    assert failures(run, 0) == []
    assert [do(run, crash), do(run)] == ["failed", "done"]
    assert [t.number for t in read_attempts(run, 0)] == [1, 2, 3, 4]
    assert len(list(run.forgiven(0).iterdir())) == 1


def test_scratch_of_published_units_is_cleared_and_of_others_left(run):
    do(run)
    for name in (".000000.h5.1.part", ".000001.h5.1.part"):
        (run.sequences / name).touch()
    remove_leftovers(run)
    assert {path.name for path in run.sequences.iterdir()} == {"000000.h5", ".000001.h5.1.part"}
