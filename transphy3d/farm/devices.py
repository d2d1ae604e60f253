"""GPUs of this node, seen without Blender, and who may use which."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Literal

from transphy3d.errors import DeviceError

VISIBLE = "CUDA_VISIBLE_DEVICES"
LIST_SECONDS = 60
# nvidia-smi -L: one line a GPU, and below it one for each instance that it is divided into.
_WHOLE = re.compile(r"^GPU \d+:.*\(UUID: (GPU-[^)]+)\)")
_PART = re.compile(r"^\s+MIG .*\(UUID: (MIG-[^)]+)\)")

Device = Literal["auto", "gpu", "cpu"]


def nvidia_gpus() -> list[str]:
    """Names, as CUDA_VISIBLE_DEVICES takes them, of the NVIDIA GPUs that this process may use."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=LIST_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_listing(done.stdout)


def parse_listing(text: str) -> list[str]:
    """Ids of whole GPUs, or of the instances of those that are divided, in `nvidia-smi -L`."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if whole := _WHOLE.match(line):
            found.append([whole[1]])
        elif (part := _PART.match(line)) and found:
            found[-1].append(part[1])
    return [name for gpu in found for name in (gpu[1:] or gpu)]


def gpus_for(device: Device) -> list[str]:
    """The NVIDIA GPUs that a job with this `render.device` may use."""
    return [] if device == "cpu" else nvidia_gpus()


def check_one_gpu(device: Device) -> None:
    """Raise DeviceError where several GPUs are seen: one worker renders on one.

    The choice cannot be left to Blender, which looks at all of them.
    """
    found = gpus_for(device)
    if len(found) > 1:
        raise DeviceError(
            f"this worker sees {len(found)} GPUs and renders on one: set {VISIBLE} to the one that "
            f"it may use, as in {VISIBLE}={found[0]}, and start one worker for each"
        )
