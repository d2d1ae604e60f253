"""Milliseconds to build each procedural family: python benchmarks/meshes.py [segments] [seeds]."""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from transphy3d.assets.procedural import Family, families


def measured(family: Family, segments: int, seeds: int) -> tuple[list[float], list[int], list[int]]:
    """Milliseconds, faces and hulls of one asset per seed; the first build warms up."""
    times, faces, hulls = [], [], []
    for seed in [0, *range(seeds)]:
        params = family.sample(np.random.default_rng(seed))
        start = time.perf_counter()
        asset = family.build(params, segments)
        times.append((time.perf_counter() - start) * 1e3)
        faces.append(sum(len(part.mesh.faces) for part in asset.parts))
        hulls.append(len(asset.hulls))
    return times[1:], faces[1:], hulls[1:]


def main() -> None:
    """Print one row per family: mesh and hulls together, as they are built."""
    segments = int(sys.argv[1]) if len(sys.argv) > 1 else 96
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    print(f"{segments} segments, {seeds} seeds; mesh and hulls")
    print(f"{'family':<18}{'min ms':>9}{'median ms':>11}{'faces':>9}{'hulls':>7}")
    for name, family in families().items():
        times, faces, hulls = measured(family, segments, seeds)
        print(
            f"{name:<18}{min(times):>9.1f}{statistics.median(times):>11.1f}"
            f"{statistics.median(faces):>9.0f}{statistics.median(hulls):>7.0f}"
        )


if __name__ == "__main__":
    main()
