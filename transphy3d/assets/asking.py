"""Asking the vision-language model about the assets of a bank: the signal "vlm"."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from PIL import Image

from transphy3d.assets import prompts
from transphy3d.assets.answers import Answers, read_answers, signal_of, write_answers
from transphy3d.assets.bank import AssetRecord, Bank
from transphy3d.assets.gather import Tally, write_changes
from transphy3d.assets.judging import VISION
from transphy3d.assets.pictures import open_pictures, pictures_of
from transphy3d.assets.views import render_all
from transphy3d.assets.vlm import Ask, Choice, DeviceName, Judge, YesNo, choose, load, yes_no
from transphy3d.assets.weights import Weights
from transphy3d.errors import AssetError
from transphy3d.progress import Progress

ViewsRule = Literal["auto", "always", "never"]
Pictures = tuple[Image.Image, ...]

UNKNOWN_CATEGORY = "unknown"


@dataclass(frozen=True)
class Asking:
    """How a bank is asked about.

    batch : questions, and assets, that are worked on together
    views : when to render: of assets without any picture, of all that are fetched, or of none
    again : ask also what was answered
    """

    weights: Weights
    device: DeviceName
    batch: int
    views: ViewsRule
    again: bool

    @cached_property
    def judge(self) -> Judge:
        """The model, loaded when it is first needed; answers that are kept need none."""
        return load(self.weights, self.device)


@dataclass
class Asked:
    """What came of it: outcomes, and the pace of those that the model looked at."""

    tally: Tally = field(default_factory=Tally)
    looked_at: int = 0
    seconds: float = 0.0

    def table(self) -> str:
        """The outcomes, and assets a minute without loading and rendering."""
        if not self.looked_at:
            return self.tally.table()
        pace = 60 * self.looked_at / self.seconds
        return f"{self.tally.table()}\n{'pace':<12} {pace:.1f} assets a minute"


def askable(bank: Bank, ids: Sequence[str]) -> list[AssetRecord]:
    """The assets of these ids, or all, that were not refused and can have a picture.

    Raises AssetError for an id that the bank does not have.
    """
    return [a for a in bank.chosen(ids) if not a.refused and (a.thumbnail or a.views or a.file)]


def ask_bank(bank: Bank, assets: Sequence[AssetRecord], how: Asking, progress: Progress) -> Asked:
    """Give assets the signal of the vision-language model; what is answered already is kept.

    Raises ModelError and DeviceError as `vlm.load`; an asset that cannot be shown stops no other.
    """
    asked = Asked()
    shown = show_all(bank, assets, how.views, asked.tally, progress)
    for done, group in _groups(shown, how.batch):
        progress.frames(done, len(assets))
        _ask_group(bank, group, how, asked, progress)
    progress.frames(len(assets), len(assets))
    return asked


def _groups(
    assets: Iterator[AssetRecord | None], size: int
) -> Iterator[tuple[int, list[AssetRecord]]]:
    """Assets in groups, with the number that came before; None counts and is left out."""
    done, group = 0, list[AssetRecord]()
    for number, asset in enumerate(assets, start=1):
        if asset is not None:
            group.append(asset)
        if len(group) == size:
            yield done, group
            done, group = number, []
    if group:
        yield done, group


def show_all(
    bank: Bank, assets: Sequence[AssetRecord], rule: ViewsRule, tally: Tally, progress: Progress
) -> Iterator[AssetRecord | None]:
    """Every asset with pictures, rendered where the rule wants it; None where there are none."""
    wanting = [asset for asset in assets if _wants_views(asset, rule)]
    rendered = render_all(bank, wanting)
    for asset in assets:
        result = next(rendered) if _wants_views(asset, rule) else asset
        if isinstance(result, AssetError):
            _note(asset, "not shown", result, tally, progress)
            result = asset
        elif result is not asset:
            write_changes(bank, asset, result)
        if not pictures_of(result):
            tally.add("no picture")
        yield result if pictures_of(result) else None


def _wants_views(asset: AssetRecord, rule: ViewsRule) -> bool:
    if rule == "never" or asset.file is None or asset.views:
        return False
    return rule == "always" or asset.thumbnail is None


def _note(
    asset: AssetRecord, outcome: str, error: AssetError, tally: Tally, progress: Progress
) -> None:
    tally.add(outcome)
    progress.event(outcome, asset=asset.id, reason=str(error))


def _ask_group(
    bank: Bank, group: list[AssetRecord], how: Asking, asked: Asked, progress: Progress
) -> None:
    """Answer for each asset of a group from what is kept, or else by the model, together."""
    model = how.weights.identity
    kept = {a.id: None if how.again else read_answers(bank, a, model) for a in group}
    new: list[tuple[AssetRecord, Pictures]] = []
    for asset in group:
        if (known := kept[asset.id]) is not None:
            asked.tally.add("known")
            _write(bank, asset, known)
            continue
        try:
            new.append((asset, open_pictures(bank, asset)))
        except AssetError as error:
            _note(asset, "unreadable", error, asked.tally, progress)
    if new:
        _ask_model(bank, new, how, asked)


def _ask_model(
    bank: Bank, new: Sequence[tuple[AssetRecord, Pictures]], how: Asking, asked: Asked
) -> None:
    judge, since = how.judge, time.monotonic()
    answers = answer(judge, new, how.weights.identity, how.batch)
    asked.seconds += time.monotonic() - since
    asked.looked_at += len(new)
    for (asset, _), found in zip(new, answers, strict=True):
        write_answers(bank, asset, found)
        _write(bank, asset, found)
        asked.tally.add("asked")


def answer(
    judge: Judge, shown: Sequence[tuple[AssetRecord, Pictures]], model: str, batch: int
) -> list[Answers]:
    """Ask a model every question about every asset.

    model : its identity; batch : questions at a time
    """
    topics = prompts.QUESTIONS
    asks = [Ask(p, prompts.heading(len(p)) + topic.text) for topic in topics for _, p in shown]
    said = iter(yes_no(judge, asks, batch))
    by_topic = [[next(said) for _ in shown] for _ in topics]
    opening = [Ask(p, prompts.heading(len(p)) + prompts.OPEN_QUESTION) for _, p in shown]
    described = choose(judge, opening, tuple(prompts.descriptions()), batch)
    return [
        _answers(asset, model, column, words)
        for (asset, _), column, words in zip(
            shown, zip(*by_topic, strict=True), described, strict=True
        )
    ]


def _answers(asset: AssetRecord, model: str, said: Sequence[YesNo], words: Choice) -> Answers:
    category, part = prompts.descriptions()[words.answer]
    topics = [question.topic for question in prompts.QUESTIONS]
    return Answers(
        asset=asset.file.sha256 if asset.file else "",
        pictures=tuple(picture.sha256 for picture in pictures_of(asset)),
        model=model,
        prompts=prompts.PROMPT_VERSION,
        p_yes={topic: one.p_yes for topic, one in zip(topics, said, strict=True)},
        mass={topic: one.mass for topic, one in zip(topics, said, strict=True)},
        category=category,
        part=part,
        p_description=words.p,
    )


def _write(bank: Bank, asset: AssetRecord, answers: Answers) -> None:
    """Put the signal into the record, and the category where the source named none."""
    category = answers.category if asset.category == UNKNOWN_CATEGORY else asset.category
    signals = asset.signals | {VISION: signal_of(answers)}
    changed = replace(asset, signals=signals, category=category)
    if changed != asset:
        write_changes(bank, asset, changed)
