"""Procedural patterns over surfaces, in object coordinates in metres, sharp at any distance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transphy3d.blender.nodegraph import NodeGraph, Socket, Value
from transphy3d.materials.spec import RGB, Texture, TextureKind

# Relief in metres at bump = 1, by pattern: the depth of a joint, of a thread, of a trowel mark.
RELIEF: dict[TextureKind, float] = {
    "plain": 0.0008,
    "wood": 0.0006,
    "marble": 0.0,
    "tile": 0.0015,
    "cloth": 0.0004,
    "metal": 0.00008,
    "checker": 0.0,
    "speckle": 0.0004,
}
BOARD_LENGTH = 9.0  # in board widths
BOARD_GAP = 0.0008
GROUT_WIDTH = 0.003
CHIP_SHARE = 0.55


@dataclass(frozen=True)
class Pattern:
    """What a texture gives a shader; roughness is added to the material's, height is 0 to 1.

    None leaves what the material says.
    """

    color: Value
    roughness: Socket | None = None
    height: Socket | None = None


def build_pattern(graph: NodeGraph, texture: Texture) -> Pattern:
    """The nodes of `texture`."""
    return _PATTERNS[texture.kind](graph, texture)


def relief(texture: Texture) -> float:
    """Depth of the texture's relief in metres."""
    return RELIEF[texture.kind] * texture.bump


def _position(graph: NodeGraph) -> Socket:
    return graph.node("ShaderNodeTexCoord", {}).outputs["Object"]


def _solid(graph: NodeGraph, texture: Texture) -> Socket:
    """Position in repeats of the pattern, moved by its seed."""
    factor, seed = 1 / texture.scale, texture.seed
    offset = (seed, 1.618 * seed, 0.618 * seed)
    return graph.vector("MULTIPLY_ADD", _position(graph), (factor,) * 3, offset)


def _flat(graph: NodeGraph, texture: Texture) -> tuple[Socket, Socket]:
    """Position along the surface in repeats: (x, y) on floors, (x or y, z) on walls."""
    normal = graph.node("ShaderNodeTexCoord", {}).outputs["Normal"]
    across, along, up = graph.split(graph.vector("ABSOLUTE", normal))
    x, y, z = graph.split(_solid(graph, texture))
    level = graph.math("GREATER_THAN", up, 0.6)
    faces_y = graph.math("GREATER_THAN", along, across)
    wall_u = graph.lerp(faces_y, y, x)
    return graph.lerp(level, wall_u, x), graph.lerp(level, z, y)


def _color(texture: Texture, index: int) -> RGB:
    """The palette's colour `index`, or its last where it has fewer."""
    return texture.colors[min(index, len(texture.colors) - 1)]


def _varied(graph: NodeGraph, texture: Texture, noise: Socket) -> Socket | None:
    """Roughness to add: the texture's variation, both ways, by a noise in [0, 1]."""
    if texture.roughness_variation == 0:
        return None
    return graph.math("MULTIPLY", graph.math("SUBTRACT", noise, 0.5), texture.roughness_variation)


def _plain(graph: NodeGraph, texture: Texture) -> Pattern:
    at = _solid(graph, texture)
    blotch = graph.noise(at, detail=5)
    color = graph.blend(graph.step(blotch, 0.3, 0.7), _color(texture, 0), _color(texture, 1))
    grain = graph.noise(at, scale=40, detail=3) if texture.bump else None
    return Pattern(color, _varied(graph, texture, blotch), grain)


