"""From the BlenderKit server into a bank: records by searching, then files and thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from http import HTTPStatus
from pathlib import Path

from transphy3d.assets.archives import main_member
from transphy3d.assets.bank import AssetRecord, Bank, StoredFile
from transphy3d.assets.download import Bounds, download, suffix_of
from transphy3d.assets.gather import Tally
from transphy3d.assets.sources.blenderkit import Query, Server
from transphy3d.assets.sources.blenderkit_records import choose_file, record_of
from transphy3d.assets.store import keep, keep_thumbnail, with_file
from transphy3d.errors import AssetError, SourceError
from transphy3d.progress import Progress

MAX_THUMBNAIL_BYTES = 8 << 20
PICTURES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp"}
# What an asset host answers to a link that has run out.
EXPIRED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


def add_records(
    bank: Bank,
    server: Server,
    queries: Sequence[Query],
    today: date,
    most: int | None,
    again: bool,
    progress: Progress,
) -> Tally:
    """Write a record for every model found that the bank does not know.

    most : how many results to look at; again : renew what known records say of their source
    """
    tally, left = Tally(), most
    for query in queries:
        if left == 0:
            break
        for asset in server.search(query, today, left):
            left = None if left is None else left - 1
            try:
                _add(bank, record_of(asset, server.base), again, tally)
            except SourceError as error:
                tally.add("unusable", str(error))
            if tally.outcomes.total() % 100 == 0:
                progress.event("found", **tally.outcomes)
    return tally


def fetch(
    bank: Bank, server: Server, asset: AssetRecord, resolution: str, bounds: Bounds
) -> AssetRecord:
    """The record with its file, and its thumbnail where there is one.

    Raises AssetError if the file cannot be had or is not what it should be.
    """
    chosen = choose_file(asset.declared.get("files", ()), resolution)
    part = bank.partial / f"{asset.id}.{chosen['fileType']}.part"
    _receive(server, chosen["downloadUrl"], part, bounds, chosen["bytes"])
    stored = _keep(bank, part)
    thumbnail = asset.thumbnail or _thumbnail_or_none(bank, server, asset)
    declared = asset.declared | {"fetched": chosen["fileType"]}
    return replace(with_file(asset, stored), thumbnail=thumbnail, declared=declared)


def add_thumbnail(bank: Bank, server: Server, asset: AssetRecord) -> AssetRecord:
    """The record with its picture alone, if it has one, which is enough to judge it by.

    Raises SourceError (`passing`) where the picture may be had later.
    """
    return replace(asset, thumbnail=_thumbnail_or_none(bank, server, asset, later=True))


def _thumbnail_or_none(
    bank: Bank, server: Server, asset: AssetRecord, later: bool = False
) -> StoredFile | None:
    """The asset's picture; None if it cannot be had, so that no asset is refused for that.

    later : raise errors that pass
    """
    try:
        return _fetch_thumbnail(bank, server, asset)
    except SourceError as error:
        if later and error.passing:
            raise
        server.web.progress.event("no thumbnail", asset=asset.id, reason=str(error))
        return None


def _fetch_thumbnail(bank: Bank, server: Server, asset: AssetRecord) -> StoredFile | None:
    url = asset.declared.get("thumbnail", "")
    if not url:
        return None
    data = server.web.data(url, MAX_THUMBNAIL_BYTES)
    suffix = next((kind for magic, kind in PICTURES.items() if data.startswith(magic)), "")
    return keep_thumbnail(bank, asset.id, data, suffix) if suffix else None


def _receive(
    server: Server, download_url: str, part: Path, bounds: Bounds, size: int | None
) -> None:
    """Both steps of a download; a link that has run out is renewed once."""
    link = server.link(download_url)
    try:
        download(server.web, link, part, bounds, size)
    except SourceError as error:
        if error.status not in EXPIRED:
            raise
        download(server.web, server.link(download_url), part, bounds, size)


def _keep(bank: Bank, part: Path) -> StoredFile:
    """The finished download at its place; what is unsafe or unknown is removed."""
    try:
        suffix = suffix_of(part)
        member = main_member(part) if suffix == ".zip" else ""
    except AssetError:
        part.unlink()
        raise
    return keep(bank, part, suffix, member)


def _add(bank: Bank, found: AssetRecord, again: bool, tally: Tally) -> None:
    known = bank.has(found.id)
    if known and not again:
        tally.add("known")
        return
    with bank.locked():
        asset = _renewed(bank.read(found.id), found) if known else found
        bank.write(asset)
    outcome = "set aside" if asset.refused else "renewed" if known else "new"
    tally.add(outcome, asset.refused)


def _renewed(old: AssetRecord, new: AssetRecord) -> AssetRecord:
    """What the source says now; what was made of it stays while that is the same version."""
    if old.declared.get("id") != new.declared.get("id"):
        return replace(new, override=old.override)
    stages = {
        name: getattr(old, name)
        for name in ("file", "thumbnail", "views", "signals", "verdict", "override", "imported")
    }
    if old.file is None:
        return replace(new, **stages)
    declared = new.declared | {"fetched": old.declared.get("fetched")}
    return replace(new, declared=declared, refused=new.refused or old.refused, **stages)
