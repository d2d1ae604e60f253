"""Whether a bank is whole: records, files and their hashes, licences, and nothing besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transphy3d.assets.archives import members
from transphy3d.assets.bank import AssetRecord, Bank, StoredFile
from transphy3d.assets.sources.sweethome3d import PACKAGE
from transphy3d.errors import AssetError
from transphy3d.files import sha256_file


@dataclass(frozen=True)
class Fault:
    """What is wrong, and with what: an asset's id, or a path relative to the bank."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def check_bank(bank: Bank, hashes: bool = True) -> list[Fault]:
    """Every fault of a bank, by place.

    hashes : also read every file and compare its SHA-256
    """
    faults: list[Fault] = []
    assets: list[AssetRecord] = []
    for name in bank.ids():
        try:
            assets.append(bank.read(name))
        except AssetError as error:
            faults.append(Fault(name, str(error)))
    for asset in assets:
        faults += [Fault(asset.id, what) for what in _asset_faults(bank, asset, hashes)]
    faults += _doubles(assets)
    return faults + [Fault(path, "belongs to no asset") for path in _strays(bank, assets)]


def stored_files(asset: AssetRecord) -> list[StoredFile]:
    """Every file of the bank that a record names."""
    named = (asset.file, asset.thumbnail, *asset.views)
    imported = (asset.imported.file,) if asset.imported else ()
    return [stored for stored in (*named, *imported) if stored is not None]


def _asset_faults(bank: Bank, asset: AssetRecord, hashes: bool) -> Iterator[str]:
    if not bank.record_file(asset.id).is_file():
        yield "its record lies under another name"
    yield from _licence_faults(asset)
    for stored in stored_files(asset):
        yield from _file_faults(bank, stored, hashes)
    if asset.imported and asset.file and asset.imported.source_sha256 != asset.file.sha256:
        yield "was imported from another file than it has now; run `assets import` again"
    if asset.imported_as_another and not asset.refused:
        yield f"is {asset.optical}, but was imported as something else; run `assets import` again"


def _doubles(assets: list[AssetRecord]) -> Iterator[Fault]:
    """Accepted assets with the file of another: drawn twice as often, and in either split."""
    first: dict[tuple[str, str], str] = {}
    for asset in assets:
        if asset.file and asset.accepted and not asset.refused:
            # One archive may hold several models.
            other = first.setdefault((asset.file.sha256, asset.file.member), asset.id)
            if other != asset.id:
                yield Fault(asset.id, f"has the same file as {other}; reject one of them")


def _licence_faults(asset: AssetRecord) -> Iterator[str]:
    licence = asset.licence
    if licence.name == "unknown" and asset.file:
        yield "has a file but no known licence"
    if licence.name == "cc_by" and not (licence.author and licence.attribution):
        yield "is under CC BY, yet nobody is named as its author"
    if licence.name in ("cc_by", "cc_zero", "royalty_free") and not licence.url:
        yield f"names no page of its licence {licence.name}"


def _file_faults(bank: Bank, stored: StoredFile, hashes: bool) -> Iterator[str]:
    try:
        path = bank.file(stored)
    except AssetError as error:
        yield str(error)
        return
    if not path.is_file():
        yield f"{stored.path} is missing"
    elif path.stat().st_size != stored.bytes:
        yield f"{stored.path} has {path.stat().st_size} bytes, not {stored.bytes}"
    elif hashes and sha256_file(path) != stored.sha256:
        yield f"{stored.path} has another content than its SHA-256 says"
    elif stored.member:
        yield from _member_faults(path, stored)


def _member_faults(path: Path, stored: StoredFile) -> Iterator[str]:
    try:
        if stored.member not in members(path):
            yield f"{stored.path} holds no {stored.member}"
    except AssetError as error:
        yield str(error)


def _strays(bank: Bank, assets: list[AssetRecord]) -> Iterator[str]:
    """Paths that no record leads to; unfinished downloads are no strays."""
    root = bank.root.resolve()
    named = {(root / stored.path).resolve() for a in assets for stored in stored_files(a)}
    named |= {path.resolve() for path in bank.catalogue.glob("[!.]*.json")}
    named |= {bank.unpacked(asset.file.sha256).resolve() for asset in assets if asset.file}
    named |= {bank.views(asset.id).resolve() for asset in assets}
    named.add((bank.downloads / f"{PACKAGE.sha256}.deb").resolve())
    folders = ("catalogue", "downloads", "thumbnails", "unpacked", "views", "imported")
    for folder in folders:
        inside = (root / folder).iterdir() if (root / folder).is_dir() else ()
        yield from sorted(str(path.relative_to(root)) for path in inside if path not in named)
    yield from sorted(path.name for path in root.glob(".*"))
