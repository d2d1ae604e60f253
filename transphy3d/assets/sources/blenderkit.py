"""The BlenderKit server, named Blendkit since 2026: searching it, and links to its files.

What is said of its interface comes from its own clients (BlenderKit/BlenderKit search.py,
BlenderKit/bk_client client/download.go, BlenderKit/blenderkit_asset_tasks).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlunsplit

from transphy3d.assets.web import Web, address, shown
from transphy3d.errors import SourceClosed, SourceError

SOURCE = "blenderkit"
DEFAULT_SERVER = "https://www.blendkit.com"
KEY_VARIABLE = "TRANSPHY3D_BLENDERKIT_KEY"
SERVER_VARIABLE = "TRANSPHY3D_BLENDERKIT_URL"
PAGE_SIZE = 100
# A search shows no more than this, however many match (Elasticsearch's window).
WINDOW = 10_000
FIRST_DAY = date(2016, 1, 1)
# "Limit of models exceeded"; other refusals by the plan are about one model.
LIMIT_WORDS = ("limit", "exceeded")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Query:
    """What to search for.

    words : free text, "" for everything; category, licence : the server's own names, "" for any
    since, before : days of upload, the second exclusive; None for any
    """

    words: str = ""
    category: str = ""
    licence: str = ""
    free: bool = False
    since: date | None = None
    before: date | None = None

    def text(self) -> str:
        """The value of the parameter `query`: words, then tokens, joined by "+"."""
        words = [quote_plus(word) for word in self.words.split()]
        tokens = {
            "asset_type": "model",
            "verification_status": "validated",
            "sexualizedContent": "False",
            "category_subtree": self.category,
            "license": self.licence,
            "is_free": "True" if self.free else "",
            "created_gte": self.since.isoformat() if self.since else "",
            "created_lt": self.before.isoformat() if self.before else "",
            # New uploads come first and move others to later pages: nothing is passed over.
            "order": "_score" if words else "-created",
        }
        named = [f"{name}:{quote_plus(value)}" for name, value in tokens.items() if value]
        return "+".join([*words, *named])

    def split(self, today: date) -> tuple[Query, ...]:
        """The same in two halves of time, the later first; alone if a day is all it spans."""
        since = self.since or FIRST_DAY
        before = self.before or date.fromordinal(today.toordinal() + 1)
        middle = date.fromordinal((since.toordinal() + before.toordinal()) // 2)
        if middle == since:
            return (self,)
        return (
            replace(self, since=middle, before=before),
            replace(self, since=since, before=middle),
        )


@dataclass(frozen=True)
class Server:
    """One server and the account that asks it.

    base : address without a path; key : of the account, "" for none
    scene : a UUID that downloads are counted under
    """

    web: Web
    base: str
    key: str
    scene: str

    def __post_init__(self) -> None:
        base = address(self.base)
        if base.scheme not in ("https", "http") or not base.netloc:
            raise SourceError(
                f"Blendkit server {self.base!r}: is no address; set {SERVER_VARIABLE} to one as "
                f"{DEFAULT_SERVER}"
            )
        if self.key and base.scheme == "http" and base.hostname not in LOOPBACK:
            raise SourceError(
                f"Blendkit server {self.base}: the key would travel unprotected; use https"
            )

    def search(self, query: Query, today: date, most: int | None) -> Iterator[dict[str, Any]]:
        """Every model that matches, as the server describes it, once.

        today : searches that match too much are cut into spans of time up to it
        most : how many to give at most; None for all
        """
        seen: set[str] = set()
        for asset in self._split(query, today, most):
            name = str(asset.get("assetBaseId") or asset.get("id") or "")
            if name in seen:
                continue
            seen.add(name)
            yield asset
            if most is not None and len(seen) >= most:
                return

    def link(self, download_url: str) -> str:
        """Where a file lies for the next minutes: the first of the two steps of a download.

        Raises SourceClosed if the account can have nothing more, SourceError if not this file.
        """
        url = f"{self._own(download_url)}?scene_uuid={self.scene}"
        path = self._ask(url).get("filePath")
        if not isinstance(path, str) or not self._safe(path):
            raise SourceError(f"{shown(url)}: the answer names no file that can be fetched")
        return path

    def _split(self, query: Query, today: date, most: int | None) -> Iterator[dict[str, Any]]:
        first = self._ask(self._search_url(query))
        halves = query.split(today)
        fits = _count(first) < WINDOW or (most is not None and most < WINDOW)
        if not fits and len(halves) > 1:
            for half in halves:
                yield from self._split(half, today, most)
            return
        if not fits:
            self.web.progress.event("left out", day=str(query.since), more_than=WINDOW)
        yield from self._pages(query, first)

    def _pages(self, query: Query, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The results of a page and of all that follow it."""
        given = 0
        while results := _results(page):
            for asset in results:
                _check_span(query, asset)
                yield asset
            given += len(results)
            following = page.get("next")
            if not isinstance(following, str) or given >= WINDOW:
                return
            try:
                page = self._ask(self._own(following, keep_query=True))
            except SourceError as error:
                # Past the last page the server answers 404.
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                return

    def _search_url(self, query: Query) -> str:
        parameters = f"query={query.text()}&dict_parameters=1&page_size={PAGE_SIZE}"
        return f"{self.base.rstrip('/')}/api/v1/search/?{parameters}"

    def _own(self, url: str, keep_query: bool = False) -> str:
        """The same path on this very server: the key goes nowhere else, whatever it answers."""
        asked, base = address(url), address(self.base)
        query = asked.query if keep_query else ""
        return urlunsplit((base.scheme, base.netloc, asked.path, query, ""))

    def _safe(self, path: str) -> bool:
        named = address(path)
        return bool(named.netloc) and named.scheme in ("https", address(self.base).scheme)

    def _ask(self, url: str) -> dict[str, Any]:
        try:
            answer = self.web.json(url, self.key)
        except SourceError as error:
            raise self._explained(error) from None
        if not isinstance(answer, dict):
            raise SourceError(f"{shown(url)}: the answer is not what a Blendkit server gives")
        return answer

    def _explained(self, error: SourceError) -> SourceError:
        """The refusal with what it means and what to do."""
        said = str(error).lower()
        used_up = all(word in said for word in LIMIT_WORDS)
        if error.status in (HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN) and used_up:
            return SourceClosed(
                f"{error}: your plan gives no more downloads now; run the same command again "
                "when it does, what is fetched is kept",
                error.status,
            )
        if error.status == HTTPStatus.UNAUTHORIZED and self.key:
            return SourceClosed(
                f"{error}: the key in {KEY_VARIABLE} is not accepted; copy it anew from your "
                "profile on the server",
                error.status,
            )
        if error.status == HTTPStatus.UNAUTHORIZED:
            words = f"{error}: needs an account; set {KEY_VARIABLE}"
            return SourceError(words, error.status, passing=True)
        if error.status == HTTPStatus.PAYMENT_REQUIRED:
            return SourceError(f"{error}: needs another plan", error.status, passing=True)
        if error.status == HTTPStatus.FORBIDDEN and "scene_uuid" in said:
            return SourceClosed(f"{error}: the server takes no downloads under {self.scene}")
        return error


def scene_of(bank_name: str) -> str:
    """The UUID (version 4 by its form) that a bank's downloads are counted under."""
    digits = list(hashlib.sha256(bank_name.encode("utf-8", "surrogateescape")).hexdigest()[:32])
    digits[12], digits[16] = "4", "89ab"[int(digits[16], 16) % 4]
    text = "".join(digits)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _count(page: dict[str, Any]) -> int:
    count = page.get("count")
    return count if isinstance(count, int) else 0


def _results(page: dict[str, Any]) -> list[dict[str, Any]]:
    results = page.get("results")
    if not isinstance(results, list):
        raise SourceError("search: the answer has no list of results; is this a Blendkit server?")
    return [asset for asset in results if isinstance(asset, dict)]


def _check_span(query: Query, asset: dict[str, Any]) -> None:
    """Raise SourceError if a search by days gave another day: the cut would miss assets."""
    created = str(asset.get("created") or "")[:10]
    early = query.since and created < query.since.isoformat()
    late = query.before and created >= query.before.isoformat()
    if created and (early or late):
        raise SourceError(
            f"search: the server does not cut by days and shows {WINDOW} models at most; narrow "
            "the search by --category or --limit"
        )
