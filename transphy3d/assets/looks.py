"""What a piece of an imported asset may be made of, from how its material looks in its file."""

from __future__ import annotations

from typing import Literal

from transphy3d.assets.material_report import Looks
from transphy3d.materials.spec import Kind, OpticalClass

Look = Literal["clear", "metal", "gloss", "matte"]

KINDS: dict[Look, tuple[Kind, ...]] = {
    "clear": ("glass", "plastic"),
    "metal": ("metal",),
    "gloss": ("ceramic", "plastic"),
    "matte": ("plastic", "ceramic"),
}
OPTICAL: dict[Look, tuple[OpticalClass, ...]] = {
    "clear": ("transparent",),
    "metal": ("reflective", "opaque"),
    "gloss": ("reflective", "opaque"),
    "matte": ("opaque",),
}
SEEN_SHARE = 0.3  # least share of a material's surface for it to count as that


def look_of(found: Looks | None) -> Look:
    """What a material that looks so is to be remade as; matte where nothing is known."""
    if found is None:
        return "matte"
    if found.clear + found.frosted >= SEEN_SHARE:
        return "clear"
    if found.mirror + found.dull_metal >= SEEN_SHARE:
        return "metal"
    return "gloss" if found.glossy >= SEEN_SHARE else "matte"


def look_for(optical: OpticalClass, present: Look, *, metal: bool) -> Look:
    """The look of the main piece of an asset that was judged to be of an optical class.

    metal : whether what mirrors is of metal rather than glazed, where the file does not say
    """
    if optical in OPTICAL[present]:
        return present
    if optical == "reflective":
        return "metal" if metal else "gloss"
    return "clear" if optical == "transparent" else "matte"
