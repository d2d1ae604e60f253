"""What importing costs and how well its collision pieces fit, on the assets of a bank.

    python benchmarks/importing.py BANK [ID ...] [--compare N]

For every fetched asset (or those named): processor seconds of the whole import with Blender's,
the method, the number of pieces, and their volume over the solid's. A ball of a tenth of an asset's
width is dropped into the middle of each hollow one. `--compare` decomposes the first N bodies of
revolution by CoACD as well. Nothing is written to the bank but what importing writes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from transphy3d.assets.bank import AssetRecord, Bank, Imported
from transphy3d.assets.collision import hull_volume, mesh_hulls
from transphy3d.assets.contact import touching
from transphy3d.assets.geometry import Asset
from transphy3d.assets.imported import load_imported
from transphy3d.assets.importing import import_asset
from transphy3d.assets.procedural.solid import signed_volume, to_manifold
from transphy3d.assets.revolution import profile_hulls, profile_of
from transphy3d.errors import AssetError
from transphy3d.physics.bodies import Frame, RigidBody, Surface
from transphy3d.physics.world import STEPS_PER_SECOND, World

SOLID = Surface(0.4, 0.2)
BALL = 0.05  # radius by the asset's width
BALL_DENSITY = 2500.0
FALL_SECONDS = 1.5


def processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def holds_a_ball(asset: Asset) -> bool:
    """Whether a ball dropped over an asset's middle comes to rest within its height and width."""
    points = asset.points()
    low, high = points.min(axis=0), points.max(axis=0)
    width = float(min(high[:2] - low[:2]))
    with World() as world:
        world.add_static(touching(asset).hulls, SOLID)
        start = Frame(
            np.array([*(low + high)[:2] / 2, high[2] + BALL * width]), Rotation.identity()
        )
        handle = world.add(_ball(BALL * width), start)
        for _ in range(round(FALL_SECONDS * STEPS_PER_SECOND)):
            world.step()
        end = world.frame(handle).position
    return bool((end[:2] > low[:2]).all() and (end < high).all() and end[2] > 0)


def _ball(radius: float) -> RigidBody:
    k = np.arange(200) + 0.5
    height, angle = 1 - 2 * k / 200, k * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - height**2)
    points = radius * np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    mass = BALL_DENSITY * 4 / 3 * np.pi * radius**3
    inertia = np.full(3, 0.4 * mass * radius**2)
    return RigidBody((points,), mass, inertia, SOLID, np.zeros(3), Rotation.identity())


def report(bank: Bank, record: AssetRecord) -> Imported | None:
    """Import one asset and print its line."""
    began = processor_seconds()
    try:
        done = import_asset(bank, record)
    except AssetError as error:
        print(f"{record.id:52} refused: {error}")
        return None
    spent = processor_seconds() - began
    held = ""
    if done.hollow:
        held = "holds" if holds_a_ball(load_imported(bank.imported(record.id))) else "LETS GO"
    print(
        f"{record.id:52} {spent:6.1f} s  {done.method:20} {done.hulls:4} pieces  "
        f"fit {done.fit:5.2f}  {held}",
        flush=True,
    )
    return done


def compare(asset: Asset) -> str:
    """A body of revolution by its profile and by CoACD: processor seconds, pieces and fit."""
    mesh = asset.parts[0].mesh
    volume, lines = signed_volume(mesh), []
    began = time.process_time()
    profile = profile_of(to_manifold(mesh))
    if profile is None:
        return "no profile"
    hulls = profile_hulls(profile)
    lines.append(("profile", time.process_time() - began, hulls))
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        pieces = mesh_hulls(mesh, Path(folder))
        lines.append(("CoACD", time.process_time() - began, pieces))
    return "; ".join(
        f"{name} {seconds:.2f} s, {len(found)} pieces, fit {hull_volume(found) / volume:.2f}"
        for name, seconds, found in lines
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bank", type=Path)
    parser.add_argument("ids", nargs="*")
    parser.add_argument("--compare", type=int, default=0)
    given = parser.parse_args()
    bank = Bank(given.bank)
    records = [bank.read(asset) for asset in given.ids] or [r for r in bank.records() if r.file]
    began = processor_seconds()
    done = {record.id: report(bank, record) for record in records}
    spent = processor_seconds() - began
    good = {name: item for name, item in done.items() if item}
    print(f"{len(good)} of {len(done)} imported, {spent / len(done):.1f} processor seconds each")
    revolved = [name for name, item in good.items() if item.method == "profile"]
    for name in revolved[: given.compare]:
        print(f"{name}: {compare(load_imported(bank.imported(name)))}")


if __name__ == "__main__":
    main()
