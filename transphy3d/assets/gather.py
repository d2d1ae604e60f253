"""Working through many assets: one bad asset stops no others, and what happened is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

from transphy3d.assets.bank import AssetRecord, Bank, Signal
from transphy3d.errors import AssetError, SourceClosed, SourceError
from transphy3d.progress import Progress

MAX_REASONS = 12


@dataclass
class Tally:
    """How often each outcome came about, why, and what ended the work early."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    stopped: str = ""

    def add(self, outcome: str, reason: str = "") -> None:
        self.outcomes[outcome] += 1
        if reason:
            self.reasons[reason] += 1

    def table(self) -> str:
        """A line an outcome, then the commonest reasons."""
        lines = [f"{name:<12} {count}" for name, count in self.outcomes.items()]
        lines += [
            f"  {count} x {reason}" for reason, count in self.reasons.most_common(MAX_REASONS)
        ]
        left = len(self.reasons) - MAX_REASONS
        return "\n".join([*lines, f"  and {left} other reasons"] if left > 0 else lines)


def work_through(
    bank: Bank,
    assets: Sequence[AssetRecord],
    step: Callable[[AssetRecord], AssetRecord],
    progress: Progress,
    outcome: str | Callable[[AssetRecord], str] = "fetched",
    workers: int = 1,
) -> Tally:
    """Give every asset to `step` and write back what it returns.

    outcome : what to call success, by the result where that differs
    workers : how many steps run at a time, in threads

    An asset that `step` refuses by AssetError is written with the reason; where it may succeed
    yet (SourceError.passing) it stays as it is; SourceClosed ends the work.
    """
    tally = Tally()
    for done, (asset, result) in enumerate(_steps(assets, step, workers)):
        progress.frames(done, len(assets))
        try:
            after = result()
            write_changes(bank, asset, after)
            tally.add(outcome if isinstance(outcome, str) else outcome(after))
        except SourceClosed as error:
            tally.stopped = str(error)
            break
        except AssetError as error:
            _note(bank, asset, error, tally, progress)
    else:
        progress.frames(len(assets), len(assets))
    return tally


def write_changes(bank: Bank, before: AssetRecord, after: AssetRecord) -> None:
    """Write what differs between two states of a record onto what the bank holds by now.

    A step may take long; what a person or another command wrote meanwhile stays.
    """
    changes: dict[str, Any] = {
        item.name: getattr(after, item.name)
        for item in fields(after)
        if getattr(after, item.name) != getattr(before, item.name)
    }
    with bank.locked():
        if not bank.has(after.id):
            bank.write(after)
            return
        current = bank.read(after.id)
        if "signals" in changes and before.signals.keys() <= after.signals.keys():
            changes["signals"] = current.signals | _new_signals(before, after)
        if changes:
            bank.write(replace(current, **changes))


def _new_signals(before: AssetRecord, after: AssetRecord) -> dict[str, Signal]:
    """Signals that differ; one that was only read may have been renewed by another command."""
    return {name: said for name, said in after.signals.items() if before.signals.get(name) != said}


Step = Callable[[AssetRecord], AssetRecord]


def _steps(
    assets: Sequence[AssetRecord], step: Step, workers: int
) -> Iterator[tuple[AssetRecord, Callable[[], AssetRecord]]]:
    """Every asset with a function that gives its result, now or as threads have them."""
    if workers == 1:
        yield from ((asset, partial(step, asset)) for asset in assets)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        started = {pool.submit(step, asset): asset for asset in assets}
        for future in as_completed(started):
            yield started[future], future.result
    finally:  # whoever is interrupted waits for the steps that run, not for all
        pool.shutdown(cancel_futures=True)


def _note(
    bank: Bank, asset: AssetRecord, error: AssetError, tally: Tally, progress: Progress
) -> None:
    passing = isinstance(error, SourceError) and error.passing
    outcome = "failed" if passing else "refused"
    if not passing:
        write_changes(bank, asset, replace(asset, refused=str(error)))
    tally.add(outcome, str(error))
    progress.event(outcome, asset=asset.id, reason=str(error))
