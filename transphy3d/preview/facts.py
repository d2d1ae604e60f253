"""What the report says of one sequence: its words, its camera, and counts over a few frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from transphy3d.preview.contact import describe, one_per_object
from transphy3d.preview.panels import spread
from transphy3d.shards.reader import Sequence
from transphy3d.shards.schema import Provenance

Values = npt.NDArray[np.float64]
FRAMES_PER_SEQUENCE = 4
# Metres; 24 bins a decade are 10% wide each. Depths outside count in the first or last bin.
DEPTH_EDGES = np.logspace(-2, 3, 121)


@dataclass(frozen=True)
class Camera:
    """Per frame: metres and degrees from the objects' centre; horizontal field of view, degrees.

    speed : metres a second between frames, one fewer than frames
    """

    distance: Values
    elevation: Values
    fov: float
    speed: Values


@dataclass(frozen=True)
class Pixels:
    """Counts over a few frames.

    depth : pixels per bin of DEPTH_EDGES
    share : per object, its mean share of a frame's pixels
    visible : per object, the share of frames in which it has a pixel
    """

    depth: npt.NDArray[np.int64]
    share: Values
    visible: Values


@dataclass(frozen=True)
class Facts:
    """One sequence as the report shows it; `pixels` is None where they were not read."""

    name: str
    job: str
    job_sha256: str
    frames: int
    width: int
    height: int
    summary: str
    families: Counter[str]
    materials: Counter[str]
    kinds: Counter[str]
    optical: Counter[str]
    support: str
    room: str
    rig: str
    environment: str
    camera: Camera
    pixels: Pixels | None
    provenance: Provenance

    @property
    def objects(self) -> int:
        """How many objects there are."""
        return sum(self.families.values())

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of all stages."""
        return sum(self.provenance.seconds.values())


def camera_positions(world_to_camera: Values) -> Values:
    """(N, 3) camera centres in the world, of (N, 4, 4) matrices."""
    rotation, shift = world_to_camera[:, :3, :3], world_to_camera[:, :3, 3]
    centres: Values = -np.einsum("nji,nj->ni", rotation, shift)
    return centres


def camera_facts(world_to_camera: Values, centre: Values, fov: float, fps: float) -> Camera:
    """How the camera moves about `centre`, (3,) metres."""
    positions = camera_positions(world_to_camera)
    offset = positions - centre
    distance = np.linalg.norm(offset, axis=1)
    sine = offset[:, 2] / np.maximum(distance, 1e-9)
    speed = np.linalg.norm(np.diff(positions, axis=0), axis=1) * fps
    return Camera(distance, np.degrees(np.arcsin(np.clip(sine, -1, 1))), fov, speed)


def pixel_facts(sequence: Sequence, frames: list[int]) -> Pixels:
    """Counts over these frames; an absent channel counts nothing."""
    channels = sequence.channels
    depth = np.zeros(len(DEPTH_EDGES) - 1, np.int64)
    if "depth" in channels:
        depth += sum(depth_counts(sequence["depth"][frame]) for frame in frames)
    owners = {row.instance: row.object for row in sequence.objects}
    if "instance" not in channels or not owners:
        return Pixels(depth, np.zeros(0), np.zeros(0))
    shares = np.stack([object_shares(sequence["instance"][frame], owners) for frame in frames])
    return Pixels(depth, shares.mean(axis=0), (shares > 0).mean(axis=0))


def depth_counts(depth: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """Hit pixels per bin of DEPTH_EDGES."""
    inside = np.clip(depth[depth > 0], DEPTH_EDGES[0], DEPTH_EDGES[-1] * (1 - 1e-6))
    return np.histogram(inside, DEPTH_EDGES)[0].astype(np.int64)


def object_shares(instance: npt.NDArray[np.integer[Any]], owners: dict[int, int]) -> Values:
    """Share of pixels by object, in ascending order of ids; `owners` maps instance to object."""
    counts = np.bincount(instance.ravel(), minlength=max(owners) + 1)
    total = dict.fromkeys(sorted(set(owners.values())), 0)
    for number, owner in owners.items():
        total[owner] += int(counts[number])
    return np.array(list(total.values()), np.float64) / instance.size


def gather(sequence: Sequence, *, read_pixels: bool) -> Facts:
    """The facts of one sequence, from its tables and, if wanted, a few of its frames."""
    rows = sequence.objects
    main = one_per_object(rows)
    spec: dict[str, Any] = sequence.scene.get("spec", {})
    places = np.array([row.object_to_world for row in main], np.float64).reshape(-1, 4, 4)
    centre = places[:, :3, 3].mean(axis=0) if main else np.zeros(3)
    fov = float(np.degrees(2 * np.arctan(sequence.width / (2 * sequence.intrinsics[0, 0]))))
    frames = spread(len(sequence), FRAMES_PER_SEQUENCE)
    return Facts(
        name=sequence.name,
        job=str(sequence.attributes["job"]),
        job_sha256=str(sequence.attributes["job_sha256"]),
        width=sequence.width,
        height=sequence.height,
        frames=len(sequence),
        summary=describe(rows),
        families=Counter(row.asset for row in main),
        materials=Counter(row.material for row in rows),
        kinds=Counter(row.kind for row in rows),
        optical=Counter(row.optical_class for row in rows),
        support=word(spec, "support", "kind"),
        room=word(spec, "room", "kind"),
        rig=word(spec, "lights", "rig"),
        environment=PurePath(word(spec, "lights", "environment", "path")).stem,
        camera=camera_facts(sequence.world_to_camera, centre, fov, sequence.fps),
        pixels=pixel_facts(sequence, frames) if read_pixels else None,
        provenance=sequence.provenance,
    )


def word(data: Any, *keys: str) -> str:
    """A nested value as text; "none" where a key or the value is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return "none" if data is None else str(data)
