"""The physics engine says nothing of its own accord: scripts read what we print."""

import subprocess
import sys


def test_importing_the_physics_prints_nothing():
    said = subprocess.run(
        [sys.executable, "-c", "import transphy3d.physics.settle"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout + said.stderr == ""
