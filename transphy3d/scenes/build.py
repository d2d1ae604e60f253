"""The geometry of a sampled scene."""

from __future__ import annotations

from pathlib import Path

from transphy3d.assets.contact import touching
from transphy3d.scenes.assembly import build_asset
from transphy3d.scenes.geometry import Geometry
from transphy3d.scenes.rooms import build_room
from transphy3d.scenes.spec import SceneSpec
from transphy3d.scenes.supports import build_support


def build_geometry(spec: SceneSpec, segments: int, cache: Path) -> Geometry:
    """Assets, support and room as meshes and convex pieces; equal specs give equal bytes.

    segments : divisions of a full turn of procedural assets
    cache : folder for what is derived from mesh files
    """
    assets = {i.id: touching(build_asset(i.asset, segments, cache)) for i in spec.objects}
    room = build_room(spec.room)
    return Geometry(assets, build_support(spec.support), room.bodies, room.bounds)
