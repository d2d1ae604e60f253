"""What a person or another command writes while a command works stays."""

from __future__ import annotations

import fcntl
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from transphy3d.assets import asking, inspecting, prompts
from transphy3d.assets.answers import Answers
from transphy3d.assets.asking import Asking, ask_bank, askable
from transphy3d.assets.bank import AssetRecord, Bank, Licence, Override, Signal
from transphy3d.assets.gather import write_changes
from transphy3d.assets.judging import judged
from transphy3d.assets.pictures import pictures_of
from transphy3d.assets.review import decide
from transphy3d.assets.store import keep_thumbnail
from transphy3d.assets.weights import Weights
from transphy3d.config import AcceptConfig
from transphy3d.progress import make_progress

NAME = "own-jar"
DECISION = json.dumps({"asset": NAME, "ruling": "rejected", "optical": "opaque"}).encode()
SAID = Override(ruling="rejected", optical="opaque")
OLD, NEW = (
    Signal(transparent=p, reflective=0.0, reasons=(), version=version)
    for p, version in ((0.1, "old"), (0.9, "new"))
)
TELL = make_progress("plain", unit="asset")


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    bank = Bank(tmp_path / "bank")
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(stream, "PNG")
    bank.write(
        AssetRecord(
            id=NAME,
            source="own",
            source_id="jar",
            name="jar",
            licence=Licence(name="own"),
            thumbnail=keep_thumbnail(bank, NAME, stream.getvalue(), ".png"),
            signals={"graph": OLD},
        )
    )
    return bank


def said(asset: AssetRecord, model: str) -> Answers:
    topics = [question.topic for question in prompts.QUESTIONS]
    return Answers(
        asset="",
        pictures=tuple(picture.sha256 for picture in pictures_of(asset)),
        model=model,
        prompts=prompts.PROMPT_VERSION,
        p_yes=dict.fromkeys(topics, 0.1),
        mass=dict.fromkeys(topics, 1.0),
        category="jar",
        part="none",
        p_description=0.5,
    )


def test_a_decision_that_is_made_while_the_model_looks_stays(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: Any, new: Sequence[Any], model: str, batch: int) -> list[Answers]:
        decide(bank, DECISION)
        bank.write(replace(bank.read(NAME), signals={"graph": NEW}))
        return [said(asset, model) for asset, _ in new]

    monkeypatch.setattr(asking, "answer", answer)
    monkeypatch.setattr(asking, "load", lambda *_: None)
    weights = Weights(Path(), "toy@1", "full", False)
    ask_bank(bank, askable(bank, ()), Asking(weights, "cpu", 8, "never", False), TELL)
    after = bank.read(NAME)
    assert after.override == SAID
    assert after.signals.keys() == {"graph", "vlm"}
    assert after.signals["graph"] == NEW
    assert after.category == "jar"


def test_a_decision_that_is_made_while_views_are_rendered_stays(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = replace(bank.read(NAME), file=bank.read(NAME).thumbnail)
    bank.write(asset)

    def render_all(_: Bank, wanting: Sequence[AssetRecord]) -> Iterator[AssetRecord]:
        for one in wanting:
            decide(bank, DECISION)
            assert one.thumbnail
            yield replace(one, views=(one.thumbnail,))

    monkeypatch.setattr(asking, "render_all", render_all)
    list(asking.show_all(bank, [asset], "always", asking.Tally(), TELL))
    after = bank.read(NAME)
    assert (after.override, len(after.views)) == (SAID, 1)


def test_a_decision_that_is_made_while_verdicts_are_written_stays(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(asset: AssetRecord, thresholds: AcceptConfig) -> AssetRecord:
        decide(bank, DECISION)
        return judged(asset, thresholds)

    monkeypatch.setattr(inspecting, "judged", slowly)
    inspecting.judge_bank(bank, (), AcceptConfig())
    after = bank.read(NAME)
    assert after.override == SAID
    assert after.verdict


class Watched(Bank):
    """A bank whose records may be read and written under its lock alone."""

    def read(self, asset: str) -> AssetRecord:
        self.check()
        return super().read(asset)

    def write(self, asset: AssetRecord) -> None:
        self.check()
        super().write(asset)

    def check(self) -> None:
        with (self.root / "lock").open("ab") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_nobody_else_changes_a_record_between_its_reading_and_its_writing(bank: Bank) -> None:
    before, watched = bank.read(NAME), Watched(bank.root)
    decide(watched, DECISION)
    write_changes(watched, before, replace(before, category="jar"))
    assert (bank.read(NAME).override, bank.read(NAME).category) == (SAID, "jar")
