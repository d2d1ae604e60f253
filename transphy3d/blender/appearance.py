"""From lobes at points to what people see: clear, frosted, mirror-like, glossy or none of these."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transphy3d.blender.graph_values import LUMINANCE
from transphy3d.blender.lobes import BODIES, Lobe
from transphy3d.blender.surface_points import Floats

# Blender's perceptual roughness, above which a reflection or what lies behind is a blur.
CLEAR_ROUGHNESS = 0.45
MIRROR_ROUGHNESS = 0.35
GLOSS_ROUGHNESS = 0.15
# Least share of a point's light that makes it look so.
SEEN_THROUGH = 0.3
MIRRORED = 0.35
GLOSS = 0.3
# A weak mirror over a body, as of a Mix Shader by Fresnel, is a varnish.
VARNISH = 0.02
# Glass that lets less through is black.
BLACK_GLASS = 0.02
# Nothing is there at all: the holes of a leaf's picture.
HOLE = 0.98
SHINING = 0.5

Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class Appearance:
    """What each of N points looks like, as (N,) truth values; holes are none of the rest."""

    hole: Truths
    clear: Truths
    frosted: Truths
    mirror: Truths
    glossy: Truths
    dull_metal: Truths
    emissive: Truths


def appearance(lobes: list[Lobe], count: int) -> Appearance:
    """Judge every point by the lobes that meet there, which `normalised` gave."""
    through = _total(lobes, "thin", count) + _total(lobes, "volume", count)
    lit = [replace(lobe, weight=_lit(lobe)) for lobe in lobes if lobe.kind == "glass"]
    hole = _empty(lobes, count)
    clear = ~hole & (through + _total(lit, "glass", count, CLEAR_ROUGHNESS) >= SEEN_THROUGH)
    frosted = ~hole & ~clear & (through + _total(lit, "glass", count) >= SEEN_THROUGH)
    seen = hole | clear | frosted
    mirror = ~seen & (_total(lobes, "metal", count, MIRROR_ROUGHNESS) >= MIRRORED)
    dull = ~seen & ~mirror & (_total(lobes, "metal", count) >= MIRRORED)
    glossy = ~seen & ~mirror & _polished(lobes, lit, count)
    shining = ~hole & (_total(lobes, "emission", count) >= SHINING)
    return Appearance(hole, clear, frosted, mirror, glossy, dull, shining)


def normalised(lobes: list[Lobe], count: int) -> list[Lobe]:
    """Lobes whose bodies add up to 1 at most at every point; Add Shaders can exceed it."""
    excess = np.maximum(sum((_total(lobes, kind, count) for kind in BODIES), np.zeros(count)), 1.0)
    return [
        replace(lobe, weight=lobe.weight / excess) if lobe.kind in BODIES else lobe
        for lobe in lobes
    ]


def _total(lobes: list[Lobe], kind: str, count: int, roughest: float = 1.0) -> Floats:
    """(N,) weight of the lobes of a kind that are no rougher than `roughest`."""
    found = np.zeros(count)
    for lobe in lobes:
        if lobe.kind == kind:
            found = found + lobe.weight * (lobe.roughness <= roughest)
    return found


def _lit(lobe: Lobe) -> Floats:
    """Weight of a glass where it is not black."""
    found: Floats = lobe.weight * (lobe.color @ LUMINANCE >= BLACK_GLASS)
    return found


def _polished(lobes: list[Lobe], lit: list[Lobe], count: int) -> Truths:
    """Points with a smooth layer, a weak mirror or black glass."""
    layer = _total(lobes, "gloss", count, GLOSS_ROUGHNESS)
    layer = layer + _total(lobes, "coat", count, GLOSS_ROUGHNESS)
    black = _total(lobes, "glass", count, GLOSS_ROUGHNESS)
    black = black - _total(lit, "glass", count, GLOSS_ROUGHNESS)
    varnish: Truths = _total(lobes, "metal", count, GLOSS_ROUGHNESS) >= VARNISH
    return varnish | (layer >= GLOSS) | (black >= GLOSS)


def _empty(lobes: list[Lobe], count: int) -> Truths:
    """Points of a Transparent BSDF or zero alpha that take no light away and do not shine."""
    thin = [lobe for lobe in lobes if lobe.kind == "thin"]
    bright = [replace(e, weight=e.weight * (e.color.min(axis=1) >= HOLE)) for e in thin]
    dark: Truths = _total(lobes, "emission", count) <= 1 - HOLE
    return dark & (_total(bright, "thin", count) >= HOLE)
