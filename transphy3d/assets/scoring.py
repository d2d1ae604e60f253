"""How well judges do against labels that people gave by looking at renders."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ValidationError

from transphy3d.assets.bank import Signal, Verdict
from transphy3d.assets.judging import CLASSES, GRAPH, fuse
from transphy3d.config import AcceptConfig
from transphy3d.errors import AssetError
from transphy3d.jsonio import from_data, from_json, record
from transphy3d.materials.spec import OPTICAL_CLASSES, OpticalClass

Half = Literal["tuning", "report"]


@record
class Label:
    """What a person saw in two renders of an asset.

    sha256 : of the asset's file
    label : class of most of the thing that is to be seen, as it is in the world
    rendered : class of most of its surface as the file's own materials show it
    doubt : why the label is not sure, "" if it is
    disagreement : why the fused decision differs, "" where it does not
    """

    id: str
    sha256: str
    label: OpticalClass
    rendered: OpticalClass
    doubt: str = ""
    disagreement: str = ""

    @property
    def half(self) -> Half:
        """Which half of the labels it belongs to; the id alone decides."""
        return "tuning" if hashlib.sha256(self.id.encode()).digest()[0] % 2 == 0 else "report"


Signals = dict[str, Signal]
# What a judge makes of an asset: its class, and whether it is sure or asks for a review.
Answer = tuple[OpticalClass, bool]
Judge = Callable[[Signals], Answer]


def read_labels(path: Path) -> list[Label]:
    """The labels of a YAML file. Raises AssetError for one that holds none."""
    try:
        return from_data(list[Label], yaml.safe_load(path.read_text(encoding="utf-8"))["labels"])
    except (OSError, KeyError, TypeError, yaml.YAMLError, ValidationError) as error:
        raise AssetError(f"{path}: holds no labels: {error}") from error


def read_signals(path: Path) -> dict[str, Signals]:
    """Measured signals by asset. Raises AssetError for a file that holds none."""
    try:
        return from_json(dict[str, dict[str, Signal]], path.read_bytes())
    except (OSError, ValidationError) as error:
        raise AssetError(f"{path}: holds no signals: {error}") from error


def fused_judge(thresholds: AcceptConfig) -> Judge:
    """The decision from all signals."""

    def judge(signals: Signals) -> Answer:
        verdict: Verdict = fuse(signals, thresholds)
        return verdict.optical, verdict.ruling != "review"

    return judge


def single_judge(name: str, thresholds: AcceptConfig) -> Judge:
    """One signal alone, which takes the class that it votes for."""
    least = thresholds.area if name == GRAPH else thresholds.word

    def judge(signals: Signals) -> Answer:
        best = max(CLASSES, key=lambda optical: float(getattr(signals[name], optical)))
        voted = getattr(signals[name], best) >= least
        return (best if voted else "opaque"), True

    return judge


@dataclass(frozen=True)
class Score:
    """Counts of (true class, answered class, sure)."""

    counts: Counter[tuple[OpticalClass, OpticalClass, bool]]

    def precision(self, optical: OpticalClass, reviewed: bool = False) -> float:
        """Share of what was surely given a class that has it; 1 where nothing was.

        reviewed : or was put before a person as of that class
        """
        given = self._sum(lambda _, answer, sure: answer == optical and (sure or reviewed))
        return self._right(optical, reviewed) / given if given else 1.0

    def recall(self, optical: OpticalClass, reviewed: bool = False) -> float:
        """Share of a class that was surely found, reviewed : or put before a person."""
        there = self._sum(lambda true, *_: true == optical)
        return self._right(optical, reviewed) / there if there else 1.0

    def _right(self, optical: OpticalClass, reviewed: bool) -> int:
        return self._sum(
            lambda true, answer, sure: true == answer == optical and (sure or reviewed)
        )

    def _sum(self, admits: Callable[[OpticalClass, OpticalClass, bool], bool]) -> int:
        return sum(count for key, count in self.counts.items() if admits(*key))

    def table(self) -> str:
        """A confusion table with precision and recall, without and with what is for review."""
        head = [*OPTICAL_CLASSES, *(f"{name}?" for name in CLASSES)]
        lines = [
            "is \\ said     "
            + "".join(f"{name:>13}" for name in head)
            + "  precision recall  with ?"
        ]
        for true in OPTICAL_CLASSES:
            cells = [self.counts[true, name, True] for name in OPTICAL_CLASSES]
            cells += [self.counts[true, name, False] for name in CLASSES]
            rates = f"{self.precision(true):11.2f}{self.recall(true):7.2f}"
            rates += f"{self.precision(true, True):6.2f}{self.recall(true, True):5.2f}"
            lines.append(f"{true:<14}" + "".join(f"{cell:>13}" for cell in cells) + rates)
        return "\n".join(lines)


def score(
    labels: Sequence[Label],
    signals: Mapping[str, Signals],
    judge: Judge,
    truth: Callable[[Label], OpticalClass] = lambda label: label.label,
) -> Score:
    """Compare a judge with labels. Raises KeyError for a label without signals."""
    return Score(Counter((truth(label), *judge(signals[label.id])) for label in labels))


def disagreements(
    labels: Iterable[Label], signals: Mapping[str, Signals], judge: Judge
) -> list[tuple[Label, Answer]]:
    """Labels that a judge does not surely confirm, with its answers."""
    answers = ((label, judge(signals[label.id])) for label in labels)
    return [(label, answer) for label, answer in answers if answer != (label.label, True)]
