"""What Blender prints is passed on, and its printed failures become errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from transphy3d.blender.chatter import Chatter, failures
from transphy3d.errors import RenderError


@pytest.mark.parametrize(
    "line",
    [
        "Error: Out of memory in CUDA queue enqueue (integrator_shade_surface)",
        "System is out of GPU memory",
        "OIDN error: unsupported device type",
        "Failed to create CUDA context (Out of memory)",
        "Denoising failed, maybe failed to load the kernels",
    ],
)
def test_lines_that_tell_of_failure_are_found(line: str) -> None:
    assert failures(f"Fra:1 Mem:9M | Sample 1/8\n{line}\nTime: 00:00.02\n") == [line]


@pytest.mark.parametrize(
    "line",
    [
        "Fra:1 Mem:11.62M | Scene, ViewLayer | Synchronizing object | error bar",
        "Saved: '/data/errors/0001.png'",
        "Loading denoising kernels (may take a few minutes the first time)",
    ],
)
def test_ordinary_lines_are_not_failures(line: str) -> None:
    assert failures(line) == []


def test_what_c_code_prints_is_judged_and_passed_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Chatter(tmp_path / "out") as chatter:
        os.write(1, b"Fra:1 Sample 1/8\nall is well\n")
        chatter.check()
        os.write(2, b"Error: out of memory\n")
        with pytest.raises(RenderError, match="out of memory"):
            chatter.check()
        print("afterwards")
    assert capfd.readouterr().out == "all is well\nError: out of memory\nafterwards\n"
    assert not (tmp_path / "out").exists()
