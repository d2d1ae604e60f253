"""Published sequences: made visible once and whole, with a record of what they took."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from transphy3d.errors import RunError
from transphy3d.farm.attempts import Attempt, Done, numbers_in, read_attempts
from transphy3d.farm.lease import Lease, LostClaim
from transphy3d.farm.rundir import RunDir
from transphy3d.files import publish_new, read_bytes, sha256_file, write_json
from transphy3d.jsonio import from_json, to_data

SCRATCH_VARIABLE = "TRANSPHY3D_SCRATCH"
SCRATCH_PREFIX = "transphy3d-sequence-"
ABANDONED_SECONDS = 86400.0  # a sequence's file is written within minutes
SCRATCH_FILE = re.compile(r"\.(\d+)\.h5\.(\d+)\.part")


def scratch_file(run: RunDir, index: int, number: int) -> Path:
    """Where try `number` writes its sequence: on the node's own disk where one is named.

    HDF5 on a shared file system is slow and sometimes refused.
    """
    folder = os.environ.get(SCRATCH_VARIABLE)
    if not folder:
        return _beside(run, index, number)
    return Path(folder) / f"{SCRATCH_PREFIX}{index:06d}-{number}-{os.getpid()}.h5"


def check_scratch() -> None:
    """Make the folder that TRANSPHY3D_SCRATCH names, and empty it of what dead processes left.

    Raises RunError when it cannot be written.
    """
    name = os.environ.get(SCRATCH_VARIABLE)
    if not name:
        return
    folder = Path(name)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise RunError(
            f"{SCRATCH_VARIABLE} is {name!r}, which is no folder that can be written; name one on "
            "this node's own disk, or unset it"
        )
    for left in folder.glob(f"{SCRATCH_PREFIX}*.h5"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                left.unlink()


def _beside(run: RunDir, index: int, number: int) -> Path:
    return run.sequences / f".{index:06d}.h5.{number}.part"


def publish_sequence(run: RunDir, index: int, lease: Lease, file: Path) -> None:
    """Give a written sequence its name, if nobody has done so before, and record it.

    file : the sequence in scratch; it is gone afterwards
    Raises LostClaim when another process has the unit or has published it.
    """
    beside = _beside(run, index, lease.number)
    try:
        # Said before the name is given: so a file without a record can be told from a damaged one.
        lease.saw(sha256=sha256_file(file), bytes=file.stat().st_size)
        if file != beside:
            shutil.copyfile(file, beside)
        lease.beat()
        if not publish_new(beside, run.sequence(index)):
            raise LostClaim(f"sequence {index}: published by another process")
    finally:
        file.unlink(missing_ok=True)
        beside.unlink(missing_ok=True)
    write_done(run, index, replace(lease.attempt, seconds=lease.seconds))


def write_done(run: RunDir, index: int, made: Attempt) -> None:
    """Record a published sequence that the try `made` has made."""
    others = (t for t in read_attempts(run, index) if t.number != made.number)
    before = [t for t in others if t.outcome != "running"]
    done = Done(
        unit=index,
        bytes=made.bytes,
        sha256=made.sha256,
        frames=made.frames,
        attempt=made.number,
        seconds=made.seconds,
        seconds_all=sum(t.seconds for t in before) + made.seconds,
        tries=dict(Counter([*(t.outcome for t in before), "done"])),
        host=made.host,
        device=made.device,
        finished=time.time(),
    )
    write_json(run.done(index), to_data(done))


def read_done(run: RunDir, index: int) -> Done | None:
    """The record of a published sequence; None where there is none of this format."""
    try:
        return from_json(Done, read_bytes(run.done(index)))
    except (FileNotFoundError, ValidationError):
        return None


def is_published(run: RunDir, index: int) -> bool:
    """Whether the sequence is there and recorded, and whole as far as its size tells."""
    done = read_done(run, index)
    try:
        return done is not None and run.sequence(index).stat().st_size == done.bytes
    except FileNotFoundError:
        return False


def published(run: RunDir) -> set[int]:
    """All units that `is_published` would find, by two listings and a small file each."""
    return {index for index in numbers_in(run.done_folder) if is_published(run, index)}


def reopen_damaged(run: RunDir) -> set[int]:
    """Forget the records of sequences that are gone or cut short, so that agents make them again.

    A file that turns out whole after all is known by its maker's record. Returns the units.
    """
    damaged = numbers_in(run.done_folder) - published(run)
    for index in damaged:
        run.done(index).unlink(missing_ok=True)
    return damaged


def adopt(run: RunDir, index: int, lease: Lease) -> bool:
    """Under a claim, settle what lies in a unit's place; returns whether it is published now.

    A file without a record whose publisher died right after giving it its name gets its record
    now. A file that is not what its record, or its maker, says is damaged, and removed.
    Raises LostClaim.
    """
    path = run.sequence(index)
    if is_published(run, index):
        return True
    if not path.exists():
        return False
    maker = None if run.done(index).exists() else _maker(run, index, path)
    if maker is not None:
        write_done(run, index, maker)
        return True
    lease.check()
    return not _remove_damaged(run, index)


def _maker(run: RunDir, index: int, file: Path) -> Attempt | None:
    """The try that wrote this very file."""
    checksum = sha256_file(file)
    tries = (t for t in read_attempts(run, index) if t.sha256 == checksum)
    return next(tries, None)


def _remove_damaged(run: RunDir, index: int) -> bool:
    """Take a damaged file away; False if what was taken turns out whole, and is put back.

    Whoever was stopped between its look and this may find a good file in the place by now.
    """
    path, aside = run.sequence(index), run.unit(index) / f"damaged-{os.getpid()}.h5"
    os.replace(path, aside)
    whole = _maker(run, index, aside) is not None
    if whole:
        publish_new(aside, path)
    else:
        run.done(index).unlink(missing_ok=True)
    aside.unlink()
    return not whole


def remove_older_scratch(run: RunDir, index: int, number: int) -> None:
    """Remove what earlier tries at a unit left unpublished; later ones may still be writing."""
    for file, unit, attempt in _scratch_files(run):
        if unit == index and attempt < number:
            file.unlink(missing_ok=True)


def remove_leftovers(run: RunDir) -> None:
    """Remove what killed processes left beside sequences that are published."""
    for file, unit, _ in _scratch_files(run):
        if is_published(run, unit):
            file.unlink(missing_ok=True)


def _scratch_files(run: RunDir) -> Iterator[tuple[Path, int, int]]:
    """What lies unpublished beside sequences: file, unit, number of the try."""
    for file in run.sequences.glob(".*.part"):
        if found := SCRATCH_FILE.search(file.name):
            yield file, int(found[1]), int(found[2])
