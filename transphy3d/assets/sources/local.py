"""A user's own mesh files: copied into the bank together with the files that they name."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from transphy3d.assets.archives import MESH_SUFFIXES, main_member, pack
from transphy3d.assets.bank import AssetRecord, Bank, Licence, LicenceName, StoredFile
from transphy3d.assets.gather import Tally
from transphy3d.assets.ids import safe_id
from transphy3d.assets.store import keep, receiving
from transphy3d.errors import AssetError
from transphy3d.files import is_full
from transphy3d.progress import Progress

SOURCE = "local"
ARCHIVE = ".zip"
HASH_DIGITS = 8
# As much as mesh files may have when they are read (transphy3d.assets.meshfile).
MAX_BYTES = 1 << 30
LICENCE_PAGES: dict[LicenceName, tuple[str, str]] = {
    "cc_zero": ("1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "cc_by": ("4.0", "https://creativecommons.org/licenses/by/4.0/"),
    "own": ("", ""),
}


def licence_of(name: LicenceName, author: str) -> Licence:
    """The licence of a user's files. Raises AssetError if the author must be named and is not."""
    if name == "cc_by" and not author:
        raise AssetError("licence cc_by: asks that the author be named; add --author NAME")
    version, url = LICENCE_PAGES[name]
    return Licence(name=name, version=version, author=author, url=url)


def mesh_files(paths: Sequence[Path]) -> list[Path]:
    """The mesh files among paths and, however deep, in folders, in order.

    Raises AssetError for a path that is not there or no mesh, and for a folder without any.
    """
    return [file for path in paths for file in _expanded(path)]


def add(bank: Bank, files: Sequence[Path], licence: Licence | None, progress: Progress) -> Tally:
    """Copy files into the bank, each as an asset of its own; what cannot be read is left out.

    A file that the bank knows is put back where it was lost, and tried again if it was refused.
    licence : None for the user's own, and for what known files have already
    """
    tally = Tally()
    for done, path in enumerate(files):
        progress.frames(done, len(files))
        try:
            asset = asset_of(bank, path, licence or licence_of("own", ""))
        except (AssetError, OSError) as error:
            if is_full(error):
                raise
            tally.add("refused", str(error))
            progress.event("refused", file=str(path), reason=str(error))
            continue
        tally.add(_written(bank, asset, relicense=licence is not None))
    progress.frames(len(files), len(files))
    return tally


def _written(bank: Bank, asset: AssetRecord, relicense: bool) -> str:
    """Write a record, or what is new in it onto the one that the bank has; the outcome's name."""
    with bank.locked():
        if not bank.has(asset.id):
            bank.write(asset)
            return "fetched"
        known = bank.read(asset.id)
        licence = asset.licence if relicense else known.licence
        renewed = replace(known, file=asset.file, licence=licence, refused="")
        if renewed == known:
            return "known"
        bank.write(renewed)
        return "renewed"


def asset_of(bank: Bank, path: Path, licence: Licence) -> AssetRecord:
    """The record of one file, stored in the bank. Raises AssetError if that cannot be done."""
    stored = _store(bank, path)
    line = f'"{path.stem}" by {licence.author}, CC BY {licence.version} ({licence.url})'
    return AssetRecord(
        id=f"{safe_id(SOURCE, path.stem)}-{stored.sha256[:HASH_DIGITS]}",
        source=SOURCE,
        source_id=path.name,
        name=path.stem,
        licence=Licence(
            name=licence.name,
            version=licence.version,
            author=licence.author,
            attribution=line if licence.name == "cc_by" else "",
            url=licence.url,
        ),
        file=stored,
    )


def _expanded(path: Path) -> Iterator[Path]:
    known = (*MESH_SUFFIXES, ARCHIVE)
    if path.is_dir():
        inside = sorted(
            file for file in path.rglob("*") if file.suffix.lower() in known and file.is_file()
        )
        if not inside:
            raise AssetError(f"{path}: holds no mesh file ({', '.join(known)})")
        yield from inside
    elif path.suffix.lower() in known and path.is_file():
        yield path
    else:
        why = "is no mesh file" if path.exists() else "no such file or folder"
        raise AssetError(f"{path}: {why}; name {', '.join(known)} or folders of them")


def _store(bank: Bank, path: Path) -> StoredFile:
    named = _named_files(path)
    size = sum(file.stat().st_size for file in [path, *named.values()])
    if path.stat().st_size == 0 or size > MAX_BYTES:
        raise AssetError(f"{path}: has {size} bytes; 1 to {MAX_BYTES} are taken")
    suffix = path.suffix.lower()
    with receiving(bank, SOURCE) as scratch:
        if named:
            pack({path.name: path.read_bytes()} | _contents(named), scratch)
            return keep(bank, scratch, ARCHIVE, member=path.name)
        shutil.copyfile(path, scratch)
        return keep(bank, scratch, suffix, main_member(path) if suffix == ARCHIVE else "")


def _contents(named: dict[str, Path]) -> dict[str, bytes]:
    return {name: file.read_bytes() for name, file in named.items()}


def _named_files(path: Path) -> dict[str, Path]:
    """Files that a mesh file needs, by their names relative to it."""
    finders = {".obj": _named_by_obj, ".gltf": _named_by_gltf}
    finder = finders.get(path.suffix.lower())
    folder = path.parent.resolve()
    found = {}
    for name in finder(path) if finder else ():
        if file := _file_in(folder, name):
            found[file.relative_to(folder).as_posix()] = file
    return found


def _file_in(folder: Path, name: str) -> Path | None:
    """The file of that name, if there is one in the resolved `folder`."""
    try:
        file = (folder / name).resolve()
        return file if file.is_relative_to(folder) and file.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


def _named_by_obj(path: Path) -> Iterator[str]:
    """Material libraries, and the textures that these name last on their lines."""
    for library in _statements(path, "mtllib"):
        yield library
        if materials := _file_in(path.parent.resolve(), library):
            for value in _statements(materials, r"(?:map_\w+|bump|disp|norm|refl)"):
                yield value
                # Options may stand before the name.
                yield value.split()[-1]


def _statements(path: Path, keyword: str) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    found = re.findall(rf"(?im)^[ \t]*{keyword}[ \t]+(\S.*)$", text)
    return [value.strip() for value in found]


def _named_by_gltf(path: Path) -> Iterator[str]:
    try:
        scene: Any = json.loads(path.read_bytes())
        parts = [*scene.get("buffers", []), *scene.get("images", [])]
        names = [part["uri"] for part in parts if isinstance(part.get("uri"), str)]
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise AssetError(f"{path}: is no glTF file ({error}); export it again") from None
    yield from (unquote(name) for name in names if not name.startswith("data:"))
