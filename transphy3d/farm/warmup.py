"""Render kernels compiled once a node, before the clock of the first unit starts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from transphy3d.config import Job
from transphy3d.farm.devices import gpus_for
from transphy3d.farm.lease import alone
from transphy3d.farm.published import SCRATCH_VARIABLE
from transphy3d.farm.rundir import RunDir, read_job
from transphy3d.files import sha256_text, write_json
from transphy3d.progress import Progress
from transphy3d.versions import versions

SIZE = 64
CACHES = {"OPTIX_CACHE_PATH": "optix", "CUDA_CACHE_PATH": "cuda"}
# Where kernels outlive a scratch folder that a scheduler removes with each job.
KERNELS_VARIABLE = "TRANSPHY3D_KERNELS"


def node_folder() -> Path:
    """A folder on the node's own disk, for what is of use to this node alone."""
    if kernels := os.environ.get(KERNELS_VARIABLE):
        return Path(kernels)
    base = os.environ.get(SCRATCH_VARIABLE) or tempfile.gettempdir()
    return Path(base) / f"transphy3d-{os.getuid()}"


def cache_environment() -> dict[str, str]:
    """Where kernels are kept: on the node's own disk, unless the user has said where."""
    folder = node_folder()
    return {name: str(folder / sub) for name, sub in CACHES.items() if name not in os.environ}


def warm_up(job: Job, root: Path, environment: dict[str, str], progress: Progress) -> None:
    """Render one tiny frame of the job on a GPU, so that its kernels are compiled and kept.

    environment : says where kernels are kept, as `cache_environment` does
    One process a node does it, the others wait. Without a GPU there is nothing to do. What goes
    wrong here will go wrong in the first unit again, and is recorded there.
    """
    if not gpus_for(job.render.device):
        return
    folder = node_folder() / "warm"
    name = _kernels()
    mark = folder / f"{name}.json"
    if mark.exists():
        return
    with alone(folder / f"{name}.claims", job.run):
        if not mark.exists():
            began = time.monotonic()
            progress.event("compiling render kernels", folder=str(node_folder()))
            command = [sys.executable, "-m", "transphy3d.farm.warmup", str(root)]
            done = subprocess.run(command, env=os.environ | environment, capture_output=True)
            seconds = time.monotonic() - began
            progress.event("render kernels compiled", seconds=seconds, exit_code=done.returncode)
            if done.returncode == 0:
                write_json(mark, {"seconds": seconds})


def _kernels() -> str:
    """What the compiled kernels depend on: Blender, GPU model and driver."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        listing = "unknown"
    return sha256_text(f"{versions().get('bpy')} {listing}")[:16]


def render_first(root: Path) -> int:
    """Blender's exit code after the first frame of a run's first scene, tiny and noisy."""
    from transphy3d.farm.blender_process import run_blender
    from transphy3d.pipeline import prepare

    job = read_job(root)
    size = {"width": SIZE, "height": SIZE}
    render = job.render.model_copy(update={"samples": 1})
    small = job.model_copy(update={**size, "frames": 1, "render": render})
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        prepare(small, 0, stage, RunDir(root).cache)
        end = run_blender(stage, stage / "log.txt", job.run.frame_timeout, lambda counts: None)
    return end.code


if __name__ == "__main__":
    sys.exit(render_first(Path(sys.argv[1])))
