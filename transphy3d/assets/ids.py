"""Ids of assets from whatever their sources call them."""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_LENGTH = 96
HASH_DIGITS = 8


def safe_id(source: str, name: str) -> str:
    """`<source>-<name>` with nothing in it but a-z, 0-9, dot, dash and underscore.

    Case, accents and punctuation are folded. Where that loses letters, or the name is too long,
    digits of its SHA-256 keep names apart that would otherwise fall together.
    """
    folded = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    slug = re.sub(r"[^a-z0-9_.]+", "-", plain.lower()).strip("-.")
    if not plain.isascii() or not slug or len(slug) > MAX_LENGTH:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
        slug = f"{slug[:MAX_LENGTH]}-{digest}".lstrip("-")
    return f"{source}-{slug}"
