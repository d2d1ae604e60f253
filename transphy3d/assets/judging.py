"""One verdict from several judges: the material graph, the names, and the vision-language model.

A class is accepted on two votes, or on the graph's alone where much of the surface looks so. The
names alone suffice where the file's format cannot say what it is made of. Any other single vote
sends the asset to review, and so does a model that sees no single thing to hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from transphy3d.assets.bank import AssetRecord, Ruling, Signal, Verdict
from transphy3d.assets.prompts import CONDITIONS, QUESTIONS
from transphy3d.config import AcceptConfig
from transphy3d.materials.spec import OpticalClass

GRAPH, LEXICON, VISION = "graph", "lexicon", "vlm"
CLASSES: tuple[OpticalClass, ...] = ("transparent", "reflective")
NAMES = {
    GRAPH: "The material graph",
    LEXICON: "The lexicon",
    VISION: "The vision-language model",
}
# Names are believed less than what was measured or seen.
NAME_WEIGHT = 0.8


@dataclass(frozen=True)
class Opinion:
    """What one judge says of one class.

    votes : for the class; suffices : even alone
    weight : its score, made comparable with other judges'
    """

    judge: str
    votes: bool
    suffices: bool
    weight: float


@dataclass(frozen=True)
class Finding:
    """What all judges say of one class."""

    optical: OpticalClass
    opinions: tuple[Opinion, ...]

    @property
    def votes(self) -> int:
        return sum(opinion.votes for opinion in self.opinions)

    @property
    def accepted(self) -> bool:
        return self.votes >= 2 or any(opinion.suffices for opinion in self.opinions)

    @property
    def weight(self) -> float:
        return max((opinion.weight for opinion in self.opinions), default=0.0)


def fuse(signals: Mapping[str, Signal], thresholds: AcceptConfig) -> Verdict:
    """The verdict on one asset; judges that were not asked have no vote.

    An asset that nobody judged goes to review. Its reasons are one sentence a judge.
    """
    findings = [_finding(optical, signals, thresholds) for optical in CLASSES]
    ruling, leading = _ruling(findings) if signals else ("review", None)
    optical: OpticalClass = leading.optical if leading else "opaque"
    least = 1.0 - max(finding.weight for finding in findings)
    objections = _objections(signals.get(VISION), thresholds) if ruling == "accepted" else ()
    return Verdict(
        ruling="review" if objections else ruling,
        optical=optical,
        score=round(leading.weight if leading else least, 4),
        reasons=(*_sentences(signals, findings), *objections) or ("No judge has seen it.",),
    )


def judged(asset: AssetRecord, thresholds: AcceptConfig) -> AssetRecord:
    """The record with the verdict that its signals come to."""
    return replace(asset, verdict=fuse(asset.signals, thresholds))


def _finding(
    optical: OpticalClass, signals: Mapping[str, Signal], thresholds: AcceptConfig
) -> Finding:
    graph, names, vision = (signals.get(judge) for judge in (GRAPH, LEXICON, VISION))
    informed = graph is not None and graph.mass == 1.0
    opinions = []
    if graph is not None:
        area = float(getattr(graph, optical))
        opinions.append(
            Opinion(GRAPH, area >= thresholds.area, area >= thresholds.decisive_area, area)
        )
    if names is not None:
        word = float(getattr(names, optical))
        alone = word >= thresholds.decisive_word and not informed
        opinions.append(Opinion(LEXICON, word >= thresholds.word, alone, NAME_WEIGHT * word))
    if vision is not None and vision.mass >= thresholds.vision_mass:
        sure = float(getattr(vision, optical))
        opinions.append(Opinion(VISION, sure >= thresholds.vision, False, sure))
    return Finding(optical, tuple(opinions))


def _ruling(findings: list[Finding]) -> tuple[Ruling, Finding | None]:
    """The ruling, and the class that it rests on: the weightier where both qualify."""
    accepted = [finding for finding in findings if finding.accepted]
    doubtful = [finding for finding in findings if finding.votes]
    if accepted:
        return "accepted", max(accepted, key=lambda finding: finding.weight)
    if doubtful:
        return "review", max(doubtful, key=lambda finding: finding.weight)
    return "rejected", None


def _objections(vision: Signal | None, thresholds: AcceptConfig) -> tuple[str, ...]:
    """What the model is sure is not so, though all that is dropped is; one sentence each."""
    if vision is None:
        return ()
    said = {
        question.finding: (
            float(vision.evidence.get(f"p_yes.{question.topic}", 1.0)),
            float(vision.evidence.get(f"mass.{question.topic}", 0.0)),
        )
        for question in QUESTIONS
        if question.topic in CONDITIONS
    }
    return tuple(
        f"Left to a person, for the pictures do not show {finding} (p {p:.2f})."
        for finding, (p, mass) in said.items()
        if p <= thresholds.vision_no and mass >= thresholds.vision_mass
    )


def _sentences(signals: Mapping[str, Signal], findings: list[Finding]) -> tuple[str, ...]:
    return tuple(
        f"{NAMES.get(judge, judge)} {_vote(judge, signal, findings)}: {'; '.join(signal.reasons)}"
        for judge, signal in sorted(signals.items())
    )


def _vote(judge: str, signal: Signal, findings: list[Finding]) -> str:
    for finding in findings:
        mine = [opinion for opinion in finding.opinions if opinion.judge == judge]
        if any(opinion.votes for opinion in mine):
            return f"votes {finding.optical} ({getattr(signal, finding.optical):.2f})"
    if not any(opinion.judge == judge for finding in findings for opinion in finding.opinions):
        return f"abstains (mass {signal.mass:.2f})"
    scores = f"transparent {signal.transparent:.2f}, reflective {signal.reflective:.2f}"
    return f"votes for neither class ({scores})"
