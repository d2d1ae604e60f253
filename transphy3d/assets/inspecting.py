"""The stage that gives the assets of a bank the signals of their material graphs and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from transphy3d.assets.archives import model_path
from transphy3d.assets.bank import AssetRecord, Bank
from transphy3d.assets.gather import Tally, work_through, write_changes
from transphy3d.assets.inspection import GRAPH_VERSION, graph_signal, inspect_asset
from transphy3d.assets.judging import GRAPH, LEXICON, judged
from transphy3d.assets.lexicon import lexicon_signal, load_lexicon
from transphy3d.config import AcceptConfig
from transphy3d.progress import Progress


def pending(bank: Bank, ids: Sequence[str], again: bool) -> list[AssetRecord]:
    """Fetched assets that lack a current signal, of these ids or of all.

    A refused one is tried again if it is named. again : also those that have signals or are
    refused
    Raises AssetError for an id that the bank does not have.
    """
    fetched = [asset for asset in bank.chosen(ids) if asset.file is not None]
    return [a for a in fetched if again or not ((a.refused and not ids) or _current(a))]


def _current(asset: AssetRecord) -> bool:
    graph, names = asset.signals.get(GRAPH), asset.signals.get(LEXICON)
    return (
        graph is not None
        and names is not None
        and (graph.version, names.version) == (GRAPH_VERSION, load_lexicon().version)
    )


def with_signals(bank: Bank, asset: AssetRecord, again: bool = False) -> AssetRecord:
    """The record with what its materials and names say. Raises AssetError as `inspect_asset`."""
    found = inspect_asset(bank, asset, again)
    suffix = model_path(bank, asset).suffix.lower()
    new = {GRAPH: graph_signal(found, suffix), LEXICON: lexicon_signal(asset, found)}
    return replace(asset, signals=asset.signals | new, refused="")


def inspect_bank(
    bank: Bank, assets: Sequence[AssetRecord], workers: int, again: bool, progress: Progress
) -> Tally:
    """Inspect these assets, so many at a time; what cannot be read is refused with the reason."""

    def step(asset: AssetRecord) -> AssetRecord:
        return with_signals(bank, asset, again)

    return work_through(bank, assets, step, progress, "inspected", workers)


def judge_bank(bank: Bank, ids: Sequence[str], thresholds: AcceptConfig) -> Tally:
    """Write the verdicts that the signals of these assets, or of all, come to; count them."""
    tally = Tally()
    for asset in bank.chosen(ids):
        if not asset.signals or asset.refused:
            tally.add("unjudged", asset.refused or "no signal; run `transphy3d assets inspect`")
            continue
        result = judged(asset, thresholds)
        if result != asset:
            write_changes(bank, asset, result)
        if result.verdict:
            tally.add(f"{result.verdict.ruling} {result.verdict.optical}")
    return tally
