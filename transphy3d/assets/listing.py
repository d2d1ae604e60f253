"""Finding assets of a bank by what is known of them, and telling it to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from transphy3d.assets.bank import AssetRecord, Bank, StoredFile
from transphy3d.errors import AssetError

State = Literal["found", "fetched", "refused", "imported"]
Judged = Literal["accepted", "rejected", "review", "unjudged"]
COLUMNS = ("id", "name", "licence", "category", "state", "judged", "optical")
MAX_NAME = 32


@dataclass(frozen=True)
class Filter:
    """What an asset must be; "" matches everything."""

    source: str = ""
    category: str = ""
    licence: str = ""
    state: str = ""
    judged: str = ""
    optical: str = ""

    def matches(self, asset: AssetRecord) -> bool:
        pairs = (
            (self.source, asset.source),
            (self.category, asset.category),
            (self.licence, asset.licence.name),
            (self.state, state_of(asset)),
            (self.judged, judgement_of(asset)),
            (self.optical, asset.optical),
        )
        return all(not wanted or wanted == found for wanted, found in pairs)


def state_of(asset: AssetRecord) -> State:
    """How far an asset has come."""
    if asset.refused:
        return "refused"
    if asset.imported:
        return "imported"
    return "fetched" if asset.file else "found"


def judgement_of(asset: AssetRecord) -> Judged:
    """What a person, or else the judges, said of it."""
    judged = asset.override or asset.verdict
    return judged.ruling if judged else "unjudged"


def table(assets: Iterable[AssetRecord]) -> str:
    """Assets as aligned columns under their names, and how many there are."""
    rows = [COLUMNS, *(_row(asset) for asset in assets)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, f"{len(rows) - 1} assets"])


def describe(bank: Bank, asset: AssetRecord) -> str:
    """Everything that is known of an asset, a line a fact."""
    return "\n".join(f"{name:<12} {value}" for name, value in _facts(bank, asset) if value)


def _row(asset: AssetRecord) -> Sequence[str]:
    judged = judgement_of(asset)
    return (
        asset.id,
        asset.name[:MAX_NAME],
        asset.licence.name,
        asset.category,
        state_of(asset),
        judged,
        "" if judged == "unjudged" else asset.optical,
    )


def _facts(bank: Bank, asset: AssetRecord) -> Iterator[tuple[str, str]]:
    licence = asset.licence
    yield "id", asset.id
    yield "name", asset.name
    yield "state", state_of(asset)
    yield "refused", asset.refused
    yield "source", f"{asset.source}: {asset.source_id}"
    yield "page", asset.url
    yield "licence", f"{licence.name} {licence.version}".strip()
    yield "author", licence.author
    yield "attribution", licence.attribution
    yield "category", asset.category
    yield "tags", ", ".join(asset.tags)
    yield "size", " x ".join(f"{edge:.3f}" for edge in asset.size) + " m" if asset.size else ""
    yield "file", _place(bank, asset.file)
    yield "thumbnail", _place(bank, asset.thumbnail)
    for view in asset.views:
        yield "view", _place(bank, view)
    yield from _judgements(asset)
    yield from _import(bank, asset)
    for key, value in asset.declared.items():
        yield "declared", f"{key} = {value}"


def _judgements(asset: AssetRecord) -> Iterator[tuple[str, str]]:
    for name, signal in asset.signals.items():
        scores = f"transparent {signal.transparent:.2f}, reflective {signal.reflective:.2f}"
        yield f"by {name}", f"{scores}: {'; '.join(signal.reasons)}"
    if asset.verdict:
        verdict = asset.verdict
        why = "; ".join(verdict.reasons)
        yield "verdict", f"{verdict.ruling}, {verdict.optical} ({verdict.score:.2f}): {why}"
    if asset.override:
        said = asset.override
        yield "override", f"{said.ruling}, {said.optical} {said.note}".strip()


def _import(bank: Bank, asset: AssetRecord) -> Iterator[tuple[str, str]]:
    if not (made := asset.imported):
        return
    yield "imported", _place(bank, made.file)
    yield "real size", " x ".join(f"{edge:.3f}" for edge in made.size) + " m"
    yield "collision", f"{made.method}: {made.hulls} hulls, fit {made.fit:.2f}"
    for part in made.parts:
        yield "part", f"{part.name}: {part.faces} faces, {', '.join(part.kinds)}"
    for note in made.notes:
        yield "note", note


def _place(bank: Bank, stored: StoredFile | None) -> str:
    if not stored:
        return ""
    try:
        path = bank.file(stored)
    except AssetError as error:
        return str(error)
    inside = f" ({stored.member})" if stored.member else ""
    missing = "" if path.is_file() else ", MISSING"
    return f"{path}{inside}, {stored.bytes} bytes, sha256 {stored.sha256}{missing}"
