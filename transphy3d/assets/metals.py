"""Metal or glaze? What names say of a thing that mirrors, from `assets/metal-words.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import yaml

from transphy3d.assets.lexicon import split
from transphy3d.jsonio import from_data, record
from transphy3d.library import builtin


@record
class MetalWords:
    """The file as it is written."""

    metal: tuple[str, ...]
    glazed: tuple[str, ...]


@cache
def _words() -> MetalWords:
    text = (builtin("assets") / "metal-words.yaml").read_text(encoding="utf-8")
    return from_data(MetalWords, yaml.safe_load(text))


def names_metal(names: Sequence[str]) -> bool:
    """Whether the first of the names that says either, metal or glaze, says metal."""
    for name in names:
        if _says(name, _words().glazed):
            return False
        if _says(name, _words().metal):
            return True
    return False


def _says(name: str, phrases: Sequence[str]) -> bool:
    """Whether one of the phrases stands in a name, as whole words or their simple plurals."""
    words = [word.removesuffix("s") for word in split(name)]
    known = [[word.removesuffix("s") for word in split(phrase)] for phrase in phrases]
    return any(
        words[start : start + len(phrase)] == phrase
        for phrase in known
        for start in range(len(words) - len(phrase) + 1)
    )
