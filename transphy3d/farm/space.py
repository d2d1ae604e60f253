"""Room on the disk: gates before work starts, and what is removed when it is done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from transphy3d.config import Job
from transphy3d.errors import DiskFull
from transphy3d.farm.rundir import RunDir

# Uncompressed truth, depth behind and picture of one pixel, and room for the sequence itself.
SCRATCH_BYTES_PER_PIXEL = 40
FILE_BYTES_PER_PIXEL = 4
MIN_FREE_BYTES = 64 << 20
BLEND_NAME = "stage.blend"  # as transphy3d.blender.worker calls it


def check_space(stage: Path, places: Iterable[Path], job: Job) -> None:
    """Raise DiskFull unless a sequence fits on the disks that hold these folders.

    stage : where its frames are rendered; places : where its file is written
    """
    pixels = job.frames * job.width * job.height
    check_room_for(stage, SCRATCH_BYTES_PER_PIXEL * pixels, "one sequence")
    for place in places:
        check_room_for(place, FILE_BYTES_PER_PIXEL * pixels, "the file of one sequence")


def check_room_for(folder: Path, size: int, what: str) -> None:
    """Raise DiskFull unless `size` bytes and some spare fit on the disk that holds `folder`."""
    _check_free(folder, MIN_FREE_BYTES + size, what)


def check_room(folder: Path, files: list[Path]) -> None:
    """Raise DiskFull unless copies of `files` fit on the disk that holds `folder`."""
    _check_free(folder, MIN_FREE_BYTES + sum(file.stat().st_size for file in files), "packing")


def _check_free(folder: Path, needed: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(
            f"{folder}: {free / 1e6:.0f} MB are free and {what} needs {needed / 1e6:.0f} MB; what "
            "is published is kept: free space and run again, or choose another output folder"
        )


def is_nearly_full(folder: Path) -> bool:
    """Whether so little is free that this explains whatever goes wrong there."""
    return shutil.disk_usage(folder).free < MIN_FREE_BYTES


def clear_stage(job: Job, run: RunDir, index: int) -> None:
    """Remove what a published sequence was made from, but for what the job keeps."""
    stage = run.stage(index)
    if job.run.keep_frames or not stage.exists():
        return
    blend = stage / BLEND_NAME
    if job.run.keep_blend and blend.exists():
        os.replace(blend, run.blend(index))
    shutil.rmtree(stage, ignore_errors=True)  # of a network disk, what is still open stays
