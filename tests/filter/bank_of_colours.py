"""A bank of flat pictures that the tiny model has learnt to judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tiny_vlm import paint

from transphy3d.assets.bank import AssetRecord, Bank, Licence, StoredFile
from transphy3d.files import sha256_file

COLOURS = [(bright, hue) for bright in (True, False) for hue in ("red", "blue", "grey")]


def asset_id(bright: bool, hue: str) -> str:
    return f"own-{'bright' if bright else 'dark'}-{hue}"


def store(bank: Bank, path: Path) -> StoredFile:
    return StoredFile(
        path=path.relative_to(bank.root).as_posix(),
        bytes=path.stat().st_size,
        sha256=sha256_file(path),
    )


def add(bank: Bank, asset: str, bright: bool, hue: str, seed: int = 0) -> AssetRecord:
    """An asset with one picture of the source and two views."""
    rng = np.random.default_rng(seed)
    folder = bank.views(asset)
    folder.mkdir(parents=True)
    for number in range(3):
        paint(bright, hue, rng).save(folder / f"{number}.png")
    first, *views = (store(bank, folder / f"{number}.png") for number in range(3))
    record = AssetRecord(
        id=asset,
        source="own",
        source_id=asset,
        name=asset,
        licence=Licence(name="own"),
        thumbnail=first,
        views=tuple(views),
    )
    bank.write(record)
    return record


def make_bank(root: Path) -> Bank:
    """One asset a colour."""
    bank = Bank(root)
    for bright, hue in COLOURS:
        add(bank, asset_id(bright, hue), bright, hue)
    return bank
