"""Plain furniture and boxes in the background, so that glass has something to bend.

An item is a few numbers under the prefix "item<n>_" in a room's parameters. Its details follow
from those numbers alone, by golden-ratio sequences where a pattern should look irregular.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from transphy3d.assets.geometry import FloatArray, Mesh
from transphy3d.jsonio import Params
from transphy3d.materials.spec import Material
from transphy3d.scenes.geometry import StaticBody
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.solids import (
    box,
    box_hull,
    ellipse_outline,
    loft,
    moved,
    rounded,
    spin,
    turned,
)

GOLDEN = 0.6180339887498949
ROUND = 48
BOOK_COLOURS = 3
SPINE = (0.018, 0.05)
# Width, depth and height of each kind, low and high, metres.
SIZES = {
    "crate": ((0.25, 0.25, 0.2), (0.5, 0.45, 0.45)),
    "cabinet": ((0.6, 0.35, 0.6), (1.3, 0.5, 1.0)),
    "bookcase": ((0.6, 0.26, 1.2), (1.1, 0.34, 2.0)),
    "plant": ((0.5, 0.5, 0.7), (0.9, 0.9, 1.5)),
    "lamp": ((0.32, 0.32, 1.3), (0.48, 0.48, 1.7)),
}
LOW_KINDS = ("crate", "cabinet", "plant")
COLOURS = ("wall_paint", "backdrop", "cloth", "plastic_bin", "wood", "cardboard")

Piece = tuple[Mesh, str]


@dataclass(frozen=True)
class Item:
    """A piece of furniture: where its middle stands, its turn about Z, and its size in metres."""

    kind: str
    x: float
    y: float
    turn: float
    width: float
    depth: float
    height: float

    def params(self, number: int) -> Params:
        """The item as parameters of a room."""
        return {f"item{number}_{name}": value for name, value in vars(self).items()}


def sample_item(rng: np.random.Generator, kind: str, x: float, y: float, turn: float) -> Item:
    """An item of a kind, with a size of its own; its back is towards +Y before it turns."""
    width, depth, height = rng.uniform(*SIZES[kind])
    return Item(kind, x, y, turn, float(width), float(depth), float(height))


def items_of(params: Params) -> list[Item]:
    """The items in a room's parameters, in their order."""
    result: list[Item] = []
    while (prefix := f"item{len(result)}_") + "kind" in params:
        kind = str(params[prefix + "kind"])
        numbers = ("x", "y", "turn", "width", "depth", "height")
        result.append(Item(kind, *(float(params[prefix + name]) for name in numbers)))
    return result


def item_materials(rng: np.random.Generator, palette: Palette, count: int) -> dict[str, Material]:
    """Materials "item<n>" for each item, and shared ones for books, trim and leaves."""
    materials = {
        f"item{number}": palette.surface(rng, "surface", like=COLOURS) for number in range(count)
    }
    for number in range(BOOK_COLOURS):
        materials[f"detail{number}"] = palette.surface(rng, "surface", like=("cloth", "bin"))
    return materials | {"leaf": _leaf_material(rng)}


def _leaf_material(rng: np.random.Generator) -> Material:
    """A waxy green between olive and bottle green, as judged by eye."""
    share, bright = float(rng.random()), float(rng.uniform(0.7, 1.3))
    return Material(
        name="leaf",
        kind="surface",
        optical_class="opaque",
        model="principled",
        density=700.0,
        friction=0.5,
        restitution=0.1,
        roughness=float(rng.uniform(0.3, 0.6)),
        base_color=((0.03 + 0.09 * share) * bright, 0.14 * bright, 0.04 * bright),
    )


def build_items(params: Params, floor: float) -> list[StaticBody]:
    """All items of a room, standing on the floor at height `floor`.

    The first piece of each has the box around the item as its hull.
    """
    bodies = []
    for number, item in enumerate(items_of(params)):
        offset = (item.x, item.y, floor)
        for part, (mesh, material) in enumerate(BUILDERS[item.kind](item)):
            placed = moved(turned(mesh, item.turn), offset)
            name = f"{item.kind}_{number}_{part}"
            hulls = (spin(_around(item), item.turn) + offset,) if part == 0 else ()
            bodies.append(StaticBody(name, placed, material or f"item{number}", hulls))
    return bodies


def _around(item: Item) -> FloatArray:
    """Corners of the box around an item in its own frame, (8, 3)."""
    x, y = item.width / 2, item.depth / 2
    return box_hull((-x, -y, 0.0), (x, y, item.height))


def _block(low: tuple[float, float, float], high: tuple[float, float, float], key: str) -> Piece:
    return box(low, high, 0.003), key


def _turned(outline: list[tuple[float, float]], material: str) -> Piece:
    """A solid of revolution from (radius, height) points, upwards on its outside."""
    reach = max(radius for radius, _ in outline)
    profile = [(reach - radius, height) for radius, height in outline]
    return loft(ellipse_outline(reach, reach, ROUND), profile), material


def _crate(item: Item) -> Iterator[Piece]:
    """A closed box with a slightly wider lid."""
    x, y, z = item.width / 2, item.depth / 2, item.height
    yield _block((-x, -y, 0.0), (x, y, 0.8 * z), "")
    yield _block((-x - 0.01, -y - 0.01, 0.8 * z), (x + 0.01, y + 0.01, z), "")


