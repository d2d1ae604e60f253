"""Which source does what: the two acts of filling a bank, for every source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

from transphy3d.assets.bank import AssetRecord, Bank, LicenceName
from transphy3d.assets.download import Bounds
from transphy3d.assets.gather import Tally, work_through
from transphy3d.assets.listing import Filter
from transphy3d.assets.sources import blenderkit_bank, local, sweethome3d, sweethome3d_bank
from transphy3d.assets.sources.blenderkit import KEY_VARIABLE, SOURCE, Query, Server, scene_of
from transphy3d.assets.web import Web
from transphy3d.errors import AssetError
from transphy3d.progress import Progress

SourceName = Literal["blenderkit", "sweethome3d", "local"]


@dataclass(frozen=True)
class Places:
    """Where sources are asked: a Blendkit server, and a Debian mirror ("" for apt)."""

    server: str
    mirror: str = ""


@dataclass(frozen=True)
class Wish:
    """What to search for; empty means anything. `most` is a number of results."""

    words: str = ""
    categories: tuple[str, ...] = ()
    licence: LicenceName | None = None
    free: bool = False
    most: int | None = None


@dataclass(frozen=True)
class Fetching:
    """How to fetch: `resolution` of textures, bounds of one file, how many assets at most."""

    resolution: str
    bounds: Bounds
    most: int | None = None


def search(
    bank: Bank,
    source: SourceName,
    wish: Wish,
    places: Places,
    again: bool,
    progress: Progress,
) -> Tally:
    """Write records of what a source has. Raises AssetError for a source that has no search."""
    if source == "blenderkit":
        queries = [
            Query(wish.words, category, wish.licence or "", wish.free)
            for category in wish.categories or ("",)
        ]
        server = _server(bank, places, progress)
        return blenderkit_bank.add_records(
            bank, server, queries, date.today(), wish.most, again, progress
        )
    if source == "sweethome3d":
        package = sweethome3d_bank.package_file(bank, Web(progress), places.mirror)
        return sweethome3d_bank.add_records(bank, package, partial(_matches, wish), wish.most)
    raise AssetError("source local: has no search; name files with `assets fetch --source local`")


def pending(
    bank: Bank, ids: Sequence[str], wanted: Filter, again: bool = False
) -> list[AssetRecord]:
    """Records to fetch: those named, or all, that match and have no file yet.

    A record that was refused is tried again if it is named or `again` is set.
    """
    chosen = [asset for asset in bank.chosen(ids) if wanted.matches(asset)]
    return [
        asset
        for asset in chosen
        if again or not ((asset.refused and not ids) or _has_file(bank, asset))
    ]


def fetch(
    bank: Bank,
    assets: Sequence[AssetRecord],
    fetching: Fetching,
    places: Places,
    progress: Progress,
) -> list[Tally]:
    """Give files to records of any source, one source after another."""
    chosen = assets[: fetching.most]
    tallies = []
    if models := [asset for asset in chosen if asset.source == SOURCE]:
        server = _server(bank, places, progress)

        def step(asset: AssetRecord) -> AssetRecord:
            return blenderkit_bank.fetch(bank, server, asset, fetching.resolution, fetching.bounds)

        tallies.append(work_through(bank, models, step, progress))
    if pieces := [asset for asset in chosen if asset.source == sweethome3d.SOURCE]:
        package = sweethome3d_bank.package_file(bank, Web(progress), places.mirror)
        tallies.append(sweethome3d_bank.fetch(bank, package, pieces, progress))
    if own := [asset for asset in chosen if asset.source == local.SOURCE]:
        tallies.append(work_through(bank, own, _gone, progress))
    return tallies


def fetch_thumbnails(
    bank: Bank,
    assets: Sequence[AssetRecord],
    most: int | None,
    places: Places,
    progress: Progress,
) -> list[Tally]:
    """Give BlenderKit records their pictures alone; other sources have them with their files."""
    bare = [asset for asset in assets if asset.source == SOURCE and not asset.thumbnail]
    if not bare:
        return []
    step = partial(blenderkit_bank.add_thumbnail, bank, _server(bank, places, progress))
    return [work_through(bank, bare[:most], step, progress, _pictured)]


def add_local(
    bank: Bank,
    paths: Sequence[Path],
    licence: LicenceName | None,
    author: str,
    progress: Progress,
) -> Tally:
    """Copy a user's own mesh files into the bank.

    licence : None for `own`; without it and an author, files that the bank knows keep theirs
    """
    terms = local.licence_of(licence or "own", author) if licence or author else None
    return local.add(bank, local.mesh_files(paths), terms, progress)


def _server(bank: Bank, places: Places, progress: Progress) -> Server:
    return Server(
        web=Web(progress),
        base=places.server,
        key=os.environ.get(KEY_VARIABLE, "").strip(),
        scene=scene_of(str(bank.root.resolve())),
    )


def _matches(wish: Wish, asset: AssetRecord) -> bool:
    """Whether a record has every word of the wish and is of its categories and licence."""
    text = " ".join((asset.name, asset.source_id, asset.category, *asset.tags)).lower()
    return (
        all(word in text for word in wish.words.lower().split())
        and (not wish.categories or asset.category in wish.categories)
        and (wish.licence is None or asset.licence.name == wish.licence)
    )


def _pictured(asset: AssetRecord) -> str:
    return "pictured" if asset.thumbnail else "no picture"


def _gone(asset: AssetRecord) -> AssetRecord:
    raise AssetError(
        f"its file is missing from the bank; add {asset.source_id} with --source local again"
    )


def _has_file(bank: Bank, asset: AssetRecord) -> bool:
    return asset.file is not None and bank.file(asset.file).is_file()
