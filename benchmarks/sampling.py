"""CPU time of making a scene: sampling, meshes with collision pieces, camera, stage files.

    python benchmarks/sampling.py [JOB] [--scenes N]

Settling, which lies between meshes and camera, is measured in the same run for comparison. Each
column gives the median and the greatest CPU seconds over the scenes that were accepted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transphy3d.config import Job
from transphy3d.errors import SceneRejected
from transphy3d.job import load_job
from transphy3d.materials.library import Library, load_library
from transphy3d.physics.settle import settle
from transphy3d.rng import Streams
from transphy3d.scenes.build import build_geometry
from transphy3d.scenes.camera import place_camera
from transphy3d.scenes.render_settings import resolve
from transphy3d.scenes.sample import sample_scene
from transphy3d.scenes.stage_build import build_stage

STAGES = ("sample", "meshes", "settle", "camera", "write")
Times = dict[str, float]


def timed(times: Times, name: str, work: Callable[[], Any]) -> Any:
    """The result of `work`, with its CPU seconds booked under `name`."""
    began = time.process_time()
    result = work()
    times[name] = time.process_time() - began
    return result


def make(job: Job, index: int, library: Library, folder: Path) -> Times:
    """CPU seconds of each stage of one scene. Raises SceneRejected like the pipeline."""
    times: Times = {}
    streams, cache = Streams(job.seed, index), folder / "cache"
    spec = timed(times, "sample", lambda: sample_scene(job, streams, library, cache))
    geometry = timed(times, "meshes", lambda: build_geometry(spec, job.objects.segments, cache))
    rest = timed(times, "settle", lambda: settle(spec, geometry, streams("spawn"), job.physics))
    settled = timed(times, "camera", lambda: place_camera(job, spec, rest, geometry, streams))
    settings = resolve(job.render, 0, 0)
    timed(times, "write", lambda: build_stage(settled, geometry, job, settings, folder))
    return times


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("job", nargs="?", default="preview")
    parser.add_argument("--scenes", type=int, default=10)
    arguments = parser.parse_args()
    job, library = load_job(arguments.job), load_library()
    rows, rejected = [], 0
    for index in range(arguments.scenes):
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows.append(make(job, index, library, Path(folder)))
            except SceneRejected:
                rejected += 1
    print(f"{len(rows)} scenes of the job {job.name!r}, {rejected} rejected; CPU seconds")
    for name in STAGES:
        values = [row[name] for row in rows]
        print(f"{name:<8} median {statistics.median(values):6.2f}  max {max(values):6.2f}")
    made = [row["sample"] + row["meshes"] for row in rows]
    print(f"sample and meshes: median {statistics.median(made):.2f}  max {max(made):.2f}")


if __name__ == "__main__":
    main()
