"""Answers of the vision-language model, kept by file, pictures, model and prompts.

A killed run therefore goes on where it stopped, and a second look at a bank loads no model.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from transphy3d.assets.bank import AssetRecord, Bank, Signal
from transphy3d.assets.pictures import pictures_of
from transphy3d.assets.prompts import PROMPT_VERSION, QUESTIONS
from transphy3d.files import canonical_json, sha256_text, write_json
from transphy3d.jsonio import from_json, record, to_data

REFLECTIVE = ("mirror", "glazed")
DECIDING = ("transparent", *REFLECTIVE)


@record
class Answers:
    """What one model said of one asset's pictures.

    asset : SHA-256 of its file, "" if it is not fetched; pictures : SHA-256 of each
    p_yes, mass : by topic, see `transphy3d.assets.vlm.YesNo`
    category, part : words of its description, p_description : their probability
    """

    asset: str
    pictures: tuple[str, ...]
    model: str
    prompts: str
    p_yes: dict[str, float]
    mass: dict[str, float]
    category: str
    part: str
    p_description: float


def answers_file(bank: Bank, asset: AssetRecord, model: str) -> Path:
    """Where the answers of a model about an asset lie, if it was asked.

    model : `transphy3d.assets.weights.Weights.identity`
    """
    shown = [picture.sha256 for picture in pictures_of(asset)]
    key = [asset.file.sha256 if asset.file else "", shown, model, PROMPT_VERSION]
    return bank.answers / f"{sha256_text(canonical_json(key))}.json"


def read_answers(bank: Bank, asset: AssetRecord, model: str) -> Answers | None:
    """The answers to today's questions, or None if they must be asked; damaged ones count not."""
    try:
        return from_json(Answers, answers_file(bank, asset, model).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_answers(bank: Bank, asset: AssetRecord, answers: Answers) -> None:
    """Keep answers, atomically."""
    write_json(answers_file(bank, asset, answers.model), to_data(answers))


def signal_of(answers: Answers) -> Signal:
    """The answers as one judge's signal.

    An asset is as reflective as the likelier of mirror and glaze; the mass is the least of the
    questions that decide.
    """
    said = answers.p_yes
    reflective = max(said[topic] for topic in REFLECTIVE)
    evidence: dict[str, float | str] = {f"p_yes.{topic}": round(p, 4) for topic, p in said.items()}
    evidence |= {f"mass.{topic}": round(p, 4) for topic, p in answers.mass.items()}
    evidence |= {"category": answers.category, "part": answers.part}
    evidence["p_description"] = round(answers.p_description, 4)
    return Signal(
        transparent=round(said["transparent"], 4),
        reflective=round(reflective, 4),
        reasons=tuple(_reasons(answers)),
        version=f"{answers.model} prompts {answers.prompts}",
        mass=round(min(answers.mass[topic] for topic in DECIDING), 4),
        evidence=evidence,
    )


def _reasons(answers: Answers) -> Iterable[str]:
    finding = {question.topic: question.finding for question in QUESTIONS}
    for topic in finding:
        p = answers.p_yes[topic]
        if topic in DECIDING or p < 0.5:
            verb = "show" if p >= 0.5 else "do not show"
            yield f"the pictures {verb} {finding[topic]} (p {p:.2f})"
    yield f"described as {answers.category}, see-through or mirror-like part: {answers.part}"
