"""CPU time of everything a job does, over the CPU time of Cycles alone for the same pictures.

    python benchmarks/overhead.py [JOB] [--set key=value ...]

Renders the job with the command that users call, keeping its stages; then renders the same
denoised beauty frames of all sequences again in one process that does nothing else, and counts
the CPU seconds inside Blender's render call only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from transphy3d.jsonio import from_json
from transphy3d.scenes.stage import Stage

KEEP = ("--set", "run.keep_frames=true")


def cycles_alone(stages: list[Path]) -> float:
    """CPU seconds of Blender's render calls for the beauty frames of `stages`; in this process."""
    import bpy

    from transphy3d.blender import device as devices
    from transphy3d.blender.engine import set_engine
    from transphy3d.blender.passes import set_phase
    from transphy3d.blender.stage import build_scene, camera_matrix

    spent = 0.0
    for folder in stages:
        stage = from_json(Stage, (folder / "stage.json").read_bytes())
        device = devices.choose_device(stage.render.device)
        denoiser = devices.choose_denoiser(stage.render.denoiser, device)
        scene = build_scene(stage, folder)
        set_engine(scene, stage)
        devices.set_device(scene, device)
        set_phase(scene, "rgb", stage.render, device, denoiser)
        for frame, pose in enumerate(stage.world_to_camera):
            scene.camera.matrix_world = camera_matrix(pose)
            scene.cycles.seed = (stage.render.seed + frame) % 2**31
            began = time.process_time()
            bpy.ops.render.render(write_still=False)
            spent += time.process_time() - began
    return spent


def whole_job(job: str, overrides: list[str], out: Path) -> float:
    """CPU seconds of the whole command, all its processes included."""
    settings = [word for text in overrides for word in ("--set", text)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "transphy3d", "render", job, "--out", out, *settings, *KEEP],
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def shares(out: Path) -> dict[str, float]:
    """CPU seconds by stage, summed over the sequences' own records."""
    total: dict[str, float] = {}
    for stage in sorted(out.glob("units/*/stage")):
        report = json.loads((stage / "render.json").read_text())["cpu_seconds"]
        scene = json.loads((stage / "scene.json").read_text())["cpu_seconds"]
        for name, seconds in {"scene": scene, **report}.items():
            total[name] = total.get(name, 0.0) + seconds
    return total


def main() -> None:
    """Parse and compare; with `--alone`, be the baseline's process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", nargs="?", default="preview")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--alone", nargs="+", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        spent = cycles_alone(arguments.alone)
        sys.stdout.flush()
        Path(os.environ["ALONE_RESULT"]).write_text(str(spent))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments.job, arguments.overrides, Path(folder))


def compare(job: str, overrides: list[str], folder: Path) -> None:
    """Run both and print the ratio and the shares."""
    whole = whole_job(job, overrides, folder / "run")
    stages = sorted((folder / "run" / "units").glob("*/stage"))
    result = folder / "alone.txt"
    subprocess.run(
        [sys.executable, __file__, "--alone", *stages],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"ALONE_RESULT": str(result)},
    )
    alone = float(result.read_text())
    print(f"{'whole job':<28} {whole:8.1f} CPU s")
    print(f"{'Cycles alone':<28} {alone:8.1f} CPU s")
    print(f"{'ratio':<28} {whole / alone:8.3f}")
    parts = shares(folder / "run")
    parts["everything else"] = whole - sum(parts.values())
    for name, seconds in parts.items():
        print(f"  {name:<26} {seconds:8.1f} CPU s {100 * seconds / whole:6.1f} %")


if __name__ == "__main__":
    main()
