"""Household meshes of Sweet Home 3D, as Debian packages them: real sizes, open licences, no key.

The package holds five furniture libraries, .sh3f: zip archives with a catalogue
(PluginFurnitureCatalog.properties), icons, and one folder of OBJ, MTL and textures per model.
Sizes are centimetres; a model's own axes have Y up, and it fills its size after `modelRotation`.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from transphy3d.assets.archives import pack
from transphy3d.assets.bank import AssetRecord, Bank, Licence, LicenceName
from transphy3d.assets.ids import safe_id
from transphy3d.assets.sources.debian import (
    CopyrightStanza,
    Package,
    copyright_stanzas,
    data_of,
)
from transphy3d.assets.store import keep, keep_thumbnail, receiving, with_file
from transphy3d.errors import AssetError

SOURCE = "sweethome3d"
HOME = "http://www.sweethome3d.com"
PACKAGE = Package(
    name="sweethome3d-furniture",
    version="1.8-1",
    pool="pool/main/s/sweethome3d-furniture/sweethome3d-furniture_1.8-1_all.deb",
    bytes=119_782_356,
    sha256="3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
)
CATALOGUE = "PluginFurnitureCatalog.properties"
COPYRIGHT = f"usr/share/doc/{PACKAGE.name}/copyright"
METRES_PER_CENTIMETRE = 0.01
LICENCES: dict[str, tuple[LicenceName, str, str]] = {
    "CC0": ("cc_zero", "1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "CC-BY-3.0": ("cc_by", "3.0", "https://creativecommons.org/licenses/by/3.0/"),
    "CC-BY-3.0-USA": ("cc_by", "3.0 US", "https://creativecommons.org/licenses/by/3.0/us/"),
}
# The name that the catalogue puts where it does not know the author.
NO_AUTHOR = "Blend Swap"


@dataclass(frozen=True)
class Piece:
    """One entry of a library: its record, still without a file, and where its parts lie.

    library : the .sh3f file; folder, icon : names inside it
    """

    record: AssetRecord
    library: Path
    folder: str
    model: str
    icon: str


@contextmanager
def opened(package: Path, scratch_root: Path) -> Iterator[list[Piece]]:
    """Every piece of the package, ordered by id, while the block lasts."""
    scratch = Path(tempfile.mkdtemp(dir=scratch_root, prefix="."))
    try:
        yield sorted(_pieces(package, scratch), key=lambda piece: piece.record.id)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def add_files(bank: Bank, piece: Piece, asset: AssetRecord) -> AssetRecord:
    """The record with its model, packed with materials, textures and licence, and its icon.

    Raises AssetError if the library lacks the model.
    """
    with zipfile.ZipFile(piece.library) as library:
        members = _members(library, piece)
        icon = library.read(piece.icon) if piece.icon in library.namelist() else b""
    with receiving(bank, f"{asset.id}.zip") as scratch:
        pack(members, scratch)
        stored = keep(bank, scratch, ".zip", member=piece.model)
    thumbnail = keep_thumbnail(bank, asset.id, icon, ".png") if icon else None
    return replace(with_file(asset, stored), thumbnail=thumbnail)


def _members(library: zipfile.ZipFile, piece: Piece) -> dict[str, bytes]:
    """All files of the model's folder, and the library's licence, by their packed names."""
    names = [name for name in library.namelist() if not name.endswith("/")]
    inside = {
        name.removeprefix(piece.folder): library.read(name)
        for name in names
        if name.startswith(piece.folder)
    }
    if piece.model not in inside:
        raise AssetError(f"{piece.record.id}: {piece.library.name} holds no {piece.model}")
    notices = {name: library.read(name) for name in names if name == "LICENSE.TXT"}
    return notices | inside


def _pieces(package: Path, scratch: Path) -> Iterator[Piece]:
    libraries, notice = _unpack(package, scratch)
    stanzas = {PurePosixPath(entry.files).parts[0]: entry for entry in copyright_stanzas(notice)}
    for path in libraries:
        with zipfile.ZipFile(path) as library:
            text = library.read(CATALOGUE).decode("latin-1")
            for entry in catalogue_entries(text):
                yield _piece(path, library, entry, stanzas[path.stem])


def _unpack(package: Path, scratch: Path) -> tuple[list[Path], str]:
    """The libraries, copied out of the package, and the text of its copyright file."""
    libraries, notice = [], ""
    with data_of(package) as data:
        for member in data:
            name = PurePosixPath(member.name)
            stream = data.extractfile(member) if member.isfile() else None
            if stream and name.suffix == ".sh3f":
                libraries.append(scratch / name.name)
                with libraries[-1].open("xb") as sink:
                    shutil.copyfileobj(stream, sink)
            elif stream and name == PurePosixPath(COPYRIGHT):
                notice = stream.read().decode("utf-8")
    return sorted(libraries), notice


def catalogue_entries(text: str) -> list[dict[str, str]]:
    """Numbered entries of a catalogue: lines `key#number=value` with \\uXXXX escapes.

    text : the file's content, Latin-1 (java.util.Properties)
    """
    entries: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        if found := re.match(r"(\w+)#(\d+)\s*=\s*(.*)", line):
            key, number, value = found.groups()
            entries.setdefault(int(number), {})[key] = _unescape(value.strip())
    return [entries[number] for number in sorted(entries)]


def _unescape(value: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), value)


def _piece(
    path: Path, library: zipfile.ZipFile, entry: dict[str, str], stanza: CopyrightStanza
) -> Piece:
    model = PurePosixPath(entry["model"].lstrip("/"))
    folder = f"{model.parent}/"
    licence, page = _licence(entry, stanza, _own_notice(library, folder))
    return Piece(
        record=_record(entry, path.stem, licence, page),
        library=path,
        folder=folder,
        model=model.name,
        icon=entry.get("icon", "").lstrip("/"),
    )


def _record(entry: dict[str, str], library: str, licence: Licence, page: str) -> AssetRecord:
    width, depth, height = (
        round(float(entry[key]) * METRES_PER_CENTIMETRE, 6) for key in ("width", "depth", "height")
    )
    tags = (tag.strip() for tag in entry.get("tags", "").split(","))
    return AssetRecord(
        id=safe_id(SOURCE, entry["id"]),
        source=SOURCE,
        source_id=entry["id"],
        name=entry["name"],
        licence=licence,
        url=page,
        category=entry.get("category", "unknown").lower(),
        tags=tuple(tag for tag in tags if tag),
        declared=_declared(entry, library),
        size=(width, depth, height),
    )


def _declared(entry: dict[str, str], library: str) -> dict[str, Any]:
    """What else the catalogue says and importers need; the rotation is row by row."""
    rotation = [float(value) for value in entry.get("modelRotation", "").split()]
    return {
        "package": f"{PACKAGE.name} {PACKAGE.version}",
        "library": library,
        "model": entry["model"],
        "upAxis": "Y",
        "modelRotation": rotation or [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "doorOrWindow": entry.get("doorOrWindow") == "true",
        "movable": entry.get("movable") == "true",
    }


def _own_notice(library: zipfile.ZipFile, folder: str) -> str:
    """The licence that came with the one model, as text; "" if there is none."""
    for name in library.namelist():
        file = PurePosixPath(name)
        if name.startswith(folder) and re.search(r"licen[cs]e.*\.(txt|html)$", file.name.lower()):
            return library.read(name).decode("utf-8", "replace")
    return ""


def _licence(entry: dict[str, str], stanza: CopyrightStanza, notice: str) -> tuple[Licence, str]:
    """The stricter of the library's and the model's own licence, and the model's page."""
    name, version, url = LICENCES[stanza.licence]
    if name == "cc_zero" and "Creative Commons Attribution" in notice:
        name, version, url = LICENCES["CC-BY-3.0"]
    author = entry.get("creator", NO_AUTHOR)
    if author == NO_AUTHOR:
        author = _author_in(notice) or stanza.copyright
    found = re.search(r"https?://(?:www\.)?blendswap\.com/blends/view/\d+", notice)
    page = found[0] if found else HOME
    line = "" if name == "cc_zero" else _attribution(entry["name"], author, page, version, url)
    licence = Licence(name=name, version=version, author=author, attribution=line, url=url)
    return licence, page


def _author_in(notice: str) -> str:
    found = re.search(r'downloading ".*" by (.+)|Created by: ([^<\n]+)', notice)
    return (found[1] or found[2]).strip() if found else ""


def _attribution(title: str, author: str, page: str, version: str, url: str) -> str:
    """Title, author, source, licence and that it was changed: CC BY 3.0, section 4(b)."""
    return (
        f'"{title}" by {author} ({page}), CC BY {version} ({url}), from {PACKAGE.name} '
        f"{PACKAGE.version} for Debian; changed: mesh cleaned, materials may be replaced"
    )
