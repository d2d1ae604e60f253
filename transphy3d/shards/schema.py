"""What a sequence file holds: channels, tables, names, units and frames.

A file is HDF5 with one group per sequence, named by its six-digit index. A sequence file has one
group, a shard has many; nothing else tells them apart. In a group:

    rgb, depth, depth_behind, normal, instance   channels, one chunk a frame
    world_to_camera, intrinsics, objects         arrays
    scene, provenance                            JSON
    attributions                                 JSON, where objects come from an asset bank
    checksums/<name>                             SHA-256 of each chunk, or of a whole table
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from transphy3d.errors import ShardError
from transphy3d.jsonio import record
from transphy3d.materials.spec import OpticalClass
from transphy3d.scenes.spec import Matrix3, Matrix4, Vec3
from transphy3d.wording import suggest

FORMAT_NAME = "transphy3d-sequences"
FORMAT_VERSION = 1

# Rounding by at most 2**-16 of the depth, 0.04 mm at 2.5 m: as little as the facets of curved
# surfaces cost, 0.02 mm on a ball of 80 mm and more on larger ones.
DEPTH_MANTISSA_BITS = 15
# At most 0.015 degrees; benchmarks/codecs.py gives sizes for fewer and more bits.
NORMAL_BITS = 14
POINTS_PER_OBJECT = 64
CHECKSUM_BYTES = 32


@dataclass(frozen=True)
class ChannelSpec:
    """How one channel is stored and what it means.

    dtype : of the stored array; `components` go before (planar) the (H, W) of a frame, or after
    typesize, bytedelta : of the compressor's byte shuffle and of the delta that follows it
    unit, frame, meaning, error, decode : words written to the file as attributes
    """

    name: str
    dtype: str
    components: int
    planar: bool
    typesize: int
    bytedelta: bool
    unit: str
    frame: str
    meaning: str
    error: str
    decode: str

    def stored_shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of one stored frame."""
        if self.components == 1:
            return (height, width)
        if self.planar:
            return (self.components, height, width)
        return (height, width, self.components)


_DEPTH_ERROR = f"rounded to {DEPTH_MANTISSA_BITS} mantissa bits: at most 2**-16 of the value"
_NORMAL_DECODE = (
    "stored (2, H, W) uint16 codes a, b; where a == b == 0 the normal is (0, 0, 0); otherwise "
    "x = (a - 32768) / 32764, y = (b - 32768) / 32764, w = 1 - |x| - |y|; if w < 0 then "
    "(x, y) = ((1 - |y|) * sign(x), (1 - |x|) * sign(y)) with sign(0) = 1; "
    "normal = (x, y, -w) / |(x, y, w)|"
)

CHANNELS: dict[str, ChannelSpec] = {
    spec.name: spec
    for spec in (
        ChannelSpec(
            name="rgb",
            dtype="|u1",
            components=3,
            planar=False,
            typesize=3,
            bytedelta=True,
            unit="display value, 0 to 255",
            frame="pixel (u, v) has its centre at (u + 0.5, v + 0.5)",
            meaning="sRGB after the view transform named in the group's attributes",
            error="Monte Carlo noise and denoising; stored without loss",
            decode="as stored",
        ),
        ChannelSpec(
            name="depth",
            dtype="<f4",
            components=1,
            planar=False,
            typesize=4,
            bytedelta=True,
            unit="m",
            frame="camera, along z (planar, not along the ray)",
            meaning="first surface on the ray through the pixel's centre, glass or not; 0 = none",
            error=_DEPTH_ERROR,
            decode="as stored",
        ),
        ChannelSpec(
            name="depth_behind",
            dtype="<f4",
            components=1,
            planar=False,
            typesize=4,
            bytedelta=True,
            unit="m",
            frame="camera, along z (planar, not along the ray)",
            meaning="as depth, with every transparent object taken away; 0 = none",
            error=_DEPTH_ERROR,
            decode="as stored",
        ),
        ChannelSpec(
            name="normal",
            dtype="<u2",
            components=2,
            planar=True,
            typesize=2,
            bytedelta=True,
            unit="1 (unit vector)",
            frame="camera, OpenCV axes: x right, y down, z forward",
            meaning="normal of that surface, turned toward the camera; (0, 0, 0) = none",
            error=f"octahedral code of 2 x {NORMAL_BITS} bits: at most 0.015 degrees",
            decode=_NORMAL_DECODE,
        ),
        ChannelSpec(
            name="instance",
            dtype="<u2",
            components=1,
            planar=False,
            typesize=2,
            bytedelta=False,
            unit="1",
            frame="pixel (u, v) has its centre at (u + 0.5, v + 0.5)",
            meaning="column `instance` of the object table; 0 = surroundings or nothing",
            error="exact",
            decode="as stored",
        ),
    )
}


