"""What the vision-language model is asked about an asset's pictures.

Neither name nor tags of the asset are told, so that the answer is a witness of its own beside
the name lexicon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Literal

from transphy3d.files import canonical_json, sha256_text

Topic = Literal["transparent", "mirror", "glazed", "single", "holdable"]

PATCH = 28  # pixels of an edge: what Qwen2.5-VL merges into one token
MIN_PIXELS = (2 * PATCH) ** 2
MAX_PIXELS = (16 * PATCH) ** 2  # of one picture: 256 tokens


@dataclass(frozen=True)
class Question:
    """A yes/no question; `finding` completes "the pictures show" where the answer is yes."""

    topic: Topic
    text: str
    finding: str


QUESTIONS = (
    Question(
        "transparent",
        "Is the object, or a main part of it, made of see-through material such as clear or "
        "tinted glass, crystal or transparent plastic? Answer yes or no.",
        "see-through material",
    ),
    Question(
        "mirror",
        "Does the object, or a main part of it, have a mirror-like surface such as polished "
        "metal, chrome, silver or a looking-glass? Answer yes or no.",
        "a mirror-like surface",
    ),
    Question(
        "glazed",
        "Is the object, or a main part of it, glossy ceramic, porcelain or enamel with sharp "
        "highlights? Answer yes or no.",
        "glossy ceramic",
    ),
    Question(
        "single",
        "Is there one single object, rather than a group of objects, a room or a landscape? "
        "Answer yes or no.",
        "one single object",
    ),
    Question(
        "holdable",
        "Is the object a rigid thing of a household, a shop or a laboratory that a person could "
        "hold in the hands? Answer yes or no.",
        "a rigid thing to hold",
    ),
)

# What only single things to hold pass: no class of theirs, but whether they can be dropped.
CONDITIONS: tuple[Topic, ...] = ("single", "holdable")

CATEGORIES = (
    *("ashtray", "ball", "beaker", "bottle", "bowl", "can", "candle holder", "clock", "cup"),
    *("decanter", "drinking glass", "electronics", "figurine", "flask", "food", "fork"),
    *("furniture", "jar", "jewellery", "knife", "lamp", "lens", "light bulb", "mirror", "mug"),
    *("other", "pan", "pipe", "pitcher", "plant", "plate", "pot", "shaker", "spectacles"),
    *("spoon", "tap", "teapot", "test tube", "tool", "toy", "tray", "vase", "vehicle"),
    *("watch", "wine glass"),
)
PARTS = (
    *("all of it", "base", "body", "bulb", "contents", "handle", "lid", "none"),
    *("ornament", "screen", "shade", "stem"),
)
OPEN_QUESTION = (
    "Describe the object as JSON with two fields. category: what it is. part: which part of it "
    "is see-through or mirror-like. "
    f"Categories: {', '.join(CATEGORIES)}. Parts: {', '.join(PARTS)}."
)


def heading(pictures: int) -> str:
    """What stands before a question."""
    return "This is a 3D model. " if pictures == 1 else "These are views of one 3D model. "


def description(category: str, part: str) -> str:
    """The JSON that the open question is answered with."""
    return f'{{"category": "{category}", "part": "{part}"}}'


def descriptions() -> Mapping[str, tuple[str, str]]:
    """Every JSON text that the open question can be answered with, to category and part."""
    return {description(*words): words for words in product(CATEGORIES, PARTS)}


# Changes with any word above, so that no answer to another question is ever taken for one.
PROMPT_VERSION = sha256_text(
    canonical_json(
        [
            [asdict(question) for question in QUESTIONS],
            [OPEN_QUESTION, *descriptions(), heading(1), heading(2)],
            [MIN_PIXELS, MAX_PIXELS],
        ]
    )
)[:12]
