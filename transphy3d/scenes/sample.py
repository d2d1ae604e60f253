"""One scene, drawn from a job: objects, support, room and light."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transphy3d.config import Job
from transphy3d.materials.library import Library
from transphy3d.rng import Streams
from transphy3d.scenes.lights import Setting, sample_lights
from transphy3d.scenes.objects import Drawn, footprint, sample_objects
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.room_kind import Site
from transphy3d.scenes.rooms import ROOMS, sample_room
from transphy3d.scenes.spec import RoomSpec, SceneSpec, SupportSpec
from transphy3d.scenes.supports import build_support, sample_support


def sample_scene(job: Job, streams: Streams, library: Library, cache: Path) -> SceneSpec:
    """Everything of one attempt at one sequence but poses and camera.

    Equal jobs and streams give equal scenes, in any process and order. Each subject has random
    streams of its own: what the camera, lights or room of a job may be moves no object.

    cache : folder for what is derived from mesh files
    Raises JobError for a job that leaves nothing to draw, AssetError for unusable files.
    """
    palette = Palette(library, job.materials)
    return scene_around(job, streams, palette, sample_objects(job, streams, palette, cache))


def scene_around(
    job: Job, streams: Streams, palette: Palette, objects: Sequence[Drawn]
) -> SceneSpec:
    """Support, room and light for objects that are drawn already."""
    support = sample_support(job.supports.kinds, footprint(objects), palette, streams("support"))
    site = _site(support)
    room = sample_room(job.rooms.kinds, site, palette, streams("room"))
    lights = sample_lights(job.lights, _setting(room, site), streams("environment"), streams("rig"))
    return SceneSpec(
        seed=streams.seed,
        index=streams.index,
        attempt=streams.attempt,
        frames=job.frames,
        objects=tuple(item.spec for item in objects),
        support=support,
        room=room,
        lights=lights,
    )


def _site(support: SupportSpec) -> Site:
    """The floor below a support and how far it reaches."""
    bodies = build_support(support).bodies
    reach = max(float(np.abs(body.mesh.vertices[:, :2]).max()) for body in bodies)
    return Site(floor=float(support.params["floor"]), reach=reach)


def _setting(room: RoomSpec, site: Site) -> Setting:
    kind = ROOMS.get(room.kind)
    return Setting(site.reach, kind.bounds(room), kind.horizon(room))
