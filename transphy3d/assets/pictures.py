"""The pictures of an asset that a bank holds: files from strangers, opened within limits."""

from __future__ import annotations

from PIL import Image

from transphy3d.assets.bank import AssetRecord, Bank, StoredFile
from transphy3d.errors import AssetError

MAX_BYTES = 64 << 20
MAX_PIXELS = 50_000_000
MAX_ASPECT = 20


def pictures_of(asset: AssetRecord) -> tuple[StoredFile, ...]:
    """What the model is shown: the source's own picture first, then the rendered views."""
    first = (asset.thumbnail,) if asset.thumbnail else ()
    return (*first, *asset.views)


def open_pictures(bank: Bank, asset: AssetRecord) -> tuple[Image.Image, ...]:
    """The pictures of an asset in RGB. Raises AssetError for one that cannot be used."""
    return tuple(open_picture(bank, asset, stored) for stored in pictures_of(asset))


def open_picture(bank: Bank, asset: AssetRecord, stored: StoredFile) -> Image.Image:
    """A stored picture in RGB, on white. Raises AssetError if it is none, or too large."""
    path = bank.file(stored)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES} bytes")
        with Image.open(path) as picture:
            _check_shape(*picture.size)
            return _on_white(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise AssetError(
            f"asset {asset.id}: {path} is no picture that can be used ({error}); fetch it again"
        ) from None


def _check_shape(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels are too many")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"{width} x {height} pixels are too narrow a strip")


def _on_white(picture: Image.Image) -> Image.Image:
    """The picture without transparency; what it let through is white, as on a web page."""
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    sheet = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(sheet, layered).convert("RGB")
