"""From Debian's Sweet Home 3D package into a bank."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from transphy3d.assets.bank import AssetRecord, Bank
from transphy3d.assets.download import Bounds, download
from transphy3d.assets.gather import Tally, work_through
from transphy3d.assets.sources.debian import Package, apt_download, check_package
from transphy3d.assets.sources.sweethome3d import PACKAGE, Piece, add_files, opened
from transphy3d.assets.store import keep
from transphy3d.assets.web import Web
from transphy3d.errors import AssetError
from transphy3d.progress import Progress

DEFAULT_MIRROR = "https://deb.debian.org/debian"


def package_file(bank: Bank, web: Web, mirror: str, package: Package = PACKAGE) -> Path:
    """The package among the bank's downloads, fetched if it is not there.

    mirror : address of a Debian mirror; "" for the machine's own apt, or else the public mirror
    Raises AssetError if it cannot be had or is not the one that is pinned.
    """
    path = bank.downloads / f"{package.sha256}.deb"
    if path.is_file():
        check_package(package, path)
        return path
    web.progress.event("fetching", package=package.name, mebibytes=package.bytes >> 20)
    bank.downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bank.root, prefix=".") as folder:
        found = None if mirror else apt_download(package, Path(folder))
        if found is None:
            found = bank.partial / f"{package.name}.part"
            url = f"{(mirror or DEFAULT_MIRROR).rstrip('/')}/{package.pool}"
            download(web, url, found, Bounds(bytes=package.bytes), package.bytes)
        check_package(package, found)
        keep(bank, found, ".deb")
    return path


def add_records(
    bank: Bank, package: Path, wanted: Callable[[AssetRecord], bool], most: int | None
) -> Tally:
    """Write a record, still without a file, for every piece that is wanted and not known."""
    tally = Tally()
    with opened(package, bank.root) as pieces:
        found = [piece.record for piece in pieces if wanted(piece.record)][:most]
    for asset in found:
        known = bank.has(asset.id)
        if not known:
            bank.write(asset)
        tally.add("known" if known else "new")
    return tally


def fetch(bank: Bank, package: Path, assets: Sequence[AssetRecord], progress: Progress) -> Tally:
    """Give records of this source their files."""
    with opened(package, bank.root) as pieces:
        parts = {piece.record.id: piece for piece in pieces}

        def step(asset: AssetRecord) -> AssetRecord:
            return add_files(bank, _part(parts, asset), asset)

        return work_through(bank, assets, step, progress)


def _part(parts: dict[str, Piece], asset: AssetRecord) -> Piece:
    if asset.id not in parts:
        raise AssetError(f"{asset.id}: is not in {PACKAGE.name} {PACKAGE.version}")
    return parts[asset.id]
