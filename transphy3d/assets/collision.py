"""Convex pieces for collision that leave hollow things hollow.

Turned objects are cut in their profile: the wall's polygon into convex pieces, each swept
through angular sectors. That takes milliseconds, and contents rest on the true wall. Meshes
without a profile go through CoACD (Wei et al., ACM TOG 41(4), 2022), cached by content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from manifold3d import CrossSection, Manifold, triangulate
from numpy.typing import NDArray

from transphy3d.assets.geometry import Asset, FloatArray, Mesh
from transphy3d.assets.procedural import lathe
from transphy3d.assets.procedural.solid import signed_volume
from transphy3d.errors import AssetError
from transphy3d.files import replacing

SECTORS = 16
WALL_ERROR = 0.25  # of the wall's thickness that a profile may move for collision
SLAB_EXCESS = 1.025  # greatest ratio of a slab's convex hull to the slab, as areas
SOLID_EXCESS = 1.05  # the same for the slabs of a base together, else its foot ring is kept
COACD_THRESHOLD = 0.05  # greatest concavity of a piece, in CoACD's measure
MAX_HULLS = 32
# A shallow search: on tableware about as tight as the default, in half the time.
COACD_SEARCH = {"mcts_iterations": 60, "mcts_max_depth": 2, "resolution": 800}


def wall_hulls(
    path: FloatArray,
    wall: float,
    sectors: int = SECTORS,
    radial: lathe.Radial | None = None,
    twist: lathe.Twist | None = None,
) -> tuple[FloatArray, ...]:
    """Hulls of the material between a turned object's outside and inside.

    path : as for `lathe.revolve`; wall : thickness in metres, which sets the accuracy
    """
    section = lathe.region(path[lathe.simplified(path, WALL_ERROR * wall)])
    turn = _Turn(sectors, radial, twist)
    on_axis = path[-1, 0] < lathe.ON_AXIS
    floor = float(path[-1, 1]) if on_axis else float(path[:, 1].min())
    base = section ^ lathe.box(1.0, -1.0, floor)
    slabs = list(_slabs(base)) if on_axis else []
    if sum(map(_area, slabs)) * 2 * lathe.MM_PER_METRE**2 > SOLID_EXCESS * base.area():
        floor, slabs = -1.0, []
    bands = _bands(section ^ lathe.box(1.0, floor, 10.0), turn)
    pieces = [p for band in bands for half in lathe.right_half(band) for p in convex_pieces(half)]
    hulls = [hull for piece in pieces for hull in turn.hulls(piece)]
    return tuple([turn.whole(slab) for slab in slabs] + hulls)


def _bands(section: CrossSection, turn: _Turn) -> Iterator[CrossSection]:
    """Horizontal bands, each twisted by about half a sector."""
    low, high = section.bounds()[1] / lathe.MM_PER_METRE, section.bounds()[3] / lathe.MM_PER_METRE
    count = 1
    if turn.twist is not None:
        ends = turn.twist(np.array([low, high]))
        count = max(1, round(2 * float(abs(ends[1] - ends[0]) / turn.angles[1])))
    cuts = np.linspace(low, high, count + 1)
    for k in range(count):
        yield section ^ lathe.box(1.0, cuts[k], cuts[k + 1])


def filled_hulls(
    section: CrossSection,
    error: float,
    sectors: int = SECTORS,
    radial: lathe.Radial | None = None,
    twist: lathe.Twist | None = None,
) -> tuple[FloatArray, ...]:
    """Hulls of a turned section without hollows: for closed or narrow-mouthed things.

    section : as from `lathe.filled`; error : metres that the outline may move
    """
    coarse = section.simplify(error * lathe.MM_PER_METRE)
    turn = _Turn(sectors, radial, twist)
    return tuple(turn.whole(slab) for slab in _slabs(coarse))


class _Turn:
    """Sweeps convex pieces of a profile about Z."""

    def __init__(
        self, sectors: int, radial: lathe.Radial | None, twist: lathe.Twist | None
    ) -> None:
        self.angles = np.arange(sectors + 1) * (2 * np.pi / sectors)
        self.radial, self.twist = radial, twist
        step = 2 * np.pi / sectors
        # An inscribed polygon has less area than its circle; this gives it back.
        self.swell = np.sqrt(step / np.sin(step))

    def hulls(self, piece: FloatArray) -> list[FloatArray]:
        """One hull if the piece and its mirror image are convex together, else the sectors."""
        if np.sum(piece[:, 0] < lathe.ON_AXIS) >= 2 and _mirrors_convexly(piece):
            return [self.whole(piece)]
        rings = self.rings(piece)
        return [rings[k : k + 2].reshape(-1, 3) for k in range(len(rings) - 1)]

    def whole(self, piece: FloatArray) -> FloatArray:
        """The hull of a piece all around."""
        points: FloatArray = np.unique(self.rings(piece)[:-1].reshape(-1, 3), axis=0)
        return points

    def rings(self, piece: FloatArray) -> FloatArray:
        """The piece at every sector's boundary, (sectors + 1, K, 3)."""
        theta, z = np.broadcast_arrays(self.angles[:, None], piece[None, :, 1])
        r = piece[None, :, 0] * self.swell * self._factor(theta, z)
        angle = theta if self.twist is None else theta + self.twist(z)
        swept: FloatArray = np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=-1)
        return swept

    def _factor(self, theta: FloatArray, z: FloatArray) -> FloatArray | float:
        """The radial factor, averaged over a sector so that narrow flutes do not alias."""
        if self.radial is None:
            return 1.0
        shifts = np.linspace(-0.5, 0.5, 9) * self.angles[1]
        mean: FloatArray = np.mean([self.radial(theta + s, z) for s in shifts], axis=0)
        return mean


