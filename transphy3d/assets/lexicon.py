"""What names say of a thing's material: words of many languages, from `assets/lexicon.yaml`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import yaml
from pydantic import ValidationError

from transphy3d.assets.bank import AssetRecord, Signal
from transphy3d.assets.material_report import Inspection
from transphy3d.errors import AssetError
from transphy3d.files import sha256_text
from transphy3d.jsonio import from_data, record
from transphy3d.library import builtin
from transphy3d.materials.spec import OpticalClass

RULES_VERSION = 1  # raise when the same words would be scored otherwise than before
# Where the thing itself is named: last in most languages, first in these.
HEAD_FIRST = ("fr", "es", "it", "pt")
SIDE = 0.7  # of a word that only describes the thing
BEYOND = 0.5  # of a word behind a joint, which belongs to the thing but does not describe it
TAG, CATEGORY, DESCRIPTION = 0.7, 0.5, 0.5  # how far places other than the name are believed
MOST = 4  # reasons that are given
DECISIVE_AREA = 0.5  # share of the surface from which a material's name counts whole
ACCENTS = re.compile(r"[\u0300-\u036f]")  # on Latin letters; those on kana change the word
# Letters that Unicode does not take apart into a plain one and an accent.
PLAIN = str.maketrans({"ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "æ": "ae", "đ": "d"})
HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
WORD = re.compile(r"[^\W\d_]+")
# Han, kana and hangul: written without spaces, so that words are found inside of words.
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@record
class Entry:
    """Words that say the same, by language."""

    look: OpticalClass
    score: float
    words: dict[str, tuple[str, ...]]


@record
class Words:
    """The file as it is written."""

    joints: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Phrase:
    """One phrase of the lexicon."""

    text: str
    look: OpticalClass
    score: float
    head_first: bool


@dataclass(frozen=True)
class Hit:
    """A phrase found in a text, and how far it is believed there."""

    phrase: Phrase
    factor: float

    @property
    def score(self) -> float:
        return self.phrase.score * self.factor


@dataclass(frozen=True)
class Lexicon:
    """All phrases by their words, patterns of single words, and joints; `version` of the file."""

    phrases: dict[tuple[str, ...], Phrase]
    patterns: tuple[Phrase, ...]
    unspaced: tuple[Phrase, ...]
    joints: frozenset[str]
    longest: int
    version: str

    def name_hits(self, name: str) -> list[Hit]:
        """Phrases of a name; those that do not name the thing itself count for less."""
        words = split(name)
        end = next((k for k, word in enumerate(words) if k and word in self.joints), len(words))
        return [
            Hit(phrase, _belief(phrase, start, stop, end))
            for start, stop, phrase in self._find(words)
        ]

    def hits(self, texts: Iterable[str], factor: float) -> list[Hit]:
        """Phrases of other texts, all believed alike."""
        found = (phrase for text in texts for *_, phrase in self._find(split(text)))
        return [Hit(phrase, factor) for phrase in found]

    def _find(self, words: Sequence[str]) -> Iterator[tuple[int, int, Phrase]]:
        """(start, stop, phrase) from left to right, the longest at every place."""
        start = 0
        while start < len(words):
            stop, phrase = self._longest(words, start)
            if phrase is not None:
                yield start, stop, phrase
            start = stop

    def _longest(self, words: Sequence[str], start: int) -> tuple[int, Phrase | None]:
        for stop in range(min(start + self.longest, len(words)), start, -1):
            *first, last = words[start:stop]
            for form in (last, last.removesuffix("s"), last.removesuffix("es")):
                phrase = self.phrases.get((*first, form))
                if phrase is not None:
                    return stop, phrase
        return start + 1, self._single(words[start])

    def _single(self, word: str) -> Phrase | None:
        inside = [phrase for phrase in self.unspaced if phrase.text in word]
        fitting = [phrase for phrase in self.patterns if fnmatchcase(word, phrase.text)]
        return max(inside + fitting, key=lambda phrase: phrase.score, default=None)


def _belief(phrase: Phrase, start: int, stop: int, end: int) -> float:
    """How far a phrase is believed by its place, in a name whose thing is named before `end`."""
    if start >= end:
        return BEYOND
    return 1.0 if (start == 0 if phrase.head_first else stop == end) else SIDE


def split(text: str) -> list[str]:
    """Words in lower case without accents; camelCase, digits and punctuation part them."""
    bare = ACCENTS.sub("", unicodedata.normalize("NFKD", text.translate(PLAIN)))
    apart = HUMPS.sub(" ", unicodedata.normalize("NFKC", bare))
    return [word.casefold() for word in WORD.findall(apart)]


@cache
def load_lexicon(path: Path | None = None) -> Lexicon:
    """The built-in lexicon, or another file of its form.

    Raises AssetError for a file that is not.
    """
    path = path or builtin("assets") / "lexicon.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        words = from_data(Words, yaml.safe_load(text))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise AssetError(f"{path}: is no lexicon: {place}: {fault['msg']}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AssetError(f"{path}: is no lexicon: {error}") from error
    phrases = list(_phrases(words))
    spaced = [phrase for phrase in phrases if not UNSPACED.search(phrase.text)]
    plain = {tuple(split(phrase.text)): phrase for phrase in spaced if "*" not in phrase.text}
    return Lexicon(
        phrases=plain,
        patterns=tuple(phrase for phrase in spaced if "*" in phrase.text),
        unspaced=tuple(phrase for phrase in phrases if UNSPACED.search(phrase.text)),
        joints=frozenset(words.joints),
        longest=max(map(len, plain)),
        version=f"lexicon-{RULES_VERSION}-{sha256_text(text)[:12]}",
    )


def _phrases(words: Words) -> Iterator[Phrase]:
    """The surest last, so that it stays where a word stands twice; longest first where equal."""
    for entry in sorted(words.entries, key=lambda entry: entry.score):
        for language, phrases in entry.words.items():
            for text in sorted(phrases, key=len, reverse=True):
                yield Phrase(text, entry.look, entry.score, language in HEAD_FIRST)


def lexicon_signal(
    asset: AssetRecord, found: Inspection | None = None, lexicon: Lexicon | None = None
) -> Signal:
    """What an asset's name, tags, category and description say, and its materials' names.

    found : where it is known, what share of the surface has which material
    """
    lexicon = lexicon or load_lexicon()
    name = lexicon.name_hits(asset.name)
    hits = [
        *name,
        *lexicon.hits(asset.tags, TAG),
        *lexicon.hits([asset.category], CATEGORY),
        *lexicon.hits([asset.description], DESCRIPTION),
        *(_material_hits(lexicon, found) if found else []),
    ]
    against = _score([hit for hit in name if hit.factor > BEYOND], "opaque")
    transparent, reflective = (_score(hits, look) for look in ("transparent", "reflective"))
    return Signal(
        transparent=round(transparent * (1 - against), 4),
        reflective=round(reflective * (1 - against), 4),
        reasons=_reasons(hits),
        version=lexicon.version,
        mass=1.0 if any(hit.score for hit in hits) else 0.0,
        evidence={"against": against},
    )


def _score(hits: list[Hit], look: str) -> float:
    return max((hit.score for hit in hits if hit.phrase.look == look), default=0.0)


def _material_hits(lexicon: Lexicon, found: Inspection) -> list[Hit]:
    """Words in materials' names, by the share of the surface that they say it of."""
    shares: dict[Phrase, float] = {}
    for material in found.materials:
        for hit in set(lexicon.hits([material.name], 1.0)):
            shares[hit.phrase] = shares.get(hit.phrase, 0.0) + material.area
    return [Hit(phrase, min(1.0, area / DECISIVE_AREA)) for phrase, area in shares.items()]


def _reasons(hits: list[Hit]) -> tuple[str, ...]:
    """The best words for and against, each once."""
    best: dict[tuple[str, str], float] = {}
    for hit in hits:
        key = (hit.phrase.look, hit.phrase.text)
        best[key] = max(best.get(key, 0.0), hit.score)
    said = sorted(((score, *key) for key, score in best.items() if score > 0), reverse=True)
    if not said:
        return ("no known word for a material or a vessel is in its names",)
    return tuple(
        f"{text!r} stands for {look} things ({score:.2f})" for score, look, text in said[:4]
    )
