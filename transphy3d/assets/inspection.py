"""What a file's materials look like, asked of Blender in a process of its own, within limits."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from transphy3d.assets.archives import model_path
from transphy3d.assets.bank import AssetRecord, Bank, Signal
from transphy3d.assets.material_report import INSPECTOR_VERSION, Inspection, MaterialReport
from transphy3d.errors import AssetError, DiskFull
from transphy3d.files import sha256_file, write_text
from transphy3d.jsonio import from_json, to_json

GRAPH_VERSION = f"graph-{INSPECTOR_VERSION}"
TIMEOUT = 300.0  # seconds
MAX_ANSWER = 16 << 20  # bytes of the report; a thousand materials take one
# Formats that cannot say that a material is metal, and that say glass by opacity alone.
PHONG = (".obj", ".fbx")
SHAPE_ONLY = (".ply", ".stl")
FROSTED = 0.5  # what frosted surface counts for beside clear one
GLOSSY = 0.4  # what gloss counts for beside a mirror; varnished wood has it as ceramic has


def inspect(path: Path, timeout: float = TIMEOUT) -> Inspection:
    """Describe a mesh file's materials.

    path : .blend, .glb, .gltf, .obj, .fbx, .ply or .stl, with its pictures beside it
    timeout : seconds
    Raises AssetError, with the cause in words, for a file that cannot be read within the limits;
    DiskFull where there is no space for what Blender says of it.
    """
    if not path.is_file():
        raise AssetError(f"mesh {path}: no such file; fetch the asset again")
    with tempfile.TemporaryDirectory(prefix="transphy3d-inspect-") as folder:
        answer = Path(folder) / "report.json"
        _run(path, answer, timeout)
        if answer.stat().st_size > MAX_ANSWER:
            raise AssetError(f"mesh {path}: has too many materials to be one object; split it up")
        return _parse(path, answer.read_bytes())


def _run(path: Path, answer: Path, timeout: float) -> None:
    command = [sys.executable, "-m", "transphy3d.blender.inspect_materials", str(path), str(answer)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise AssetError(
            f"mesh {path}: Blender took more than {timeout:.0f} s to read it; apply its "
            "modifiers or export it as .glb"
        ) from None
    if done.returncode == DiskFull.exit_code:
        raise DiskFull(f"{answer.parent}: no space is left to describe mesh {path} in; free some")
    if done.returncode != 0 or not answer.is_file():
        raise AssetError(
            f"mesh {path}: Blender cannot describe it ({_cause(done)}); save it again or export "
            "it as .glb"
        )


def _cause(done: subprocess.CompletedProcess[str]) -> str:
    """The last words of a process, or the signal that ended it."""
    if done.returncode < 0:
        return f"it crashed or broke a limit, signal {-done.returncode}"
    lines = done.stderr.strip().splitlines()
    return lines[-1][:500] if lines else f"exit code {done.returncode}"


def _parse(path: Path, text: bytes) -> Inspection:
    try:
        return from_json(Inspection, text)
    except ValidationError as error:
        raise AssetError(
            f"mesh {path}: its description is damaged ({error.error_count()} faults); inspect it "
            "again"
        ) from None


def inspect_asset(bank: Bank, asset: AssetRecord, again: bool = False) -> Inspection:
    """Describe a fetched asset, or read what an earlier call kept of the same file.

    Raises AssetError as `inspect` and `archives.model_path` do.
    """
    path = model_path(bank, asset)
    kept = bank.inspection(asset.file.sha256 if asset.file else sha256_file(path))
    if kept.is_file() and not again:
        found = _parse(kept, kept.read_bytes())
        if found.version == INSPECTOR_VERSION:
            return found
    found = inspect(path)
    write_text(kept, to_json(found))
    return found


def graph_signal(found: Inspection, suffix: str) -> Signal:
    """What the materials say: shares of the visible surface that look transparent or reflective.

    suffix : of the file, in lower case; some formats cannot say what their materials are, which
    lowers `mass`
    """
    looks = found.looks
    transparent = looks.clear + FROSTED * looks.frosted
    # Gloss alone never reaches what a mirror does: that takes another witness.
    reflective = looks.mirror + GLOSSY * looks.glossy
    evidence: dict[str, float | str] = {
        "clear": looks.clear,
        "frosted": looks.frosted,
        "mirror": looks.mirror,
        "glossy": looks.glossy,
        "dull_metal": looks.dull_metal,
        "format": suffix,
    }
    return Signal(
        transparent=round(min(transparent, 1.0), 4),
        reflective=round(min(reflective, 1.0), 4),
        reasons=_reasons(found),
        version=GRAPH_VERSION,
        mass=_mass(found, suffix),
        evidence=evidence,
    )


def _mass(found: Inspection, suffix: str) -> float:
    """How far the file can say what it is made of: 1 wholly, .5 opacity only, 0 not at all."""
    named = any(material.name for material in found.materials)
    if suffix in SHAPE_ONLY or not named:
        return 0.0
    return 0.5 if suffix in PHONG else 1.0


WORDS = {
    "clear": "can be seen through",
    "frosted": "lets light through but blurs it",
    "mirror": "is polished metal",
    "glossy": "has a polished layer",
    "dull_metal": "is rough metal",
}


def _reasons(found: Inspection) -> tuple[str, ...]:
    shares = {key: getattr(found.looks, key) for key in WORDS}
    seen = [key for key, share in shares.items() if share >= 0.01]
    if not seen:
        return ("no part of the surface can be seen through, is metal or has a polish",)
    return tuple(
        f"{shares[key]:.0%} of the surface {WORDS[key]} ({_by(found, key)})" for key in seen
    )


def _by(found: Inspection, look: str) -> str:
    """The material that gives most of a look."""

    def share(material: MaterialReport) -> float:
        return material.area * float(getattr(material.looks, look))

    return f"most of it {max(found.materials, key=share).name or 'without a material'!r}"
