"""Small banks of home-made models, and what drops a ball into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import trimesh

from transphy3d.assets.bank import AssetRecord, Bank, Override
from transphy3d.assets.geometry import Asset, Mesh
from transphy3d.assets.import_run import import_apart
from transphy3d.assets.imported import load_imported
from transphy3d.assets.procedural import lathe
from transphy3d.assets.sources.local import asset_of, licence_of

GLASS, STEEL, PAPER = "glass", "steel", "paper"
# Wavefront materials as modellers write them: transparent by `d`, a metal by its map-less Pm.
MTL = """newmtl glass
Kd 0.9 0.9 0.9
d 0.1
newmtl steel
Kd 0.6 0.6 0.6
Pm 1.0
Pr 0.1
newmtl paper
Kd 0.8 0.8 0.8
Pr 0.9
"""
TUMBLER = lathe.vessel(np.array([(0.0, 0.0), (0.03, 0.0), (0.037, 0.11)]), 0.002, 0.005)


def tumbler(segments: int = 48) -> Mesh:
    """A glass of 11 cm with a wall of 2 mm."""
    return lathe.revolve(TUMBLER, segments)


def cylinder(radius: float, height: float, at: Sequence[float] = (0, 0, 0)) -> Mesh:
    """A closed cylinder on the point `at`."""
    found = trimesh.creation.cylinder(radius, height, sections=32)
    vertices = np.asarray(found.vertices) + np.array([0, 0, height / 2]) + np.asarray(at, float)
    return Mesh(vertices, np.asarray(found.faces, np.int32))


def without_top(mesh: Mesh) -> Mesh:
    """The mesh less its faces at the greatest height: an open sheet."""
    top = mesh.vertices[:, 2].max() - 1e-9
    return replace(mesh, faces=mesh.faces[(mesh.vertices[mesh.faces, 2] < top).any(axis=1)])


def write_obj(path: Path, pieces: Sequence[tuple[str, Mesh]]) -> Path:
    """An OBJ file, Y up as the format has it, with its materials beside it."""
    path.with_suffix(".mtl").write_text(MTL)
    lines, start = [f"mtllib {path.stem}.mtl"], 1
    for number, (material, mesh) in enumerate(pieces):
        lines.append(f"o piece{number}")
        lines += [f"v {x:.9f} {z:.9f} {-y:.9f}" for x, y, z in mesh.vertices]
        lines.append(f"usemtl {material}")
        lines += [f"f {a + start} {b + start} {c + start}" for a, b, c in mesh.faces.tolist()]
        start += len(mesh.vertices)
    path.write_text("\n".join(lines) + "\n")
    return path


def added(bank: Bank, path: Path, **changes: object) -> AssetRecord:
    """A user's own file in a bank, with its record changed."""
    record = replace(asset_of(bank, path, licence_of("own", "")), **changes)  # type: ignore[arg-type]
    bank.write(record)
    return record


def imported(bank: Bank, record: AssetRecord) -> tuple[AssetRecord, Asset]:
    """The record after import, and the asset."""
    done = replace(record, imported=import_apart(bank, record.id))
    bank.write(done)
    return done, load_imported(bank.imported(record.id))


def accepted(bank: Bank, record: AssetRecord, optical: str = "transparent") -> AssetRecord:
    """The record with a person's word for it."""
    override = Override(ruling="accepted", optical=optical)  # type: ignore[arg-type]
    done = replace(record, override=override)
    bank.write(done)
    return done


def classes(asset: Asset) -> Mapping[str, tuple[str, ...]]:
    """Optical classes by part."""
    return {part.name: part.optical for part in asset.parts}
