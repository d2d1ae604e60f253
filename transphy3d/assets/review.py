"""The review page: what is known of every asset, for a person to accept or reject it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from pydantic import ValidationError

import transphy3d
from transphy3d.assets.bank import AssetRecord, Bank, Override, Signal
from transphy3d.assets.judging import GRAPH, LEXICON, NAMES, VISION
from transphy3d.assets.pictures import open_picture, pictures_of
from transphy3d.errors import AssetError
from transphy3d.files import write_text
from transphy3d.jsonio import from_json, record, to_data
from transphy3d.materials.spec import OpticalClass
from transphy3d.templates import open_templates

JUDGES = (GRAPH, LEXICON, VISION)
State = Literal["accepted", "rejected", "review", "unjudged", "refused"]
# The address of an asset's picture, by its number among `pictures_of`; "" leaves it out.
PictureLink = Callable[[AssetRecord, int], str]

STATIC_EDGE = 280
STATIC_QUALITY = 80
STATIC_NONCE = "static"
# Beyond it a page for looking carries one picture an asset, so that browsers can open it.
STATIC_VIEWS_UP_TO = 300


@record
class Decision:
    """What a person decided on the page; no ruling takes an earlier decision back."""

    asset: str
    ruling: Literal["accepted", "rejected"] | None = None
    optical: OpticalClass | None = None
    note: str = ""


def state_of(asset: AssetRecord) -> State:
    """Under which heading an asset stands: a person's word, or else what the judges came to."""
    if asset.refused:
        return "refused"
    if asset.override:
        return asset.override.ruling
    return asset.verdict.ruling if asset.verdict else "unjudged"


def row(asset: AssetRecord, link: PictureLink) -> dict[str, Any]:
    """What the page knows of one asset, as JSON values."""
    return {
        "id": asset.id,
        "name": asset.name or asset.id,
        "source": asset.source,
        "category": asset.category,
        "tags": list(asset.tags),
        "licence": _licence(asset),
        "url": asset.url if asset.url.startswith(("https://", "http://")) else "",
        "size": _size(asset),
        "pictures": _pictures(asset, link),
        "signals": [_signal(name, asset.signals[name]) for name in _judges(asset)],
        **decided(asset),
    }


def decided(asset: AssetRecord) -> dict[str, Any]:
    """What a decision changes of an asset's row."""
    return {
        "state": state_of(asset),
        "refused": asset.refused,
        "optical": asset.optical,
        "verdict": to_data(asset.verdict) if asset.verdict else None,
        "override": to_data(asset.override) if asset.override else None,
    }


def _judges(asset: AssetRecord) -> list[str]:
    """The judges that have seen an asset; those that are not known here come last."""
    return sorted(asset.signals, key=lambda name: (name not in JUDGES, name))


def _signal(name: str, signal: Signal) -> dict[str, Any]:
    return {"judge": NAMES.get(name, name), **to_data(signal)}


def _licence(asset: AssetRecord) -> str:
    terms = asset.licence
    parts = (terms.name.replace("_", " "), terms.version, f"by {terms.author}" * bool(terms.author))
    return " ".join(part for part in parts if part)


def _size(asset: AssetRecord) -> str:
    size = asset.imported.size if asset.imported else asset.size
    return " × ".join(f"{100 * edge:.1f}" for edge in size) + " cm" if size else ""


def _pictures(asset: AssetRecord, link: PictureLink) -> list[dict[str, str]]:
    source = ["picture of the source"] if asset.thumbnail else []
    labels = [*source, *(f"view {number + 1}" for number in range(len(asset.views)))]
    linked = [{"url": link(asset, number), "label": label} for number, label in enumerate(labels)]
    return [picture for picture in linked if picture["url"]]


def render_page(
    bank: Bank, assets: Iterable[AssetRecord], link: PictureLink, *, live: bool, nonce: str
) -> str:
    """The page as HTML; `live` has the buttons that write decisions.

    nonce : what marks the page's own script and style, so that no other runs
    """
    environment = open_templates("transphy3d.assets", "transphy3d.preview")
    return environment.get_template("review.html.j2").render(
        title=bank.root.resolve().name,
        assets=[row(asset, link) for asset in assets],
        live=live,
        nonce=nonce,
        version=transphy3d.__version__,
    )


def write_static(bank: Bank, path: Path) -> None:
    """Write the page as one file for looking only: pictures inside, no buttons, no network."""
    assets = list(bank.records())
    shown = None if len(assets) <= STATIC_VIEWS_UP_TO else 1

    def link(asset: AssetRecord, number: int) -> str:
        return "" if shown and number >= shown else data_link(bank, asset, number)

    write_text(path, render_page(bank, assets, link, live=False, nonce=STATIC_NONCE))


def data_link(bank: Bank, asset: AssetRecord, number: int) -> str:
    """A small JPEG as a data URI, "" for a picture that cannot be opened."""
    try:
        picture = open_picture(bank, asset, pictures_of(asset)[number])
    except AssetError:
        return ""
    picture.thumbnail((STATIC_EDGE, STATIC_EDGE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=STATIC_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def decide(bank: Bank, text: bytes) -> AssetRecord:
    """Write a decision, as JSON of `Decision`, into the catalogue; the asset as it is then.

    Raises AssetError for anything else, for an unknown asset, and for a refused one.
    """
    try:
        decision = from_json(Decision, text)
    except ValidationError as error:
        raise AssetError(f"the decision is not understood ({error.error_count()} faults)") from None
    override = _override(decision)
    with bank.locked():
        asset = bank.read(decision.asset)
        if asset.refused:
            raise AssetError(
                f"asset {asset.id}: was refused, so nobody can accept it: {asset.refused}"
            )
        changed = replace(asset, override=override)
        bank.write(changed)
    return changed


def _override(decision: Decision) -> Override | None:
    if decision.ruling is None:
        return None
    if decision.optical is None:
        raise AssetError("a decision that accepts or rejects needs an optical class")
    return Override(ruling=decision.ruling, optical=decision.optical, note=decision.note.strip())
