"""Which assets of a bank a job draws from, and a fingerprint of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from transphy3d.assets.bank import REDISTRIBUTABLE, AssetRecord, Bank
from transphy3d.assets.judging import judged
from transphy3d.config import BankConfig, Selection
from transphy3d.errors import JobError
from transphy3d.files import canonical_json, sha256_text


def open_bank(config: BankConfig) -> Bank:
    """The bank that a job names. Raises JobError if there is none."""
    if config.folder is None:
        raise JobError("objects.bank.folder: is not set; name the folder of the bank")
    bank = Bank(Path(config.folder))
    if not bank.catalogue.is_dir():
        raise JobError(
            f"objects.bank.folder: {config.folder} is no asset bank, it lacks `catalogue`; mend "
            "the path, or fill it with `transphy3d assets`"
        )
    return bank


def select(config: BankConfig) -> list[AssetRecord]:
    """The records that a job draws from, in the order of their ids.

    Raises JobError, with the number that each condition left, if none is left.
    """
    left = [_judged(config, asset) for asset in open_bank(config).records()]
    counts = [f"{len(left)} recorded"]
    for what, admits in _conditions(config):
        left = [asset for asset in left if admits(asset)]
        counts.append(f"{len(left)} {what}")
    if not left:
        raise JobError(
            f"objects.bank: no asset of {config.folder} is left ({', then '.join(counts)}); "
            "widen what the first zero names, or import more assets"
        )
    return left


def _judged(config: BankConfig, asset: AssetRecord) -> AssetRecord:
    """The record, with a verdict by the job's own thresholds where it has some."""
    if config.accept is None or not asset.signals:
        return asset
    return judged(asset, config.accept)


def _conditions(config: BankConfig) -> Iterable[tuple[str, Callable[[AssetRecord], bool]]]:
    """What an asset must be, in words and as a test."""
    yield "imported and not refused", lambda asset: bool(asset.imported) and not asset.refused
    yield "accepted", lambda asset: asset.accepted
    yield "of these licences", lambda asset: asset.licence.name in config.licences
    yield "of these categories", lambda asset: chosen(config.categories, asset.category)
    yield "of these names", lambda asset: chosen(config.assets, asset.id)
    yield f"in split {config.split!r}", lambda asset: _in_split(config, asset.id)


def chosen(selection: Selection, name: str) -> bool:
    """Whether a selection's patterns admit a name."""
    return any(fnmatchcase(name, pattern) for pattern in selection.include) and not any(
        fnmatchcase(name, pattern) for pattern in selection.exclude
    )


def _in_split(config: BankConfig, asset: str) -> bool:
    if config.split == "all":
        return True
    return is_held_out(asset, config.held_out) == (config.split == "test")


def is_held_out(asset: str, share: float) -> bool:
    """Whether an asset is kept for tests; its id alone decides, so a growing bank moves none."""
    number = int.from_bytes(hashlib.sha256(asset.encode()).digest()[:8])
    return number < share * 2**64


def fingerprint(config: BankConfig) -> str:
    """Hex SHA-256 of the ids and files that a job draws from."""
    drawn = [[a.id, a.imported.file.sha256] for a in select(config) if a.imported]
    return sha256_text(canonical_json(drawn))


def locked(assets: Iterable[AssetRecord]) -> list[str]:
    """Ids of those whose meshes must not be passed on."""
    return [asset.id for asset in assets if asset.licence.name not in REDISTRIBUTABLE]