def _wood(graph: NodeGraph, texture: Texture) -> Pattern:
    u, v = _flat(graph, texture)
    row = graph.math("FLOOR", v)
    shift = graph.random(graph.join(0.5, row, 0.5))
    along = graph.math("MULTIPLY_ADD", u, 1 / BOARD_LENGTH, shift)
    board = graph.random(graph.join(graph.math("FLOOR", along), row, 0.25))
    fibre, figure = _grain(graph, u, v, board)
    tone = graph.math("MULTIPLY_ADD", fibre, 0.7, graph.math("MULTIPLY", figure, 0.35))
    color = graph.blend(graph.step(tone, 0.2, 0.85), _color(texture, 0), _color(texture, 1))
    color = graph.shade(color, graph.math("MULTIPLY_ADD", board, 0.4, 0.75))
    gap = graph.math(
        "MAXIMUM",
        _joint(graph, v, BOARD_GAP / texture.scale),
        _joint(graph, along, BOARD_GAP / texture.scale / BOARD_LENGTH),
    )
    color = graph.blend(gap, color, tuple(0.15 * c for c in _color(texture, 1)))
    height = graph.math("SUBTRACT", graph.math("MULTIPLY", fibre, 0.2), gap)
    return Pattern(color, _varied(graph, texture, tone), height if texture.bump else None)


def _grain(graph: NodeGraph, u: Socket, v: Socket, board: Socket) -> tuple[Socket, Socket]:
    """Fine fibres and the broad figure of growth rings, stretched along u, new on each board."""
    deep = graph.math("MULTIPLY", board, 90.0)
    stretched = graph.join(graph.math("MULTIPLY", u, 0.05), v, deep)
    bend = graph.noise(stretched, scale=1.1, detail=1)
    rings = graph.math("PINGPONG", graph.math("MULTIPLY", bend, 24.0), 1.0)
    thread = graph.join(graph.math("MULTIPLY", u, 0.5), graph.math("MULTIPLY", v, 40.0), deep)
    return graph.noise(thread, detail=3), graph.math("POWER", rings, 2.0)


def _joint(graph: NodeGraph, along: Socket, width: float) -> Socket:
    """1 within half a `width` of whole numbers, 0 elsewhere."""
    edge = graph.math("PINGPONG", along, 0.5)
    return graph.step(edge, width, width / 2)


def _marble(graph: NodeGraph, texture: Texture) -> Pattern:
    at = _solid(graph, texture)
    cloud = graph.noise(at, scale=1.4, detail=6)
    folds = graph.node("ShaderNodeTexNoise", {"Vector": at, "Scale": 2.0, "Detail": 4.0})
    bent = graph.vector("MULTIPLY_ADD", folds.outputs["Color"], (0.7, 0.7, 0.7), at)
    veins = graph.math(
        "MAXIMUM",
        graph.math("MULTIPLY", _vein(graph, bent, 0.9, 0.03), graph.step(cloud, 0.3, 0.65)),
        graph.math("MULTIPLY", _vein(graph, bent, 2.3, 0.02), 0.35),
    )
    color = graph.blend(graph.step(cloud, 0.35, 0.75), _color(texture, 0), _color(texture, 1))
    color = graph.blend(veins, color, _color(texture, 2))
    return Pattern(color, _varied(graph, texture, cloud))


def _vein(graph: NodeGraph, at: Socket, scale: float, width: float) -> Socket:
    """1 on the sheets where a noise crosses its mean, 0 away from them."""
    distance = graph.math("ABSOLUTE", graph.math("SUBTRACT", graph.noise(at, scale, 2), 0.5))
    return graph.step(distance, width, 0.0)


def _tile(graph: NodeGraph, texture: Texture) -> Pattern:
    u, v = _flat(graph, texture)
    width = GROUT_WIDTH / texture.scale
    grout = graph.math("MAXIMUM", _joint(graph, u, width), _joint(graph, v, width))
    cell = graph.join(graph.math("FLOOR", u), graph.math("FLOOR", v), 0.5)
    tile = graph.random(cell)
    mottle = graph.noise(graph.join(u, v, graph.math("MULTIPLY", tile, 90.0)), 3.0, 4)
    tone = graph.math("MULTIPLY_ADD", mottle, 0.5, graph.math("MULTIPLY", tile, 0.5))
    color = graph.blend(tone, _color(texture, 1), _color(texture, 2))
    color = graph.blend(grout, color, _color(texture, 0))
    rough = _varied(graph, texture, mottle)
    rough = graph.math("MULTIPLY_ADD", grout, 0.6, rough if rough else 0.0)
    height = graph.math("SUBTRACT", graph.math("MULTIPLY", mottle, 0.05), grout)
    return Pattern(color, rough, height if texture.bump else None)