def _mirrors_convexly(piece: FloatArray) -> bool:
    section = lathe.region(piece[np.argsort(piece[:, 1], kind="stable")])
    return bool(section.hull().area() < 1.001 * 2 * _area(piece) * lathe.MM_PER_METRE**2)


def _area(loop: FloatArray) -> float:
    x, y = loop.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _slabs(section: CrossSection) -> Iterator[FloatArray]:
    """Right halves of horizontal slabs, each as thick as its convex hull stays close to it."""
    # Hundredths of a millimetre: thinner slabs have no volume to speak of.
    levels = np.unique(np.concatenate(section.to_polygons())[:, 1].round(2))
    heights, low = levels / lathe.MM_PER_METRE, 0
    for high in range(1, len(heights)):
        last = high == len(heights) - 1
        if last or not _nearly_convex(section ^ lathe.box(1.0, heights[low], heights[high + 1])):
            hull = (section ^ lathe.box(1.0, heights[low], heights[high])).hull()
            yield from lathe.right_half(hull)
            low = high


def _nearly_convex(section: CrossSection) -> bool:
    return bool(section.hull().area() <= SLAB_EXCESS * section.area())


def convex_pieces(loop: FloatArray) -> list[FloatArray]:
    """A simple counter-clockwise polygon (P, 2) as few convex ones.

    Hertel and Mehlhorn, "Fast triangulation of simple polygons", 1983: drop each diagonal of
    a triangulation whose removal leaves both its ends convex; at most four times the optimum.
    """
    pieces = {k: list(t) for k, t in enumerate(np.asarray(triangulate([loop])).tolist())}
    owner = {edge: k for k, piece in pieces.items() for edge in _edges(piece)}
    for a, b in list(owner):
        if a < b and (b, a) in owner:
            joined = _joined(pieces[owner[a, b]], pieces[owner[b, a]], a, b)
            if _is_convex(loop[joined]):
                gone = owner[b, a]
                pieces[owner[a, b]] = joined
                del pieces[gone]
                owner.update(dict.fromkeys(_edges(joined), owner[a, b]))
    return [loop[piece] for piece in pieces.values()]


def _edges(piece: list[int]) -> list[tuple[int, int]]:
    return list(zip(piece, piece[1:] + piece[:1], strict=True))


def _joined(left: list[int], right: list[int], a: int, b: int) -> list[int]:
    """Two polygons without their common edge, a to b in the left one."""
    i, j = left.index(b), right.index(a)
    return left[i:] + left[:i] + (right[j:] + right[:j])[1:-1]


def _is_convex(loop: FloatArray) -> bool:
    ahead = np.roll(loop, -1, axis=0) - loop
    behind = np.roll(ahead, 1, axis=0)
    cross = behind[:, 0] * ahead[:, 1] - behind[:, 1] * ahead[:, 0]
    return bool((cross >= -1e-12).all())


def hull_volume(hulls: Sequence[FloatArray]) -> float:
    """Sum of the hulls' volumes in cubic metres."""
    return float(sum(Manifold.hull_points(points).volume() for points in hulls))


def hull_fit(asset: Asset) -> float:
    """Volume of an asset's hulls over that of its solids; near 1 where hollows stay hollow.

    Things with a lid or a narrow mouth have their insides filled and show the greater ratio.
    """
    solids = sum(signed_volume(part.mesh) for part in asset.parts)
    return hull_volume(asset.hulls) / solids


def mesh_hulls(mesh: Mesh, cache_folder: Path) -> tuple[FloatArray, ...]:
    """Hulls of any closed mesh by CoACD, at most MAX_HULLS; seconds at first, then cached.

    The cache is one .npz per content in `cache_folder`. Raises AssetError for empty meshes.
    """
    if len(mesh.faces) == 0:
        raise AssetError("a mesh without faces has no collision hulls; check the mesh file")
    path = cache_folder / f"{_digest(mesh)}.npz"
    if not path.exists():
        pieces = _coacd(mesh)
        with replacing(path) as scratch, scratch.open("wb") as stream:
            np.savez(stream, **{f"hull{k:03d}": piece for k, piece in enumerate(pieces)})
    with np.load(path) as stored:
        return tuple(stored[name] for name in sorted(stored.files))


def _digest(mesh: Mesh) -> str:
    """Hex SHA-256 of the vertices, the faces and the settings that shape the hulls."""
    digest = hashlib.sha256(f"coacd {COACD_THRESHOLD} {MAX_HULLS} {COACD_SEARCH}".encode())
    digest.update(np.ascontiguousarray(mesh.vertices, "<f8").tobytes())
    digest.update(np.ascontiguousarray(mesh.faces, "<i4").tobytes())
    return digest.hexdigest()


def _coacd(mesh: Mesh) -> list[NDArray[np.float64]]:
    import coacd  # imported where needed: it takes a second and few scenes need it

    coacd.set_log_level("error")
    pieces = coacd.run_coacd(
        coacd.Mesh(mesh.vertices, mesh.faces),
        threshold=COACD_THRESHOLD,
        max_convex_hull=MAX_HULLS,
        seed=0,
        **COACD_SEARCH,
    )
    return [np.asarray(vertices, np.float64) for vertices, _ in pieces]
