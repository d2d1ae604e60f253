"""Zip archives from strangers, and the mesh files inside those that a bank holds.

An archive is unpacked whole beside the bank's other folders, under the hash of its content:
unpacked/<sha256>/... That folder can always be made again and may be deleted.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from transphy3d.assets.bank import AssetRecord, Bank
from transphy3d.errors import AssetError
from transphy3d.files import is_full

# The best description of an object first: .blend keeps its materials, .stl only its shape.
MESH_SUFFIXES = (".blend", ".glb", ".gltf", ".fbx", ".obj", ".ply", ".stl")
MAX_MEMBERS = 2000
MAX_BYTES = 4 << 30
# Repetitive OBJ text packs about 10 to 1; deflate cannot exceed 1032 to 1.
MAX_RATIO = 200
# Small files may be as repetitive as they like.
RATIO_FREE_BYTES = 1 << 20
ENCRYPTED = 0x1
# What the standard library's reader raises on damaged archives.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    ValueError,
)
EPOCH = (1980, 1, 1, 0, 0, 0)


def model_path(bank: Bank, asset: AssetRecord) -> Path:
    """The mesh file of a fetched asset; an archive is unpacked on the first call.

    Raises AssetError if the asset is not fetched, its file is missing, or its archive is unsafe.
    """
    if asset.file is None:
        raise AssetError(
            f"asset {asset.id}: has no file yet; run `transphy3d assets fetch {asset.id}`"
        )
    stored = bank.file(asset.file)
    if not stored.is_file():
        raise AssetError(f"asset {asset.id}: {stored} is missing; fetch the asset again")
    if not asset.file.member:
        return stored
    folder = bank.unpacked(asset.file.sha256)
    if not folder.is_dir():
        unpack(stored, folder)
    return _inside(stored, folder, asset.file.member)


def main_member(archive: Path) -> str:
    """The member that describes the object best: by kind, then by size, then by name.

    Raises AssetError for an unsafe archive, or one without a mesh.
    """
    with _opened(archive) as opened:
        inside = _checked(archive, opened)
    meshes = [info for info in inside if _suffix(info) in MESH_SUFFIXES]
    if not meshes:
        raise AssetError(f"{archive}: holds no mesh file ({', '.join(MESH_SUFFIXES)})")
    return min(meshes, key=_rank).filename


def members(archive: Path) -> list[str]:
    """Names of the files in an archive. Raises AssetError for an unsafe one."""
    with _opened(archive) as opened:
        return [info.filename for info in _checked(archive, opened)]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a whole archive as `folder`, which appears complete or not at all.

    Raises AssetError for an archive that is damaged, encrypted, has a member that would land
    outside the folder, or holds too many files or bytes.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="."))
    try:
        with _opened(archive) as opened:
            for info in _checked(archive, opened):
                _extract(opened, info, scratch)
        if not folder.exists():
            os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def pack(contents: Mapping[str, bytes], archive: Path) -> None:
    """Write a zip whose bytes depend on nothing but the names and contents of its files."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        for name in sorted(contents):
            opened.writestr(zipfile.ZipInfo(name, EPOCH), contents[name])


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """An archive to read; whatever its damage makes the reader stumble on is an AssetError."""
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except BROKEN as error:
        raise AssetError(f"{archive}: is no whole zip archive ({error}); fetch it again") from None
    except OSError as error:
        if is_full(error):
            raise
        raise AssetError(f"{archive}: cannot be unpacked ({error})") from None


def _checked(archive: Path, opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of an archive that is safe to unpack."""
    # Not ZipInfo.is_dir, which stumbles on a name without letters.
    inside = [info for info in opened.infolist() if not info.filename.endswith("/")]
    total = sum(info.file_size for info in inside)
    if len(inside) > MAX_MEMBERS or total > MAX_BYTES:
        raise AssetError(
            f"{archive}: {len(inside)} files of {total} bytes are more than the "
            f"{MAX_MEMBERS} files and {MAX_BYTES} bytes that an asset may unpack to"
        )
    if total > RATIO_FREE_BYTES and total > MAX_RATIO * archive.stat().st_size:
        raise AssetError(f"{archive}: unpacks to more than {MAX_RATIO} times its size; refused")
    for info in inside:
        _check_member(archive, info)
    if len({info.filename.casefold() for info in inside}) < len(inside):
        raise AssetError(f"{archive}: two of its files have one name; refused")
    return inside


def _check_member(archive: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = PurePosixPath(name).parts
    if not parts:
        raise AssetError(f"{archive}: one of its files has no name; refused")
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name:
        raise AssetError(f"{archive}: {name!r} would land outside its folder; refused")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise AssetError(f"{archive}: {name!r} is a link; refused")
    if info.flag_bits & ENCRYPTED:
        raise AssetError(f"{archive}: {name!r} is encrypted; refused")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise AssetError(f"{archive}: {name!r} is packed by a method other than deflate; refused")


def _extract(opened: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / info.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(info) as source, target.open("xb") as sink:
        shutil.copyfileobj(source, sink)


def _inside(archive: Path, folder: Path, member: str) -> Path:
    path = (folder / member).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise AssetError(f"{archive}: holds no file {member!r}; fetch the asset again")
    return path


def _suffix(info: zipfile.ZipInfo) -> str:
    return PurePosixPath(info.filename).suffix.lower()


def _rank(info: zipfile.ZipInfo) -> tuple[int, int, str]:
    return MESH_SUFFIXES.index(_suffix(info)), -info.file_size, info.filename