def _cabinet(item: Item) -> Iterator[Piece]:
    """A body on a plinth with doors and a top."""
    x, y, z = item.width / 2, item.depth / 2, item.height
    doors = max(2, round(item.width / 0.45))
    yield _block((-x + 0.02, -y + 0.05, 0.0), (x - 0.02, y, 0.08), "detail0")
    yield _block((-x, -y, 0.08), (x, y, z - 0.025), "")
    yield _block((-x - 0.01, -y - 0.025, z - 0.025), (x + 0.01, y, z), "detail0")
    step = item.width / doors
    for door in range(doors):
        left = -x + door * step
        low, high = (left + 0.006, -y - 0.018, 0.09), (left + step - 0.006, -y, z - 0.035)
        yield _block(low, high, "")


def _bookcase(item: Item) -> Iterator[Piece]:
    """Sides, back and boards with rows of books."""
    x, y, z = item.width / 2, item.depth / 2, item.height
    yield _block((-x, -y, 0.0), (-x + 0.02, y, z), "")
    yield _block((x - 0.02, -y, 0.0), (x, y, z), "")
    yield _block((-x + 0.02, y - 0.012, 0.0), (x - 0.02, y, z), "")
    rows = max(2, round(z / 0.34))
    for row in range(rows + 1):
        level = 0.02 + row * (z - 0.04) / rows
        yield _block((-x + 0.02, -y, level - 0.02), (x - 0.02, y - 0.012, level), "")
        if row < rows:
            yield from _books(x - 0.02, y - 0.014, level, (z - 0.04) / rows - 0.03, row)


def _books(x: float, y: float, level: float, room: float, row: int) -> Iterator[Piece]:
    """A row of books from the left that leaves part of the board empty."""
    left, count = -x + 0.002, row * 29
    end = x * (2 * ((row + 1) * GOLDEN % 1) - 0.4)
    while left < min(end, x - SPINE[1]):
        share = count * GOLDEN % 1
        spine = SPINE[0] + share * (SPINE[1] - SPINE[0])
        height = room * (0.6 + 0.35 * (count * GOLDEN * 7 % 1))
        low = (left, y - 0.12 - 0.06 * share, level)
        high = (left + spine - 0.001, y, level + height)
        yield _block(low, high, f"detail{count % BOOK_COLOURS}")
        left, count = left + spine, count + 1


def _plant(item: Item) -> Iterator[Piece]:
    """A tapered pot and arching leaves at golden angles."""
    pot, rim = 0.14, 0.28
    yield _turned([(0.01, 0.0), (0.75 * pot, 0.0), (pot, rim), (0.9 * pot, rim), (0.01, rim)], "")
    leaves = 17
    for leaf in range(leaves):
        rise = (item.height - rim) * (0.45 + 0.55 * (leaf + 1) / leaves)
        spread = item.width / 2 * (1.0 - 0.5 * leaf / leaves)
        mesh = turned(_leaf(rise, spread), 2 * np.pi * leaf * GOLDEN)
        yield moved(mesh, (0.0, 0.0, rim - 0.02)), "leaf"


def _leaf(rise: float, spread: float) -> Mesh:
    """A closed thin leaf that climbs and then bends outwards along +X, metres."""
    share = np.linspace(0.02, 0.98, 14)
    middle = np.column_stack([spread * share**1.7, np.zeros(14), rise * np.sin(share * 1.9)])
    half = 0.055 * np.sin(np.pi * share) ** 0.7 + 0.004
    steps = 10
    angle = np.arange(steps) / steps * 2 * np.pi
    normal = np.column_stack([-np.gradient(middle[:, 2]), np.zeros(14), np.gradient(middle[:, 0])])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    rings = [
        centre + np.outer(np.cos(angle) * wide, (0, 1, 0)) + np.outer(np.sin(angle) * 0.003, up)
        for centre, wide, up in zip(middle, half, normal, strict=True)
    ]
    return _skin(np.array(rings))


def _skin(rings: FloatArray) -> Mesh:
    """The closed mesh through rings (R, N, 3), with fans at both ends, outside outwards."""
    flat = ellipse_outline(1.0, 1.0, rings.shape[1])
    mesh = loft(flat, [(0.0, float(row)) for row in range(len(rings))])
    ends = rings[[0, -1]].mean(axis=1)
    vertices = np.vstack([rings.reshape(-1, 3), ends])
    first, second, third = (vertices[mesh.faces[:, corner]] for corner in range(3))
    volume = np.sum(np.cross(first, second) * third)
    return Mesh(vertices, mesh.faces if volume > 0 else mesh.faces[:, ::-1].copy())


def _lamp(item: Item) -> Iterator[Piece]:
    """A floor lamp: foot, pole and a conical shade."""
    z, shade = item.height, item.width / 2
    yield _turned([(0.005, 0.0), (0.14, 0.0), (0.14, 0.02), (0.005, 0.025)], "detail0")
    yield _turned([(0.004, 0.02), (0.012, 0.02), (0.012, z - 0.02), (0.004, z - 0.02)], "detail0")
    cone = [(0.01, z - 0.28), (shade, z - 0.28), (0.6 * shade, z), (0.01, z)]
    yield _turned(rounded(cone, (0, 0.004, 0.004, 0)), "")


BUILDERS: dict[str, Callable[[Item], Iterator[Piece]]] = {
    "crate": _crate,
    "cabinet": _cabinet,
    "bookcase": _bookcase,
    "plant": _plant,
    "lamp": _lamp,
}
