"""A user's mesh file as an asset: in metres, Z up, on its base, welded, closed, with hulls."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from transphy3d.assets.collision import mesh_hulls
from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.assets.mend import WELD, concatenated, is_closed, mended, rejoined, welded
from transphy3d.assets.meshfile import Piece, placed_points, read_pieces
from transphy3d.assets.procedural.solid import signed_volume, stand
from transphy3d.config import MeshSource
from transphy3d.errors import AssetError
from transphy3d.files import sha256_file

LARGEST = 10.0  # metres; beyond these the file's unit is not metres
SMALLEST = 0.001
MAX_PARTS = 32
THIN = 0.1  # walls thinner than this share of the longest edge count as walls
REFRACTING = {"glass", "plastic"}  # kinds whose light passes through the inside

# Rows that turn a file's coordinates so that the named axis points up.
UPRIGHT: dict[str, tuple[tuple[int, int, int], ...]] = {
    "x": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "-x": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
    "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "-z": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
}
log = logging.getLogger(__name__)


def mesh_sha256(path: Path) -> str:
    """Hex SHA-256 of a mesh file."""
    return sha256_file(path)


def load_mesh(source: MeshSource, cache_folder: Path) -> Asset:
    """The asset that a mesh file holds; what was mended on the way goes to the log.

    cache_folder : keeps collision hulls and what was taken out of .blend files, by content

    Raises AssetError, with the file, the value and a remedy, for files that cannot be used,
    sizes that cannot be metres, and meshes that cannot be closed but may be of glass.
    """
    asset, notes = inspect_mesh(source, cache_folder)
    for note in notes:
        log.warning("mesh %s: %s", source.path, note)
    return asset


def inspect_mesh(source: MeshSource, cache_folder: Path) -> tuple[Asset, tuple[str, ...]]:
    """As `load_mesh`; returns also a sentence for each thing that was mended or is amiss."""
    path = Path(source.path)
    pieces = _scaled(source, _upright(source, read_pieces(path, cache_folder)))
    bodies, notes = _closed(source, pieces)
    hulls = [hull for body in bodies for hull in mesh_hulls(body.mesh, cache_folder)]
    parts, placed = stand([Part(b.name, b.mesh, tuple(source.kinds)) for b in bodies], hulls)
    wall = _wall([body.mesh for body in bodies])
    return Asset(path.stem, source.category, parts, placed, wall=wall), tuple(notes)


def _upright(source: MeshSource, pieces: Sequence[Piece]) -> list[Piece]:
    turn = np.array(UPRIGHT[source.up], np.float64)
    return [_moved(piece, piece.mesh.vertices @ turn.T) for piece in pieces]


def _moved(piece: Piece, vertices: FloatArray) -> Piece:
    return replace(piece, mesh=replace(piece.mesh, vertices=vertices))


def _scaled(source: MeshSource, pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces whose longest edge is `size`; without it the file's unit must be the metre."""
    longest = float(np.ptp(_used(pieces), axis=0).max())
    if longest == 0:
        raise AssetError(f"mesh {source.path}: all its points coincide; export it again")
    if source.size is None and not SMALLEST <= longest <= LARGEST:
        raise AssetError(
            f"mesh {source.path}: its longest edge is {longest:g} m, outside {SMALLEST:g} to "
            f"{LARGEST:g}; set `size` to the real length of that edge in metres"
        )
    factor = 1.0 if source.size is None else source.size / longest
    return [_moved(piece, piece.mesh.vertices * factor) for piece in pieces]


def _used(pieces: Sequence[Piece]) -> FloatArray:
    """The points (K, 3) that faces use."""
    return np.concatenate([p.mesh.vertices[np.unique(p.mesh.faces)] for p in pieces])


def _closed(source: MeshSource, pieces: Sequence[Piece]) -> tuple[list[Piece], list[str]]:
    """Welded and mended bodies with names of their own, and what was done to them."""
    tolerance = WELD * float(np.linalg.norm(np.ptp(placed_points(list(pieces)), axis=0)))
    bodies, notes = [], []
    for piece in pieces:
        mesh, dropped = welded(piece.mesh, tolerance)
        notes += [f"{piece.name}: {dropped} empty or repeated faces dropped"] if dropped else []
        bodies.append(Piece(piece.name, mesh))
    bodies = [body for body in rejoined(bodies, tolerance) if len(body.mesh.faces)]
    if len(bodies) > MAX_PARTS:
        notes.append(f"{len(bodies)} bodies joined into one part")
        bodies = [Piece("body", concatenated([body.mesh for body in bodies]))]
    for k, body in enumerate(bodies):
        mesh, done = mended(body.mesh)
        notes += [f"{body.name}: {what}" for what in done]
        notes += _open_note(source, body.name, mesh)
        bodies[k] = Piece(body.name, mesh)
    if not bodies:
        raise AssetError(f"mesh {source.path}: all its faces are empty; export it again")
    return _named_apart(bodies), notes


def _open_note(source: MeshSource, name: str, mesh: Mesh) -> list[str]:
    """Nothing for a closed body; a note, or AssetError if it may be of glass, for an open one."""
    if is_closed(mesh):
        return []
    refracting = sorted(REFRACTING.intersection(source.kinds))
    if refracting:
        raise AssetError(
            f"mesh {source.path}: {name!r} is not a closed surface, so {' and '.join(refracting)} "
            "would refract wrongly; close its holes or give it a wall (Solidify), "
            "or set `kinds: [metal, ceramic]`"
        )
    return [f"{name}: not a closed surface; its mass is a guess"]


def _named_apart(bodies: Sequence[Piece]) -> list[Piece]:
    """Bodies whose names are filled in and differ."""
    seen: dict[str, int] = {}
    named = []
    for body in bodies:
        name = body.name or "body"
        seen[name] = seen.get(name, 0) + 1
        named.append(replace(body, name=name if seen[name] == 1 else f"{name} {seen[name]}"))
    return named


def _wall(meshes: Sequence[Mesh]) -> float:
    """Typical wall thickness: twice volume by surface; 0 for what is not thin-walled."""
    volume = sum(abs(signed_volume(mesh)) for mesh in meshes)
    area = sum(_area(mesh) for mesh in meshes)
    longest = float(np.ptp(np.concatenate([mesh.vertices for mesh in meshes]), axis=0).max())
    thickness = 2 * volume / area
    return thickness if thickness < THIN * longest else 0.0


def _area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