def _cloth(graph: NodeGraph, texture: Texture) -> Pattern:
    u, v = _flat(graph, texture)
    over = graph.math("FLOORED_MODULO", _cells(graph, u, v), 2.0)
    warp, weft = _thread(graph, v, u), _thread(graph, u, v)
    height = graph.lerp(over, graph.math("MULTIPLY", warp, 1.0), weft)
    slub = graph.noise(graph.join(graph.math("MULTIPLY", u, 0.08), v, 0.0), 0.6, 2)
    color = graph.blend(over, _color(texture, 0), _color(texture, 1))
    depth = graph.math("MULTIPLY_ADD", height, 0.5, graph.math("MULTIPLY_ADD", slub, 0.5, 0.3))
    return Pattern(graph.shade(color, depth), None, height if texture.bump else None)


def _cells(graph: NodeGraph, u: Socket, v: Socket) -> Socket:
    return graph.math("ADD", graph.math("FLOOR", u), graph.math("FLOOR", v))


def _thread(graph: NodeGraph, across: Socket, along: Socket) -> Socket:
    """Height of a round thread that dives under its neighbours at each whole number."""
    crown = graph.math("MULTIPLY", graph.math("PINGPONG", across, 0.5), 2.0)
    dive = graph.math("MULTIPLY", graph.math("PINGPONG", along, 0.5), 2.0)
    return graph.math(
        "SQRT", graph.math("MULTIPLY", crown, graph.math("MULTIPLY_ADD", dive, 0.6, 0.4))
    )


def _metal(graph: NodeGraph, texture: Texture) -> Pattern:
    u, v = _flat(graph, texture)
    streak = graph.noise(graph.join(graph.math("MULTIPLY", u, 0.01), v, 0.0), detail=4)
    return Pattern(None, _varied(graph, texture, streak), streak if texture.bump else None)


def _checker(graph: NodeGraph, texture: Texture) -> Pattern:
    u, v = _flat(graph, texture)
    odd = graph.math("FLOORED_MODULO", _cells(graph, u, v), 2.0)
    color = graph.blend(odd, _color(texture, 0), _color(texture, 1))
    varied = None
    if texture.roughness_variation:
        varied = _varied(graph, texture, graph.noise(graph.join(u, v, 0.0), 0.7, 3))
    return Pattern(color, varied)


def _speckle(graph: NodeGraph, texture: Texture) -> Pattern:
    at = _solid(graph, texture)
    cells = graph.node("ShaderNodeTexVoronoi", {"Vector": at, "Scale": 1.0}).outputs
    size, pick, shade = graph.split(cells["Color"])
    radius = graph.math("MULTIPLY_ADD", size, CHIP_SHARE, 0.0)
    chip = graph.math("LESS_THAN", cells["Distance"], radius)
    color = _color(texture, 1)
    chips = len(texture.colors) - 1
    for index in range(2, chips + 1):
        chosen = graph.math("GREATER_THAN", pick, (index - 1) / chips)
        color = graph.blend(chosen, color, _color(texture, index))
    color = graph.shade(color, graph.math("MULTIPLY_ADD", shade, 0.3, 0.85))
    color = graph.blend(chip, _color(texture, 0), color)
    rough = (
        _varied(graph, texture, graph.noise(at, 0.1, 3)) if texture.roughness_variation else None
    )
    return Pattern(color, rough, chip if texture.bump else None)


_PATTERNS: dict[TextureKind, Callable[[NodeGraph, Texture], Pattern]] = {
    "plain": _plain,
    "wood": _wood,
    "marble": _marble,
    "tile": _tile,
    "cloth": _cloth,
    "metal": _metal,
    "checker": _checker,
    "speckle": _speckle,
}
