"""Welding, joining and closing of meshes that were not made to be solid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from transphy3d.assets.geometry import Mesh
from transphy3d.assets.meshfile import Piece
from transphy3d.assets.procedural.solid import to_manifold

WELD = 1e-6  # of the diagonal; float32 files repeat corners to better than that
SMALL_HOLE = 0.05  # of the diagonal; larger openings are mouths of vessels, not defects
Index = NDArray[np.int64]


def welded(mesh: Mesh, tolerance: float) -> tuple[Mesh, int]:
    """One vertex a place; returns also how many empty or repeated faces were dropped.

    Of faces that lie on each other, as in two-sided sheets, the first stays. UVs stay.
    """
    cells = np.round(mesh.vertices / tolerance).astype(np.int64)
    _, first, index = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    faces = index.reshape(-1)[mesh.faces]
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    _, single = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    keep = np.intersect1d(single, np.flatnonzero(whole))
    uv = None if mesh.uv is None else mesh.uv[keep]
    kept = Mesh(mesh.vertices[first], faces[keep].astype(np.int32), uv)
    return kept, len(mesh.faces) - len(keep)


def concatenated(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes as one, side by side; UVs stay if all have them."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    uvs = [mesh.uv for mesh in meshes if mesh.uv is not None]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=True)]).astype(np.int32),
        np.concatenate(uvs) if len(uvs) == len(meshes) else None,
    )


def half_edges(faces: NDArray[np.int32]) -> Index:
    """(3F, 2) directed edges."""
    return faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)


def open_edges(mesh: Mesh) -> Index:
    """(E, 2) directed edges that belong to one face only."""
    edges = half_edges(mesh.faces)
    _, index, uses = np.unique(
        np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    return np.asarray(edges[uses[index.reshape(-1)] == 1])


def is_closed(mesh: Mesh) -> bool:
    """Whether the mesh bounds a solid: each edge twice, in opposite directions."""
    try:
        return not to_manifold(mesh).is_empty()
    except ValueError:
        return False


def border_groups(meshes: Sequence[Mesh], tolerance: float) -> list[list[int]]:
    """Numbers of the meshes, grouped by whether their open borders meet in an edge or more."""
    borders = [_border(mesh, tolerance) for mesh in meshes]
    open_ones = [k for k, border in enumerate(borders) if border]
    links = [
        (a, b) for a in open_ones for b in open_ones if b < a and len(borders[a] & borders[b]) > 1
    ]
    rows, columns = np.array(links, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links)), (rows, columns)), shape=(len(meshes),) * 2)
    _, labels = connected_components(graph, directed=False)
    return [np.flatnonzero(labels == label).tolist() for label in dict.fromkeys(labels.tolist())]


def rejoined(pieces: Sequence[Piece], tolerance: float) -> list[Piece]:
    """Pieces whose borders meet, joined: a file splits one body by its materials.

    Joined pieces take the name of the first.
    """
    groups = border_groups([piece.mesh for piece in pieces], tolerance)
    return [_join([pieces[k] for k in group], tolerance) for group in groups]


def _join(pieces: Sequence[Piece], tolerance: float) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    mesh, _ = welded(concatenated([piece.mesh for piece in pieces]), tolerance)
    return Piece(pieces[0].name, mesh)


def _border(mesh: Mesh, tolerance: float) -> set[tuple[int, ...]]:
    """The places, in units of the tolerance, where a mesh is open."""
    ends = np.unique(open_edges(mesh))
    return set(map(tuple, np.round(mesh.vertices[ends] / tolerance).astype(np.int64).tolist()))


def mended(mesh: Mesh) -> tuple[Mesh, list[str]]:
    """A welded mesh wound evenly, turned outward and with small holes closed.

    Returns the mesh and what was done to it. Whether it is closed now is for `is_closed`.
    """
    done = []
    flip = odd_faces(mesh)
    if flip.any():
        mesh = flipped(mesh, flip)
        done.append(f"{int(flip.sum())} faces wound like their neighbours")
    mesh, holes = fan_filled(
        mesh, SMALL_HOLE * float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))
    )
    if holes:
        done.append(f"{holes} small holes closed")
    mesh, turned = _turned_outward(mesh)
    if turned:
        done.append(f"{turned} inside-out bodies turned")
    return mesh, done


def odd_faces(mesh: Mesh) -> NDArray[np.bool_]:
    """(F,) the faces to flip so that neighbours are wound alike.

    Each face has two states, kept and flipped; states that agree across an edge are linked, so
    each body falls into two sets of states, of which the one that flips fewer faces is taken.
    """
    edges, count = half_edges(mesh.faces), len(mesh.faces)
    _, index, uses = np.unique(
        np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    order = np.argsort(index.reshape(-1), kind="stable")
    pairs = order[np.repeat(uses == 2, uses)].reshape(-1, 2)
    one, other = (pairs // 3).T
    clash = (edges[pairs[:, 0], 0] == edges[pairs[:, 1], 0]) * count
    rows = np.concatenate([one, one + count])
    columns = np.concatenate([other + clash, other + count - clash])
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(2 * count,) * 2)
    _, labels = connected_components(graph, directed=False)
    kept, flipped = labels[:count], labels[count:]
    sizes = np.bincount(kept, minlength=labels.max() + 1)
    better = sizes[flipped] > sizes[kept]
    even = (sizes[flipped] == sizes[kept]) & (flipped < kept)
    return np.asarray(better | even)


def flipped(mesh: Mesh, flip: NDArray[np.bool_]) -> Mesh:
    """The mesh with some faces, (F,) bool, turned over."""
    faces = np.where(flip[:, None], mesh.faces[:, ::-1], mesh.faces)
    uv = mesh.uv
    if uv is not None:
        uv = np.where(flip[:, None, None], uv[:, ::-1], uv)
    return replace(mesh, faces=faces, uv=uv)


def fan_filled(mesh: Mesh, limit: float) -> tuple[Mesh, int]:
    """Holes of a diagonal up to `limit` metres closed by fans about their middles; and how many."""
    loops = [
        loop
        for loop in border_loops(open_edges(mesh))
        if np.linalg.norm(np.ptp(mesh.vertices[loop], axis=0)) <= limit
    ]
    vertices, faces, uv = [mesh.vertices], [mesh.faces], [mesh.uv]
    for k, loop in enumerate(loops):
        vertices.append(mesh.vertices[loop].mean(axis=0, keepdims=True))
        middle = np.full(len(loop), len(mesh.vertices) + k)
        faces.append(np.stack([np.roll(loop, -1), loop, middle], axis=1).astype(np.int32))
        uv.append(np.zeros((len(loop), 3, 2), np.float32))
    joined_uv = None if mesh.uv is None else np.concatenate([u for u in uv if u is not None])
    return Mesh(np.concatenate(vertices), np.concatenate(faces), joined_uv), len(loops)


def border_loops(edges: Index) -> list[Index]:
    """Open edges as closed loops of vertices; places where loops touch are left alone."""
    starts, uses = np.unique(edges[:, 0], return_counts=True)
    following = dict(edges.tolist())
    for start in starts[uses > 1].tolist():
        following.pop(start, None)
    loops = []
    while following:
        loop = [next(iter(following))]
        while (after := following.pop(loop[-1], None)) is not None and after != loop[0]:
            loop.append(after)
        if after == loop[0] and len(loop) > 2:
            loops.append(np.array(loop, np.int64))
    return loops


def _turned_outward(mesh: Mesh) -> tuple[Mesh, int]:
    """Inside-out bodies turned; inner walls of hollow bodies, which face inward, stay."""
    labels = bodies_of(mesh)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    volumes = np.bincount(labels, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6).tolist()
    largest = int(np.argmax(np.abs(volumes)))
    flip = np.zeros(len(mesh.faces), dtype=bool)
    turned = 0
    for k, volume in enumerate(volumes):
        if volume < 0 and (k == largest or not _inside_another(mesh, labels, volumes, k)):
            flip |= labels == k
            turned += 1
        elif volume > 0 and volumes[largest] < 0 and _inside_another(mesh, labels, volumes, k):
            flip |= labels == k
    return flipped(mesh, flip), turned


def bodies_of(mesh: Mesh) -> NDArray[np.int32]:
    """(F,) which connected body each face belongs to."""
    a, b = mesh.faces[:, [0, 1]].T, mesh.faces[:, [1, 2]].T
    rows, columns = np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]])
    size = len(mesh.vertices)
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(np.unique(labels[mesh.faces[:, 0]], return_inverse=True)[1], np.int32)


def _body(mesh: Mesh, mine: NDArray[np.bool_]) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces[mine])


def _inside_another(
    mesh: Mesh, labels: NDArray[np.int32], volumes: Sequence[float], k: int
) -> bool:
    """Whether a body lies wholly within a larger one; open bodies hold nothing."""
    mine = _body(mesh, labels == k)
    for other, volume in enumerate(volumes):
        if other != k and abs(volume) > abs(volumes[k]):
            around = _body(mesh, labels == other)
            try:
                outer = to_manifold(around if volume > 0 else _reversed(around))
                inner = to_manifold(mine if volumes[k] > 0 else _reversed(mine))
            except ValueError:
                continue
            if (inner - outer).is_empty():
                return True
    return False


def _reversed(mesh: Mesh) -> Mesh:
    return replace(mesh, faces=mesh.faces[:, ::-1])