@record
class ObjectRow:
    """One row of the object table: one piece of an object with one material.

    instance : value of the instance channel, from 1, unique in the table
    object : id of the object in the scene; pieces of one object share it
    part : "body", "lid", "liquid", ...
    asset, source : name or id of the asset, and "procedural", "mesh" or "bank"
    material, kind, optical_class : the sampled material's name and classes
    scale : factor on the asset's real size, already in every length here
    object_to_world : rigid 4x4, metres
    bounds_low, bounds_high : axis-aligned box of the piece in the object's frame, metres
    points : 64 points on the piece's surface in the object's frame, metres
    """

    instance: int
    object: int
    part: str
    asset: str
    source: str
    category: str
    material: str
    kind: str
    optical_class: OpticalClass
    scale: float
    object_to_world: Matrix4
    bounds_low: Vec3
    bounds_high: Vec3
    points: tuple[Vec3, ...]


@record
class Attribution:
    """Whom an object of an asset bank is owed to, and under which licence.

    asset : as in the object table; attribution : the line to publish, "" where none is asked for
    licence : "cc_by" and its like; version : "3.0"; sha256 : of the file that the source gave
    """

    asset: str
    name: str
    author: str
    licence: str
    version: str
    attribution: str
    licence_url: str
    url: str
    sha256: str


@record
class Rejection:
    """A scene that was sampled and thrown away, with the reason."""

    attempt: int
    reason: str
    detail: str


@record
class Provenance:
    """Where a sequence comes from.

    transphy3d, versions : of the generator, and of what it runs on, by name
    seconds : wall-clock time by stage; cpu_seconds : of all processes and threads
    job : the resolved job as plain data, enough to make the sequence again
    """

    transphy3d: str
    versions: dict[str, str]
    host: str
    device: str
    denoiser: str
    seconds: dict[str, float]
    cpu_seconds: float
    attempts: int
    rejections: tuple[Rejection, ...]
    job: dict[str, Any]


@record
class SequenceMeta:
    """All that a sequence holds beside its channels.

    scene : the `SettledScene` as plain data, enough to build the scene again
    attributions : of every asset of a bank that stands in the object table
    world_to_camera : one 4x4 per frame, OpenCV axes, metres
    intrinsics : 3x3, pixels
    """

    job: str
    job_sha256: str
    index: int
    seed: int
    fps: float
    width: int
    height: int
    intrinsics: Matrix3
    world_to_camera: tuple[Matrix4, ...]
    objects: tuple[ObjectRow, ...]
    view_transform: str
    scene: dict[str, Any]
    provenance: Provenance
    attributions: tuple[Attribution, ...] = ()

    @property
    def name(self) -> str:
        """Name of the sequence's group."""
        return f"{self.index:06d}"

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.world_to_camera)


def channel(name: str, among: Iterable[str] = CHANNELS) -> ChannelSpec:
    """The specification of a channel. Raises ShardError, with the nearest name, if not `among`."""
    names = sorted(among)
    if name in names:
        return CHANNELS[name]
    hint = suggest(name, names, "ask for one of them.")
    raise ShardError(f"no channel {name!r}; there are {', '.join(names)}: {hint}")


_TEXT_COLUMNS = ("part", "asset", "source", "category", "material", "kind", "optical_class")


def object_dtype(rows: Iterable[ObjectRow]) -> np.dtype[Any]:
    """The table's dtype; text columns are UTF-8 and as wide as their longest value."""
    rows = list(rows)
    widths = {
        column: max((len(getattr(row, column).encode()) for row in rows), default=1) or 1
        for column in _TEXT_COLUMNS
    }
    columns: list[tuple[Any, ...]] = [("instance", "<u2"), ("object", "<i4")]
    columns += [(column, f"S{widths[column]}") for column in _TEXT_COLUMNS]
    columns += [
        ("scale", "<f8"),
        ("object_to_world", "<f8", (4, 4)),
        ("bounds_low", "<f8", (3,)),
        ("bounds_high", "<f8", (3,)),
        ("points", "<f8", (POINTS_PER_OBJECT, 3)),
    ]
    return np.dtype(columns)


def object_table(rows: Iterable[ObjectRow]) -> np.ndarray[Any, Any]:
    """The rows as a structured array, (N,). Raises ShardError if a row cannot be stored."""
    rows = list(rows)
    dtype = object_dtype(rows)
    table = np.zeros(len(rows), dtype)
    for slot, row in enumerate(rows):
        if len(row.points) != POINTS_PER_OBJECT:
            raise ShardError(
                f"object {row.object} part {row.part!r}: {len(row.points)} surface points; "
                f"hand in {POINTS_PER_OBJECT}"
            )
        for column in dtype.names or ():
            value = getattr(row, column)
            table[column][slot] = value.encode() if isinstance(value, str) else value
    return table


def object_rows(table: np.ndarray[Any, Any]) -> list[ObjectRow]:
    """The records of a structured array made by `object_table`."""
    return [
        ObjectRow(**{name: _plain(line[name]) for name in table.dtype.names or ()})
        for line in table
    ]


def _plain(value: Any) -> Any:
    """A table cell as the record's type: text, number or nested tuples."""
    if isinstance(value, bytes):
        return value.decode()
    return _tuples(value.tolist())


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
