"""One asset of a bank made ready to drop: `python -m transphy3d.assets.importing BANK ID`.

Read by Blender, turned and scaled, closed and united, simplified, put on its base, given
collision pieces and an inside for liquids, and stored. What it is comes out as JSON.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from transphy3d.assets.apart import separate_things
from transphy3d.assets.archives import model_path
from transphy3d.assets.bank import AssetRecord, Bank, Imported, ImportedPart, StoredFile
from transphy3d.assets.collision import hull_volume
from transphy3d.assets.geometry import Asset, Cavity, FloatArray, Part
from transphy3d.assets.imported import IMPORT_VERSION, save_imported
from transphy3d.assets.liquid import fill
from transphy3d.assets.looks import look_of
from transphy3d.assets.mend import is_closed
from transphy3d.assets.meshfile import Piece, read_extract
from transphy3d.assets.parts import Made, make_parts
from transphy3d.assets.pieces import Pieces, is_hollow, pieces_of
from transphy3d.assets.procedural.solid import from_manifold, signed_volume, stand, to_manifold
from transphy3d.assets.revolution import cavity
from transphy3d.assets.shells import total_area
from transphy3d.errors import AssetError, DiskFull, TransPhy3DError
from transphy3d.files import is_full, sha256_file
from transphy3d.jsonio import to_json
from transphy3d.materials.spec import OpticalClass

MEMORY_LIMIT = 16 << 30  # bytes of address space
LARGEST = 0.8  # metres; larger things do not fit onto a table
SMALLEST = 0.005
UNDOUBTED = 0.02  # relative difference of sizes up to which the file's own metres stand
OUT_OF_SHAPE = 0.1  # relative difference of the other edges that is worth a note
MAX_FACES = 60_000
# Metres that a surface may move when it is simplified, tried in this order.
SIMPLIFICATIONS = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3)
MAX_HULLS = 600
FILLS = (0.2, 0.6, 1.0)  # fractions at which an inside is tried out
# Blender's importers turn Y-up files so that Z is up; a source's own rotation is in Y-up axes.
Y_UP_TO_Z_UP = np.array([(1, 0, 0), (0, 0, -1), (0, 1, 0)], np.float64)


def import_asset(bank: Bank, record: AssetRecord) -> Imported:
    """Import one fetched asset into the bank; its record is the caller's to write.

    Raises AssetError, with the reason and a remedy, for an asset that cannot be used.
    """
    if record.file is None:
        raise AssetError("it has no file yet; fetch it first")
    extract = read_extract(model_path(bank, record))
    if extract.moves:
        raise AssetError(f"its file holds {' and '.join(extract.moves)}; only static things drop")
    pieces, notes = placed(record, extract.pieces)
    looks = {name: look_of(found) for name, found in extract.materials.items()}
    made = make_parts(pieces, looks, judged_class(record), record.name)
    if (things := separate_things([part.mesh for part in made.parts])) > 1:
        raise AssetError(f"it is a set of {things} separate things; only single ones are dropped")
    made, simplified = _simplified(made)
    asset, pieces_made = assembled(record, made, bank.root / "cache")
    save_imported(asset, bank.imported(record.id))
    return _imported(bank, record, asset, made, pieces_made, (*notes, *made.notes, *simplified))


def judged_class(record: AssetRecord) -> OpticalClass | None:
    """What the asset is mostly made of, where somebody said so."""
    judged = record.override or record.verdict
    return judged.optical if judged else None


def placed(record: AssetRecord, pieces: Sequence[Piece]) -> tuple[list[Piece], list[str]]:
    """Pieces turned as their source says and in metres, and notes on their size.

    Raises AssetError for sizes that cannot be dropped onto a table.
    """
    turn = _turn(record)
    turned = [_moved(piece, piece.mesh.vertices @ turn.T) for piece in pieces]
    extent = np.ptp(np.concatenate([piece.mesh.vertices for piece in turned]), axis=0)
    longest, notes, factor = float(extent.max()), [], 1.0
    if longest > 0 and record.size and abs(max(record.size) / longest - 1) > UNDOUBTED:
        factor = max(record.size) / longest
        notes.append(f"scaled by {factor:.4g} to the size that its source gives")
    if longest > 0 and record.size:
        notes += _shape_note(extent * factor, np.array(record.size))
    if not SMALLEST <= longest * factor <= LARGEST:
        raise AssetError(
            f"its longest edge is {longest * factor:.4g} m, outside {SMALLEST:g} to {LARGEST:g}: "
            "it cannot be dropped onto a table, or its file is not in metres"
        )
    return [_moved(piece, piece.mesh.vertices * factor) for piece in turned], notes


def _turn(record: AssetRecord) -> FloatArray:
    """(3, 3) the rotation that the source adds to its file, in Z-up axes."""
    given = record.declared.get("modelRotation")
    if given is None:
        return np.eye(3)
    rotation = np.asarray(given, np.float64).reshape(3, 3)
    turn: FloatArray = Y_UP_TO_Z_UP @ rotation @ Y_UP_TO_Z_UP.T
    return turn


def _moved(piece: Piece, vertices: FloatArray) -> Piece:
    return replace(piece, mesh=replace(piece.mesh, vertices=vertices))


def _shape_note(extent: FloatArray, size: FloatArray) -> list[str]:
    differs = np.abs(extent - size) > OUT_OF_SHAPE * size.max()
    if not differs.any():
        return []
    found, said = (" x ".join(f"{edge:.3f}" for edge in edges) for edges in (extent, size))
    return [f"is {found} m where its source says {said}"]


def _simplified(made: Made) -> tuple[Made, list[str]]:
    """Parts within MAX_FACES triangles together. Raises AssetError if that costs too much."""
    faces = sum(len(part.mesh.faces) for part in made.parts)
    if faces <= MAX_FACES:
        return made, []
    for error in SIMPLIFICATIONS:
        parts = tuple(_simpler(part, error) for part in made.parts)
        left = sum(len(part.mesh.faces) for part in parts)
        if left <= MAX_FACES:
            note = f"{faces} triangles simplified to {left}, by at most {error * 1000:g} mm"
            return replace(made, parts=parts), [note]
    raise AssetError(
        f"its {faces} triangles cannot be brought below {MAX_FACES} within "
        f"{SIMPLIFICATIONS[-1] * 1000:g} mm; decimate the mesh"
    )


def _simpler(part: Part, error: float) -> Part:
    return replace(part, mesh=from_manifold(to_manifold(part.mesh).simplify(error)))


def assembled(record: AssetRecord, made: Made, cache: Path) -> tuple[Asset, list[Pieces]]:
    """The asset on its base, with collision pieces and an inside; and the pieces by part."""
    parts, _ = stand(made.parts, ())
    volume = sum(signed_volume(part.mesh) for part in parts)
    found = [pieces_of(part.mesh, volume, cache) for part in parts]
    hulls = tuple(hull for piece in found for hull in piece.hulls)
    if len(hulls) > MAX_HULLS:
        raise AssetError(f"its collision needs {len(hulls)} convex pieces, over {MAX_HULLS}")
    wall = _wall(parts[0])
    asset = Asset(record.id, record.category, parts, hulls, wall=wall)
    return replace(asset, cavity=_cavity(asset, found[0])), found


def _wall(part: Part) -> float:
    """Typical wall thickness: twice volume by surface; 0 for what is not thin-walled."""
    thickness = 2 * signed_volume(part.mesh) / total_area([part.mesh])
    longest = float(np.ptp(part.mesh.vertices, axis=0).max())
    return thickness if thickness < 0.1 * longest else 0.0


def _cavity(asset: Asset, pieces: Pieces) -> Cavity | None:
    """The inside of the first part if liquids can stand in it."""
    if pieces.profile is None or "transparent" not in asset.parts[0].optical:
        return None
    found = cavity(asset.parts[0].mesh, pieces.profile)
    return found if found and _holds(replace(asset, cavity=found)) else None


def _holds(asset: Asset) -> bool:
    """Whether filling works: the liquid is closed, and no other part stands in it."""
    try:
        for fraction in FILLS:
            liquid = to_manifold(fill(asset, fraction, 1.33, 1.5).parts[-1].mesh)
            others = (to_manifold(part.mesh) for part in asset.parts[1:])
            if liquid.volume() <= 0 or any(not (liquid ^ other).is_empty() for other in others):
                return False
    except (AssetError, ValueError, KeyError):
        return False
    return True


def _imported(
    bank: Bank,
    record: AssetRecord,
    asset: Asset,
    made: Made,
    pieces: Sequence[Pieces],
    notes: Sequence[str],
) -> Imported:
    path = bank.imported(record.id)
    x, y, z = np.ptp(asset.points(), axis=0).tolist()
    solid = sum(signed_volume(part.mesh) for part in asset.parts)
    methods = sorted(set().union(*(piece.methods for piece in pieces)), reverse=True)
    return Imported(
        file=StoredFile(
            path=str(path.relative_to(bank.root)),
            bytes=path.stat().st_size,
            sha256=sha256_file(path),
        ),
        size=(x, y, z),
        parts=tuple(map(_imported_part, asset.parts, made.materials)),
        hulls=len(asset.hulls),
        fit=hull_volume(asset.hulls) / solid,
        hollow=is_hollow(asset.hulls),
        method="+".join(methods),
        notes=tuple(dict.fromkeys(notes)),
        source_sha256=record.file.sha256 if record.file else "",
        version=IMPORT_VERSION,
        judged=judged_class(record) or "",
    )


def _imported_part(part: Part, material: str) -> ImportedPart:
    return ImportedPart(
        name=part.name,
        material=material,
        kinds=part.kinds,
        optical=part.optical,
        faces=len(part.mesh.faces),
        closed=is_closed(part.mesh),
    )


def main(arguments: Sequence[str]) -> int:
    """Import one asset; JSON on stdout, or the reason as the last line of stderr.

    The exit code is then that of DiskFull where no space is left, else an asset's.
    """
    root, asset = arguments
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    bank = Bank(Path(root))
    try:
        print(to_json(import_asset(bank, bank.read(asset))))
    except TransPhy3DError as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return error.exit_code
    except (ValueError, ArithmeticError, LookupError, MemoryError) as error:
        print(f"its mesh is beyond mending ({type(error).__name__}: {error})", file=sys.stderr)
        return AssetError.exit_code
    except OSError as error:
        if not is_full(error):
            raise
        print(error, file=sys.stderr)
        return DiskFull.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
