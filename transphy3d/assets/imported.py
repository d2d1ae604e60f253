"""An imported asset as a file: meshes, convex pieces and what each piece may be made of.

One .npz, read without unpickling: `about` (JSON), for each part k `vertices{k}` (V, 3) float64
metres, `faces{k}` (F, 3) int32 and, where there is one, `uv{k}` (F, 3, 2) float32; `hulls` (P, 3)
float64 with `hull_sizes` (H,) points each; `lining` (F,) bool where the asset holds liquids.
Equal assets give equal bytes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from transphy3d.assets.geometry import Asset, Cavity, Mesh, Part
from transphy3d.errors import AssetError
from transphy3d.files import replacing
from transphy3d.jsonio import from_json, record, to_json
from transphy3d.materials.spec import Kind, OpticalClass

# Raise when importing would give other meshes or pieces than before.
IMPORT_VERSION = 1


@record
class PartAbout:
    """A part but for its mesh."""

    name: str
    kinds: tuple[Kind, ...]
    optical: tuple[OpticalClass, ...]


@record
class About:
    """An asset but for its arrays; `holds` is (floor, brim) in metres where it has a cavity."""

    version: int
    name: str
    category: str
    parts: tuple[PartAbout, ...]
    sharp_angle: float
    wall: float
    holds: tuple[float, float] | None


def save_imported(asset: Asset, path: Path) -> None:
    """Write an asset, atomically."""
    arrays: dict[str, NDArray[Any]] = {"about": np.frombuffer(_about(asset).encode(), np.uint8)}
    for k, part in enumerate(asset.parts):
        arrays |= {f"vertices{k}": part.mesh.vertices, f"faces{k}": part.mesh.faces}
        if part.mesh.uv is not None:
            arrays[f"uv{k}"] = part.mesh.uv
    arrays["hulls"] = np.concatenate(asset.hulls)
    arrays["hull_sizes"] = np.array([len(hull) for hull in asset.hulls], np.int32)
    if asset.cavity:
        arrays["lining"] = asset.cavity.wall
    with replacing(path) as scratch, scratch.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def _about(asset: Asset) -> str:
    return to_json(
        About(
            version=IMPORT_VERSION,
            name=asset.name,
            category=asset.category,
            parts=tuple(
                PartAbout(name=part.name, kinds=part.kinds, optical=part.optical)
                for part in asset.parts
            ),
            sharp_angle=asset.sharp_angle,
            wall=asset.wall,
            holds=(asset.cavity.floor, asset.cavity.brim) if asset.cavity else None,
        )
    )


def load_imported(path: Path) -> Asset:
    """The asset that `save_imported` wrote.

    Raises AssetError for a file that is missing, damaged or of another version.
    """
    try:
        with np.load(path) as stored:
            about = from_json(About, stored["about"].tobytes())
            _check_version(path, about)
            return _asset(about, stored)
    except FileNotFoundError:
        raise AssetError(f"{path}: there is no such file; import the asset again") from None
    except (OSError, EOFError, KeyError, ValueError, ValidationError, zipfile.BadZipFile) as error:
        raise AssetError(f"{path}: is damaged ({error}); import the asset again") from error


def _check_version(path: Path, about: About) -> None:
    if about.version != IMPORT_VERSION:
        raise AssetError(
            f"{path}: was imported by version {about.version} of the importer, not "
            f"{IMPORT_VERSION}; import the asset again"
        )


def _asset(about: About, stored: Mapping[str, NDArray[Any]]) -> Asset:
    parts = tuple(
        Part(item.name, _mesh(stored, k), item.kinds, item.optical)
        for k, item in enumerate(about.parts)
    )
    ends = np.cumsum(stored["hull_sizes"])[:-1]
    hulls = tuple(np.split(stored["hulls"], ends))
    cavity = Cavity(stored["lining"], *about.holds) if about.holds else None
    return Asset(about.name, about.category, parts, hulls, about.sharp_angle, about.wall, cavity)


def _mesh(stored: Mapping[str, NDArray[Any]], k: int) -> Mesh:
    uv = stored.get(f"uv{k}")
    return Mesh(stored[f"vertices{k}"], stored[f"faces{k}"], uv)
