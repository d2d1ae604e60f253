"""What the BlenderKit server says of a model, made into a record, and what speaks against it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from transphy3d.assets.bank import AssetRecord, Licence, LicenceName
from transphy3d.assets.ids import safe_id
from transphy3d.assets.sources.blenderkit import KEY_VARIABLE, SOURCE
from transphy3d.assets.web import plain
from transphy3d.errors import SourceError

ASSET_BASE_ID = re.compile(r"[0-9a-zA-Z-]{8,64}")
LICENCE_PAGE = "https://www.blendkit.com/docs/licenses/"
LICENCES: dict[str, LicenceName] = {"cc_zero": "cc_zero", "royalty_free": "royalty_free"}
# Node types, as Blender names them, that can look like glass, metal or glaze.
GLASS_OR_GLOSS = frozenset({
    "BSDF_GLASS", "BSDF_REFRACTION", "BSDF_TRANSPARENT", "BSDF_GLOSSY", "BSDF_ANISOTROPIC",
    "BSDF_METALLIC", "BSDF_PRINCIPLED", "EEVEE_SPECULAR", "VOLUME_ABSORPTION", "GROUP",
})  # fmt: skip
MOVING = {"animated": "is animated", "rig": "is rigged", "simulation": "is simulated"}
# Pixels of the files that have their textures made smaller, resolution_<name>.
RESOLUTIONS = {"0_5K": 512, "1K": 1024, "2K": 2048, "4K": 4096, "8K": 8192}
ORIGINAL = "original"
THUMBNAILS = ("thumbnailMiddleUrl", "thumbnailLargeUrl", "thumbnailSmallUrl")
KEPT = (
    "id", "created", "isFree", "verificationStatus", "versionNumber", "sourceAppVersion",
    "filesSize", "assetType",
)  # fmt: skip
MAX_TEXT = 2000
MAX_ITEMS = 200
MAX_DEPTH = 4


def record_of(asset: dict[str, Any], base: str) -> AssetRecord:
    """The record of one search result; `refused` says why it cannot be used, if it cannot.

    base : the server's address. Raises SourceError if the result has no usable id.
    """
    source_id = str(asset.get("assetBaseId") or "")
    if not ASSET_BASE_ID.fullmatch(source_id):
        raise SourceError(f"search: a result has no usable assetBaseId ({source_id[:80]!r})")
    parameters = _parameters(asset)
    return AssetRecord(
        id=safe_id(SOURCE, source_id),
        source=SOURCE,
        source_id=source_id,
        name=_text(asset, "displayName") or _text(asset, "name") or source_id,
        licence=_licence(asset),
        url=f"{base.rstrip('/')}/asset-gallery-detail/{source_id}/",
        description=_text(asset, "description"),
        category=_text(asset, "category") or "unknown",
        tags=tuple(plain(tag, 80) for tag in _list(asset.get("tags")) if isinstance(tag, str)),
        declared=_declared(asset, parameters),
        size=_size(parameters),
        refused=objection(asset),
    )


def objection(asset: dict[str, Any]) -> str:
    """Why a model is set aside before anything of it is fetched; "" if nothing is known."""
    parameters = _parameters(asset)
    for name, words in MOVING.items():
        if _true(parameters.get(name)):
            return f"{words}, and objects that are dropped must be static"
    shaders = {str(shader) for shader in _list(parameters.get("shaders"))}
    if shaders and not shaders & GLASS_OR_GLOSS:
        return f"its shaders cannot be glassy or glossy: {', '.join(sorted(shaders)[:8])}"
    if str(asset.get("license")) not in LICENCES:
        return f"its licence is {plain(str(asset.get('license')), 80)}, which is not known here"
    return _denial(asset)


def choose_file(files: Sequence[dict[str, Any]], resolution: str) -> dict[str, Any]:
    """The file to fetch, as the official client chooses: what is asked for, the closest
    resolution, the archive, the original; and here at last a glTF.

    resolution : a key of RESOLUTIONS or "original". Raises SourceError if there is no model.
    """
    named = {
        str(file.get("fileType")): file for file in files if _is_address(file.get("downloadUrl"))
    }
    wanted = "blend" if resolution == ORIGINAL else f"resolution_{resolution}"
    scaled = [name for name in RESOLUTIONS if f"resolution_{name}" in named]
    if resolution in RESOLUTIONS:
        scaled.sort(key=lambda name: abs(RESOLUTIONS[name] - RESOLUTIONS[resolution]))
    else:
        scaled = []
    order = [wanted, *(f"resolution_{name}" for name in scaled[:1])]
    for name in (*order, "zip_file", "blend", "gltf", "gltf_godot"):
        if name in named:
            return named[name]
    there = ", ".join(sorted(named)) or "none"
    raise SourceError(f"the server lists no model among its files (there are: {there})")


def _denial(asset: dict[str, Any]) -> str:
    """Why the server would not let this account download it."""
    if asset.get("canDownload") is not False:
        return ""
    error = asset.get("canDownloadError")
    messages = _list(error.get("messages")) if isinstance(error, dict) else []
    words = plain("; ".join(map(str, messages)), 300) or "no reason given"
    return f"this account may not download it ({words}); see {KEY_VARIABLE}, then search --again"


def _licence(asset: dict[str, Any]) -> Licence:
    author = asset.get("author")
    person = author if isinstance(author, dict) else {}
    name = _text(person, "fullName") or " ".join(
        filter(None, (_text(person, "firstName"), _text(person, "lastName")))
    )
    known = LICENCES.get(str(asset.get("license")), "unknown")
    return Licence(name=known, author=name, url=LICENCE_PAGE)


def _declared(asset: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    address = next((asset[key] for key in THUMBNAILS if _is_address(asset.get(key))), "")
    kept = {key: _clean(asset[key]) for key in KEPT if key in asset}
    files = [_file(file) for file in _list(asset.get("files")) if isinstance(file, dict)]
    return {**kept, "parameters": _clean(parameters), "thumbnail": address, "files": files}


def _file(file: dict[str, Any]) -> dict[str, Any]:
    size = file.get("fileUploadSize")
    return {
        "fileType": _text(file, "fileType"),
        "downloadUrl": _text(file, "downloadUrl"),
        "bytes": size if isinstance(size, int) and size > 0 else None,
        "modified": _text(file, "modified"),
    }


def _size(parameters: dict[str, Any]) -> tuple[float, float, float] | None:
    """The bounding box in metres, if it is one."""
    edges = [parameters.get(f"dimension{axis}") for axis in "XYZ"]
    x, y, z = (float(edge) if isinstance(edge, int | float) else 0.0 for edge in edges)
    return (x, y, z) if all(0 < edge < math.inf for edge in (x, y, z)) else None


def _parameters(asset: dict[str, Any]) -> dict[str, Any]:
    found = asset.get("dictParameters")
    return found if isinstance(found, dict) else {}


def _clean(value: Any, depth: int = 0) -> Any:
    """JSON that can be written: finite, printable, of bounded depth and length."""
    if isinstance(value, str):
        return plain(value, MAX_TEXT)
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth == MAX_DEPTH:
        return None
    if isinstance(value, dict):
        items = list(value.items())[:MAX_ITEMS]
        return {plain(key, 80): _clean(item, depth + 1) for key, item in items}
    return [_clean(item, depth + 1) for item in value[:MAX_ITEMS]]


def _text(asset: dict[str, Any], key: str) -> str:
    value = asset.get(key)
    return plain(value, MAX_TEXT) if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    """A list; the server joins some by commas."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value[:MAX_ITEMS] if isinstance(value, list) else []


def _true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))
