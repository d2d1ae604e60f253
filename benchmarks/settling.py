"""CPU time and accuracy of settling 10 to 15 mixed real objects on each kind of support.

    python benchmarks/settling.py [--supports table bin] [--seeds 3] [--count 10 15] [--meshes]

One line per scene: CPU seconds of `settle`, simulated seconds, greatest overlap of the convex
pieces, greatest speed at rest, re-drops. `--meshes` adds how far the drawn meshes themselves
overlap: the mean thickness, 2 volume / area, of the thickest intersection of two objects.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
from manifold3d import Manifold, Mesh

from transphy3d.assets.geometry import Asset
from transphy3d.config import Job
from transphy3d.errors import SceneRejected
from transphy3d.materials.library import load_library
from transphy3d.physics.settle import Rest, settle
from transphy3d.rng import Streams
from transphy3d.scenes.build import build_geometry
from transphy3d.scenes.geometry import Geometry
from transphy3d.scenes.rotations import pose_matrix
from transphy3d.scenes.sample import sample_scene
from transphy3d.scenes.spec import Pose, SceneSpec


def job(support: str, count: tuple[int, int]) -> Job:
    """A job whose scenes all have this support."""
    return Job.model_validate(
        {
            "name": "settling",
            "sequences": 1,
            "objects": {"count": count},
            "supports": {"kinds": {support: 1.0}},
        }
    )


def overlap_of_meshes(spec: SceneSpec, geometry: Geometry, rest: Rest) -> float:
    """Mean thickness in metres of the thickest intersection between two objects' meshes."""
    solids = [
        _placed(geometry.assets[item.id], item.scale, rest.poses[item.id]) for item in spec.objects
    ]
    shared = (first ^ second for first, second in combinations(solids, 2))
    return max((2 * s.volume() / s.surface_area() for s in shared if not s.is_empty()), default=0.0)


def _placed(asset: Asset, scale: float, pose: Pose) -> Manifold:
    mesh = asset.parts[0].mesh
    matrix = pose_matrix(pose)
    points = mesh.vertices * scale @ matrix[:3, :3].T + matrix[:3, 3]
    return Manifold(Mesh(points.astype(np.float32), mesh.faces.astype(np.uint32)))


def run(support: str, seed: int, count: tuple[int, int], meshes: bool, cache: Path) -> None:
    """Settle one scene and print its line."""
    config = job(support, count)
    streams = Streams(seed, 0)
    spec = sample_scene(config, streams, load_library(), cache)
    geometry = build_geometry(spec, config.objects.segments, cache)
    hulls = sum(len(asset.hulls) for asset in geometry.assets.values())
    head = f"{support:6s} {seed:4d} {len(spec.objects):7d} {hulls:5d}"
    began = time.process_time()
    try:
        rest = settle(spec, geometry, streams("spawn"), config.physics)
    except SceneRejected as error:
        print(f"{head} {time.process_time() - began:6.2f}  {error}")
        return
    spent, report = time.process_time() - began, rest.report
    tail = f" {1000 * overlap_of_meshes(spec, geometry, rest):9.3f}" if meshes else ""
    print(
        f"{head} {spent:6.2f} {report.settle_seconds:9.2f} {1000 * report.penetration:10.4f} "
        f"{1000 * report.speed:8.3f} {report.redropped:7d}{tail}"
    )


def main() -> None:
    """Parse the arguments and settle every scene."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--supports", nargs="+", default=["table", "bin"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, nargs=2, default=(10, 15))
    parser.add_argument("--meshes", action="store_true", help="measure the drawn meshes too")
    options = parser.parse_args()
    print(
        "kind   seed objects hulls  cpu s simulated overlap/mm mm/s re-drops"
        + " meshes/mm" * options.meshes
    )
    with tempfile.TemporaryDirectory() as cache:
        for support in options.supports:
            for seed in range(options.seeds):
                run(support, seed, tuple(options.count), options.meshes, Path(cache))


if __name__ == "__main__":
    main()
