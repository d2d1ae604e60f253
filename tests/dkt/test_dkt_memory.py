"""Inference holds a window, not a video."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHORT, LONG = 81, 801
SIZE = (320, 240)  # width, height; 720 such frames are 166 MB, and 221 MB when seen


def look_at(*folders: str) -> None:
    """Peak memory in bytes after looking at each folder, to stdout; run in a process alone."""
    import tiny_dkt

    from transphy3d.dkt.inference.infer import Settings, estimate
    from transphy3d.dkt.inference.video import open_video
    from transphy3d.dkt.model.windows import Windows

    settings = Settings(size=(16, 16), steps=1, windows=Windows(4, 1))
    for folder in folders:
        count = sum(1 for _ in estimate(tiny_dkt.model(), open_video(Path(folder)), settings))
        print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def peaks(*folders: Path) -> list[tuple[int, int]]:
    """Frames seen in each folder, and the process's peak memory after it."""
    script = f"import test_dkt_memory as t; t.look_at(*{[str(folder) for folder in folders]!r})"
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = dict(os.environ, PYTHONPATH=paths, OMP_NUM_THREADS="1")
    command = [sys.executable, "-c", "import transphy3d.dkt; " + script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [(int(n), int(peak)) for n, peak in map(str.split, done.stdout.splitlines())]


@pytest.fixture
def pictures(tmp_path):
    """A function that gives a folder of so many pictures, all the same file."""
    rng = np.random.default_rng(0)
    first = tmp_path / "picture.png"
    Image.fromarray(rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)).save(first)

    def folder(count: int) -> Path:
        made = tmp_path / str(count)
        made.mkdir()
        for number in range(count):
            os.link(first, made / f"{number:04d}.png")
        return made

    return folder


def test_memory_does_not_grow_with_the_length_of_the_video(pictures):
    (short, before), (long, after) = peaks(pictures(SHORT), pictures(LONG))
    assert (short, long) == (SHORT, LONG)
    frames = (LONG - SHORT) * SIZE[0] * SIZE[1] * 3
    assert after - before < 0.05 * frames
