"""Whom the assets of a data set are owed to."""

from __future__ import annotations

from collections.abc import Iterable

from transphy3d.shards.reader import Sequence
from transphy3d.shards.schema import Attribution


def credits_of(sequences: Iterable[Sequence]) -> list[Attribution]:
    """Every asset of a bank in some sequences, once, in the order of ids."""
    return unique(item for sequence in sequences for item in sequence.attributions)


def unique(items: Iterable[Attribution]) -> list[Attribution]:
    """Each attribution once, in the order of assets."""
    found = {(item.asset, item.sha256): item for item in items}
    return [found[key] for key in sorted(found)]


def credit(item: Attribution) -> str:
    """One line: the one that the licence asks for, or else what is known."""
    if item.attribution:
        return item.attribution
    licence = f"{item.licence} {item.version}".strip()
    author = f" by {item.author}" if item.author else ""
    return f"{item.name}{author} ({licence}) {item.url}".strip()
