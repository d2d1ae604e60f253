"""Assets from turned bodies, lids, handles and spouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import manifold3d
import numpy as np
from numpy.typing import NDArray

from transphy3d.assets.collision import filled_hulls, wall_hulls
from transphy3d.assets.geometry import Asset, Cavity, FloatArray, Mesh, Part
from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.sweep import carry, cell_hulls, stack, superellipse
from transphy3d.errors import AssetError
from transphy3d.materials.spec import OPTICAL_CLASSES, Kind, OpticalClass

NARROW_MOUTH = 0.014  # metres of radius; below it nothing of a scene falls in
COVER_GAP = 0.00015  # metres between a lid and its vessel, so that they never intersect
SHARP_ANGLE = 35.0
Kinds = tuple[Kind, ...]


@dataclass(frozen=True)
class Turned:
    """A body of revolution: its path, its wall in metres, and its departures from the round."""

    path: FloatArray
    wall: float
    radial: lathe.Radial | None = None
    twist: lathe.Twist | None = None

    def mesh(self, segments: int) -> Mesh:
        """The closed surface."""
        return lathe.revolve(self.path, segments, self.radial, self.twist)

    def lining(self, segments: int) -> NDArray[np.bool_]:
        """(F,) bool: the faces of `mesh` that line the inside."""
        return lathe.face_rows(self.path, segments) >= lathe.rim_of(self.path)

    def throat(self) -> float:
        """The least radius of the upper half of the inside, metres."""
        inside = self.path[lathe.rim_of(self.path) :]
        upper = inside[:, 1] > (inside[0, 1] + inside[-1, 1]) / 2
        return float(inside[upper, 0].min())

    def core(self, segments: int) -> Mesh:
        """A solid up to the middle of the wall and past the mouth, to cut handles back with."""
        section = lathe.filled(self.path)
        top = float(self.path[:, 1].max())
        middle = lathe.offset(lathe.raised(section, top, 4 * self.wall), -self.wall / 2)
        return lathe.revolve(lathe.tidy(lathe.path_of(middle)), segments, self.radial, self.twist)


@dataclass(frozen=True)
class Cover:
    """A lid, cap or stopper that sits on a body."""

    name: str
    path: FloatArray
    kinds: Kinds


@dataclass(frozen=True)
class Limbs:
    """What is joined to a body or cut from it, as rings (R, N, 3) along each piece.

    tubes : handles and spouts, added
    bores : the insides of spouts, taken away; a liquid stands in them too
    cuts : notches, taken away
    """

    tubes: tuple[FloatArray, ...] = ()
    bores: tuple[FloatArray, ...] = ()
    cuts: tuple[FloatArray, ...] = ()


def tube(
    path: FloatArray,
    widths: FloatArray | float,
    depths: FloatArray | float,
    count: int,
    power: float = 2.4,
) -> FloatArray:
    """Rings of a tube in the xz-plane: path (R, 2), full widths (along y) and depths (across)."""
    spine = np.stack([path[:, 0], np.zeros(len(path)), path[:, 1]], axis=1)
    unit = superellipse(count, 0.5, 0.5, power)
    scale = np.stack(np.broadcast_arrays(widths, depths, np.empty(len(path)))[:2], axis=-1)
    return carry(spine, unit[None] * scale[:, None])


def solid_asset(
    name: str,
    category: str,
    body: Turned,
    segments: int,
    kinds: Kinds,
    sharp_angle: float = SHARP_ANGLE,
) -> Asset:
    """A turned thing without an inside."""
    hulls = filled_hulls(
        lathe.filled(body.path), _error(body), radial=body.radial, twist=body.twist
    )
    part = Part("body", body.mesh(segments), kinds)
    return Asset(name, category, (part,), hulls, sharp_angle)


def ring_asset(name: str, category: str, body: Turned, segments: int, kinds: Kinds) -> Asset:
    """A turned wall that is open above and below."""
    hulls = wall_hulls(body.path, body.wall, radial=body.radial, twist=body.twist)
    part = Part("body", body.mesh(segments), kinds)
    return Asset(name, category, (part,), hulls, SHARP_ANGLE, body.wall)


def vessel_asset(
    name: str,
    category: str,
    body: Turned,
    segments: int,
    kinds: Kinds,
    covers: Sequence[Cover] = (),
    limbs: Limbs = Limbs(),
    brim: float = np.inf,
    sharp_angle: float = SHARP_ANGLE,
    holds: bool = True,
    optical: tuple[OpticalClass, ...] = OPTICAL_CLASSES,
) -> Asset:
    """A turned vessel with its lids and limbs.

    brim : the greatest height in metres for a liquid, if lower than the rim
    holds : whether people pour liquids into it
    optical : the optical classes that the body can have
    """
    mesh, lining = _joined(body, segments, limbs)
    lids = tuple(Part(c.name, lathe.revolve(c.path, segments), c.kinds) for c in covers)
    hulls = _body_hulls(body, covers) + tuple(
        hull for rings in limbs.tubes for hull in cell_hulls(rings, [np.arange(rings.shape[1])])
    )
    cavity = cavity_of(mesh, lining, body.wall, brim) if holds else None
    parts = (Part("body", mesh, kinds, optical), *lids)
    return Asset(name, category, parts, hulls, sharp_angle, body.wall, cavity)


def _error(body: Turned) -> float:
    """Metres that the outline of a filled body may move for collision."""
    return 0.004 * float(np.ptp(body.path[:, 1]) + body.path[:, 0].max())


def _body_hulls(body: Turned, covers: Sequence[Cover]) -> tuple[FloatArray, ...]:
    if body.throat() > NARROW_MOUTH and not covers:
        return wall_hulls(body.path, body.wall, radial=body.radial, twist=body.twist)
    section = lathe.filled(body.path)
    for cover in covers:
        section = section + lathe.region(cover.path)
    closed = lathe.filleted(section, COVER_GAP)
    return filled_hulls(closed, _error(body), radial=body.radial, twist=body.twist)


def cavity_of(mesh: Mesh, lining: NDArray[np.bool_], wall: float, brim: float) -> Cavity:
    """The inside of an upright vessel.

    lining : (F,) the faces that line it up to the rim
    wall : thickness in metres, which stays free below the rim
    brim : the greatest height in metres for a liquid, if lower than the rim
    """
    faces = mesh.faces[lining]
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    # One number for each edge: sorting numbers is ten times faster than sorting pairs.
    keys = edges.astype(np.int64) @ (len(mesh.vertices), 1)
    unique, uses = np.unique(keys, return_counts=True)
    ends = np.divmod(unique[uses == 1], len(mesh.vertices))
    shore = float(mesh.vertices[np.concatenate(ends), 2].min())
    floor = float(mesh.vertices[faces, 2].min())
    return Cavity(lining, floor, min(brim, shore - max(wall, 0.001)))


def _joined(body: Turned, segments: int, limbs: Limbs) -> tuple[Mesh, NDArray[np.bool_]]:
    """The body with its limbs as one closed surface, and its faces that line the inside."""
    mesh, lining = body.mesh(segments), body.lining(segments)
    if limbs == Limbs():
        return mesh, lining
    sources = [mesh, *(stack(rings) for rings in limbs.tubes + limbs.bores + limbs.cuts)]
    first = manifold3d.Manifold.reserve_ids(len(sources) + 1)
    solids = [_tagged(source, first + k) for k, source in enumerate(sources)]
    core = _tagged(body.core(segments), first + len(sources))
    whole, added = solids[0], len(limbs.tubes)
    for limb in solids[1 : 1 + added]:
        whole = whole + (limb - core)
    for tool in solids[1 + added :]:
        whole = whole - tool
    linings = [np.zeros(len(source.faces), bool) for source in sources]
    linings[0] = lining
    for k in range(1 + added, 1 + added + len(limbs.bores)):
        linings[k][:] = True
    return _with_origin(whole, first, sources, linings)


def _tagged(mesh: Mesh, identity: int) -> manifold3d.Manifold:
    """A solid whose faces stay known through unions and cuts by `identity` and number."""
    count = len(mesh.faces)
    solid = manifold3d.Manifold(
        manifold3d.Mesh64(
            np.ascontiguousarray(mesh.vertices, np.float64),
            np.ascontiguousarray(mesh.faces, np.uint64),
            run_index=np.array([0, 3 * count], np.uint64),
            run_original_id=np.array([identity], np.uint32),
            face_id=np.arange(count, dtype=np.uint64),
        )
    )
    if solid.status() != manifold3d.Error.NoError:
        raise AssetError(
            f"a part of {count} faces is not a closed solid ({solid.status()}); "
            "its parameters make it cross itself"
        )
    return solid


def _with_origin(
    whole: manifold3d.Manifold,
    first: int,
    sources: Sequence[Mesh],
    linings: Sequence[NDArray[np.bool_]],
) -> tuple[Mesh, NDArray[np.bool_]]:
    """The result's mesh with UVs and linings taken over from where each face came from."""
    result = whole.to_mesh64()
    vertices = np.array(result.vert_properties, np.float64)[:, :3]
    faces = np.array(result.tri_verts, np.int32)
    runs = np.diff(np.array(result.run_index, np.int64)) // 3
    origin = np.repeat(np.array(result.run_original_id, np.int64) - first, runs)
    number = np.array(result.face_id, np.int64)
    uv = np.empty((len(faces), 3, 2), np.float32)
    lining = np.zeros(len(faces), dtype=bool)
    for k, source in enumerate(sources):
        mine = origin == k
        lining[mine] = linings[k][number[mine]]
        uv[mine] = _uv_within(source, number[mine], vertices[faces[mine]])
    return Mesh(vertices, faces, uv), lining


def _uv_within(source: Mesh, number: NDArray[np.int64], points: FloatArray) -> FloatArray:
    """UVs at points (F, 3, 3) that lie in the planes of faces `number` of the source."""
    assert source.uv is not None
    a, b, c = np.moveaxis(source.vertices[source.faces[number]], 1, 0)
    u, v, w = (b - a)[:, None], (c - a)[:, None], points - a[:, None]
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    wu, wv = (w * u).sum(-1), (w * v).sum(-1)
    area = uu * vv - uv * uv
    s, t = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    corners = source.uv[number]
    along, across = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    mapped: FloatArray = (
        corners[:, None, 0] + s[..., None] * along[:, None] + t[..., None] * across[:, None]
    )
    return mapped
