"""Points spread evenly over all that a material covers, for shaders to be evaluated at.

Means over such points are means over the visible surface: a texture counts by the part of it
that the mesh uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.blender.importers import Shown

COUNT = 256
# Steps of the R3 low-discrepancy sequence: powers of the root of x^4 = x + 1 (M. Roberts, 2018).
R3 = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """N points of one material and how a camera sees them.

    area : square metres of surface, both sides of a wall
    cosine : (N,) between view and normal, as over a ball that is seen from afar
    uv : (N, 2) by the name of the layer, "" is the one that renders use
    place : (N, 3) in the object's bounding box, [0, 1]
    colors : (N, 3) linear, by the name of the attribute, "" is the one that renders use
    chance : (N,) evenly spread over [0, 1] and independent of the rest
    """

    area: float
    cosine: Floats
    place: Floats
    chance: Floats
    uv: dict[str, Floats] = field(default_factory=dict)
    colors: dict[str, Floats] = field(default_factory=dict)


def spread(count: int = COUNT) -> Floats:
    """(count, 3) points of the unit cube, evenly spread and always the same."""
    steps: Floats = (0.5 + np.outer(np.arange(1, count + 1), R3)) % 1.0
    return steps


def points_of(shown: Shown) -> dict[int, Points]:
    """Points on a mesh by the index of the material slot.

    Raises ValueError for vertices that are not finite.
    """
    mesh = shown.mesh
    corners = _read(mesh.loop_triangles, "vertices", 3, np.int32)
    loops = _read(mesh.loop_triangles, "loops", 3, np.int32)
    slots = _read(mesh.loop_triangles, "material_index", 1, np.int32)[:, 0]
    local = _read(mesh.vertices, "co", 3, np.float32).astype(np.float64)
    bad = int((~np.isfinite(local)).any(axis=1).sum())
    if bad:
        raise ValueError(f"{bad} vertices of {shown.item.name!r} are NaN or infinite")
    areas = _areas((local @ shown.matrix[:3, :3].T)[corners])
    layers = _layers(mesh)
    found = {}
    for slot in np.unique(slots):
        mine = np.flatnonzero(slots == slot)
        found[int(slot)] = _draw(local, corners[mine], loops[mine], areas[mine], layers)
    return found


def merge(parts: list[Points]) -> Points:
    """One set of points for all parts of a material, in proportion to their areas."""
    if len(parts) == 1:
        return parts[0]
    areas = np.array([part.area for part in parts])
    owner = _pick(np.maximum(areas, 1e-300), np.arange(COUNT))
    names = {name for part in parts for name in part.uv}
    colors = {name for part in parts for name in part.colors}
    zeros, white = np.zeros((COUNT, 2)), np.ones((COUNT, 3))

    def chosen(arrays: list[Floats]) -> Floats:
        rows: Floats = np.stack(arrays)[owner, np.arange(COUNT)]
        return rows

    return Points(
        float(areas.sum()),
        parts[0].cosine,
        chosen([part.place for part in parts]),
        parts[0].chance,
        {name: chosen([part.uv.get(name, zeros) for part in parts]) for name in names},
        {name: chosen([part.colors.get(name, white) for part in parts]) for name in colors},
    )


def _pick(weights: Floats, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """COUNT indices in proportion to the weights, in an order unlike the points' own."""
    levels = ((order * 97) % COUNT + 0.5) / COUNT
    ends = np.cumsum(weights) / weights.sum()
    return np.minimum(np.searchsorted(ends, levels), len(weights) - 1)


def _draw(local: Floats, corners: Any, loops: Any, areas: Floats, layers: Any) -> Points:
    spots = spread()
    chosen = _pick(np.maximum(areas, 1e-300), np.arange(COUNT))
    weights = _barycentric(spots)
    at = np.einsum("nc,nck->nk", weights, local[corners[chosen]])
    low, high = local[corners].min(axis=(0, 1)), local[corners].max(axis=(0, 1))
    place = (at - low) / np.maximum(high - low, 1e-12)
    uv, colors = (
        {name: np.einsum("nc,nck->nk", weights, values[loops[chosen]]) for name, values in group}
        for group in layers
    )
    return Points(float(areas.sum()), _cosines(COUNT), place, _chances(COUNT), uv, colors)


def _barycentric(spots: Floats) -> Floats:
    """Even weights of a triangle's corners from points of the unit square."""
    root = np.sqrt(spots[:, 0])
    return np.stack([1 - root, root * (1 - spots[:, 1]), root * spots[:, 1]], axis=1)


def _cosines(count: int) -> Floats:
    """Cosines as they are spread over the picture of a ball: their squares are even."""
    order = (np.arange(count) * 61) % count
    cosines: Floats = np.sqrt((order + 0.5) / count)
    return cosines


def _chances(count: int) -> Floats:
    chances: Floats = ((np.arange(count) * 149) % count + 0.5) / count
    return chances


def _areas(triangles: Floats) -> Floats:
    sides = triangles[:, 1:] - triangles[:, :1]
    areas: Floats = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    return areas


def _layers(mesh: Any) -> tuple[list[tuple[str, Floats]], list[tuple[str, Floats]]]:
    """Per-corner uv layers and colours by name, with the ones that renders use as ""."""
    uv, colors = [], []
    for layer in mesh.uv_layers:
        values = _read(layer.uv, "vector", 2, np.float32).astype(np.float64)
        uv += [(name, values) for name in ("", layer.name)[not layer.active_render :]]
    for index, layer in enumerate(mesh.color_attributes):
        values = _read(layer.data, "color", 4, np.float32)[:, :3].astype(np.float64)
        if layer.domain == "POINT":
            values = values[_read(mesh.loops, "vertex_index", 1, np.int32)[:, 0]]
        first = index == mesh.color_attributes.render_color_index
        colors += [(name, values) for name in ("", layer.name)[not first :]]
    return uv, colors


def _read(collection: Any, name: str, width: int, kind: Any) -> Any:
    values = np.empty(len(collection) * width, kind)
    collection.foreach_get(name, values)
    return values.reshape(-1, width)
