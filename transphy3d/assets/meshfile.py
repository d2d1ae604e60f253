"""Raw pieces from mesh files: .glb, .gltf, .obj, .ply, .stl by trimesh, .blend, .fbx by Blender.

A file of unknown origin is always read by Blender, in a process of its own with limits.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from transphy3d.assets.geometry import FloatArray, Mesh
from transphy3d.assets.material_report import Inspection, Looks
from transphy3d.errors import AssetError, DiskFull
from transphy3d.files import replacing, sha256_file
from transphy3d.jsonio import from_json

MESH_SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl")
BLENDER_SUFFIXES = (".blend", ".fbx")
MAX_BYTES = 1 << 30
MAX_FACES = 2_000_000
BLEND_TIMEOUT = 300.0  # seconds
EXTRACT_VERSION = 2  # raise when transphy3d.blender.extract would give other pieces than before


class UnreadableMesh(AssetError):
    """A mesh file that its parser cannot make sense of."""


@dataclass(frozen=True)
class Piece:
    """A named mesh as a file holds it: neither welded nor closed, in the file's own units.

    material : its name in the file, where the reader knows it
    """

    name: str
    mesh: Mesh
    material: str = ""


@dataclass(frozen=True)
class Extract:
    """What Blender takes out of a file; `moves` are words for what is not static in it."""

    pieces: list[Piece]
    moves: tuple[str, ...]
    materials: dict[str, Looks]


def read_pieces(path: Path, cache_folder: Path) -> list[Piece]:
    """All triangle meshes of a file, placed as its scene places them.

    cache_folder : keeps what was taken out of .blend files, by content
    Raises AssetError if the file is missing, empty, of an unknown kind, unreadable, without
    triangles, too large, or holds values that are not finite.
    """
    check_file(path)
    if path.suffix.lower() in BLENDER_SUFFIXES:
        pieces = _read_blend(path, cache_folder)
    else:
        pieces = _read_trimesh(path)
    _check_pieces(path, pieces)
    return pieces


def check_file(path: Path) -> None:
    """Raise AssetError unless the file is there, is of a known kind and has a sane size."""
    known = (*MESH_SUFFIXES, *BLENDER_SUFFIXES)
    if not path.is_file():
        raise AssetError(f"mesh {path}: no such file; check `path` in objects.meshes")
    if path.suffix.lower() not in known:
        raise AssetError(
            f"mesh {path}: {path.suffix or 'no suffix'} is not a known kind of mesh file; "
            f"export it as one of {', '.join(known)}"
        )
    size = path.stat().st_size
    if size == 0:
        raise AssetError(f"mesh {path}: the file has 0 bytes; copy or export it again")
    if size > MAX_BYTES:
        raise AssetError(
            f"mesh {path}: {size / 2**20:.0f} MiB is more than {MAX_BYTES / 2**20:.0f}; "
            "reduce the mesh or leave its textures out"
        )


def _check_pieces(path: Path, pieces: list[Piece]) -> None:
    faces = sum(len(piece.mesh.faces) for piece in pieces)
    if faces == 0:
        raise AssetError(f"mesh {path}: holds no triangles; export meshes, not points or curves")
    if faces > MAX_FACES:
        raise AssetError(
            f"mesh {path}: {faces} triangles are more than {MAX_FACES}; decimate the mesh"
        )
    for piece in pieces:
        if not np.isfinite(piece.mesh.vertices).all():
            bad = int((~np.isfinite(piece.mesh.vertices)).any(axis=1).sum())
            raise AssetError(
                f"mesh {path}: {bad} vertices of {piece.name!r} are NaN or infinite; "
                "export it again"
            )


def _read_trimesh(path: Path) -> list[Piece]:
    try:
        scene = trimesh.load_scene(path, process=False)
        placed = [_placed(scene, node) for node in sorted(scene.graph.nodes_geometry)]
    except Exception as error:  # third-party parsers raise whatever they stumble on
        raise UnreadableMesh(
            f"mesh {path}: cannot be read as {path.suffix} ({error}); export it again"
        ) from error
    return [piece for piece in placed if piece is not None]


def _placed(scene: trimesh.Scene, node: str) -> Piece | None:
    """One node's mesh in the scene's frame; None for points and curves."""
    transform, name = scene.graph[node]
    geometry = scene.geometry[name]
    if not isinstance(geometry, trimesh.Trimesh) or len(geometry.faces) == 0:
        return None
    vertices = trimesh.transform_points(np.asarray(geometry.vertices, np.float64), transform)
    faces = np.asarray(geometry.faces, np.int32)
    if np.linalg.det(transform[:3, :3]) < 0:
        faces = faces[:, ::-1]
    return Piece(str(node), Mesh(vertices, faces, _corner_uv(geometry, faces)))


def _corner_uv(geometry: trimesh.Trimesh, faces: NDArray[np.int32]) -> NDArray[np.float32] | None:
    uv = getattr(geometry.visual, "uv", None)
    if uv is None or len(uv) != len(geometry.vertices):
        return None
    return np.asarray(uv, np.float32)[faces]


def _read_blend(path: Path, cache_folder: Path) -> list[Piece]:
    """The pieces of a file that only Blender reads; `cache_folder` keeps them, by content."""
    stored = cache_folder / f"{sha256_file(path)}.blend{EXTRACT_VERSION}.npz"
    if not stored.exists():
        with replacing(stored) as scratch:
            _extract(path, scratch)
    return _stored_pieces(stored)[0]


def read_extract(path: Path) -> Extract:
    """All meshes of a file of any known kind as Blender reads it, with its materials' looks.

    Raises AssetError as `read_pieces` does, DiskFull where there is no space for what Blender says.
    """
    check_file(path)
    _check_values(path)
    with tempfile.TemporaryDirectory(prefix="transphy3d-extract-") as folder:
        stored, report = Path(folder, "meshes.npz"), Path(folder, "materials.json")
        _extract(path, stored, report)
        pieces, moves = _stored_pieces(stored)
        inspection = from_json(Inspection, report.read_bytes())
    _check_pieces(path, pieces)
    return Extract(pieces, moves, {item.name: item.looks for item in inspection.materials})


def _check_values(path: Path) -> None:
    """Raise AssetError for too many triangles and for values that Blender would turn into zeros.

    What trimesh cannot read is left to Blender to judge.
    """
    if path.suffix.lower() not in MESH_SUFFIXES:
        return
    with contextlib.suppress(UnreadableMesh):
        _check_pieces(path, _read_trimesh(path))


def _stored_pieces(stored: Path) -> tuple[list[Piece], tuple[str, ...]]:
    with np.load(stored) as data:
        named = enumerate(zip(data["names"], data["materials"], strict=True))
        pieces = [Piece(str(n), _stored_mesh(data, k), str(m)) for k, (n, m) in named]
        return pieces, tuple(map(str, data["moves"]))


def _stored_mesh(data: np.lib.npyio.NpzFile, k: int) -> Mesh:
    return Mesh(data[f"vertices{k}"], data[f"faces{k}"], _array(data, f"uv{k}"))


def _array(data: np.lib.npyio.NpzFile, name: str) -> NDArray[np.float32] | None:
    return data[name] if name in data.files else None


def _extract(path: Path, *outs: Path) -> None:
    """Run Blender in a process of its own, which opens no scripts; its last line is the cause.

    Raises AssetError if it cannot read the file, DiskFull where there is no space for `outs`.
    """
    command = [sys.executable, "-m", "transphy3d.blender.extract", str(path), *map(str, outs)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=BLEND_TIMEOUT
        )
    except subprocess.TimeoutExpired as error:
        raise AssetError(
            f"mesh {path}: Blender took more than {BLEND_TIMEOUT:.0f} s to read it; "
            "apply its modifiers or export it as .glb"
        ) from error
    if done.returncode == DiskFull.exit_code:
        raise DiskFull(f"{outs[0].parent}: no space is left to read mesh {path} with; free some")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise AssetError(
            f"mesh {path}: Blender cannot read it ({lines[-1]}); save it again or export .glb"
        )


def placed_points(pieces: list[Piece]) -> FloatArray:
    """All vertices of all pieces, (V, 3)."""
    return np.concatenate([piece.mesh.vertices for piece in pieces])
