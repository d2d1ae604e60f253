"""One Slurm for all tests of this folder, and one undisturbed run to compare with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run_cli
from slurm_cluster import SlurmCluster, missing_programs, slurm_cluster
from slurm_run import SETTINGS, SlurmRun, contents, write_profile

SEQUENCES = 8


@pytest.fixture(scope="session")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A disk that is full from the start, mounted before nodes start; None without the right to."""
    place = tmp_path_factory.mktemp("small")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False)
    yield place if made.returncode == 0 else None
    if made.returncode == 0:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture(scope="session")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, small_disk: Path | None
) -> Iterator[SlurmCluster]:
    if missing := missing_programs():
        pytest.skip(
            f"{', '.join(missing)} missing: install Slurm and munge, see docs/farm-slurm.md"
        )
    folder = tmp_path_factory.mktemp("slurm")
    for parent in (folder, *folder.parents[:2]):  # munged runs under an account of its own
        parent.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch, slurm_cluster(folder / "cluster") as running:
        for name in ("SLURM_CONF", "PATH"):
            patch.setenv(name, running.environment[name])
        yield running


@pytest.fixture
def slurm(cluster: SlurmCluster) -> Iterator[SlurmCluster]:
    """The cluster with both nodes idle, and without jobs afterwards."""
    yield cluster
    cluster.cancel_all()
    cluster.revive()


@pytest.fixture
def run(slurm: SlurmCluster, tmp_path: Path) -> SlurmRun:
    """A run directory with a profile that suits the cluster."""
    return SlurmRun(tmp_path / "run", write_profile(tmp_path))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, bytes]]:
    """Contents of the sequences when the local engine makes them in peace."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    changes = [w for s in (*SETTINGS, f"sequences={SEQUENCES}") for w in ("--set", s)]
    said = run_cli("render", "smoke", "--out", out, *changes, "--workers", "2")
    assert said.returncode == 0, said.stdout + said.stderr
    return contents(out)
