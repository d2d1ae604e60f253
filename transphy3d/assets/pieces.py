"""Collision pieces for imported parts: by their profile where they have one, else by CoACD."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from manifold3d import Manifold

from transphy3d.assets.collision import hull_volume, mesh_hulls
from transphy3d.assets.geometry import FloatArray, Mesh
from transphy3d.assets.procedural.solid import from_manifold, hull_points, to_manifold
from transphy3d.assets.revolution import Profile, core, profile_hulls, profile_of

Method = Literal["profile", "coacd", "hull"]
CONVEX = 1.08  # ratio of hull to solid up to which one hull does
MINOR = 0.05  # of the whole volume; smaller bodies get one hull each
MAX_DECOMPOSED = 3  # bodies of a part that go through CoACD, the largest; others get one hull
CRUMB = 0.002  # of the whole volume; less than that beside a profile is its inaccuracy
MARGIN = 0.03  # of the radius by which a profile is grown before what sticks out is looked for
COARSE = 0.002  # of the diagonal that a surface may move before CoACD sees it
MAX_MINOR = 12  # small bodies with hulls of their own; the rest share one


@dataclass(frozen=True)
class Pieces:
    """Convex pieces, how they were made, and the profile of a body of revolution."""

    hulls: tuple[FloatArray, ...]
    methods: frozenset[Method]
    profile: Profile | None = None


def pieces_of(mesh: Mesh, whole: float, cache: Path) -> Pieces:
    """Convex pieces of a closed mesh.

    whole : volume in m3 of the asset, by which bodies count as small
    cache : folder that keeps CoACD's pieces, by content
    """
    solid = to_manifold(mesh)
    profile = profile_of(solid)
    if profile is None:
        return _of_bodies(solid.decompose(), whole, cache)
    grown = MARGIN * float(profile.body.path[:, 0].max())
    beside = (solid - core(profile, grown)).decompose()
    further = _of_bodies([b for b in beside if b.volume() > CRUMB * whole], whole, cache)
    methods: set[Method] = {"profile", *further.methods}
    return Pieces(profile_hulls(profile) + further.hulls, frozenset(methods), profile)


def _of_bodies(solids: Sequence[Manifold], whole: float, cache: Path) -> Pieces:
    """The largest bodies decomposed, small ones as one hull each, the rest as one together."""
    bodies = sorted(solids, key=lambda body: -float(body.volume()))
    least = [MINOR * whole] * MAX_DECOMPOSED + [np.inf] * (MAX_MINOR - MAX_DECOMPOSED)
    found = [_of_body(b, limit, cache) for b, limit in zip(bodies, least, strict=False)]
    hulls = [hull for piece in found for hull in piece.hulls]
    methods: set[Method] = set()
    if rest := bodies[MAX_MINOR:]:
        hulls.append(hull_points(np.concatenate([from_manifold(b).vertices for b in rest])))
        methods.add("hull")
    return Pieces(tuple(hulls), frozenset(methods.union(*(piece.methods for piece in found))))


def _of_body(body: Manifold, least: float, cache: Path) -> Pieces:
    """One hull for what is nearly convex or smaller than `least` m3, else CoACD's."""
    volume, hull = float(body.volume()), body.hull()
    if volume < least or hull.volume() <= CONVEX * volume:
        return Pieces((from_manifold(hull).vertices,), frozenset({"hull"}))
    size = float(np.linalg.norm(np.ptp(from_manifold(hull).vertices, axis=0)))
    coarse = from_manifold(body.simplify(COARSE * size))
    return Pieces(tuple(_solid_hulls(coarse, cache)), frozenset({"coacd"}))


def _solid_hulls(mesh: Mesh, cache: Path) -> Iterator[FloatArray]:
    """CoACD's pieces but for those without volume."""
    for hull in mesh_hulls(mesh, cache):
        if hull_volume([hull]) > 0:
            yield hull


def is_hollow(hulls: Sequence[FloatArray]) -> bool:
    """Whether the pieces leave half of their common hull free or more."""
    around = hull_volume([np.concatenate(hulls)])
    return hull_volume(hulls) < 0.5 * around
