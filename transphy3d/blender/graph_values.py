"""Values of shader sockets at points of a surface, as a camera ray that meets it sees them.

Every value is an (N, 3) array, one row a point; numbers are rows of three equal entries. What a
node cannot be evaluated for is mid-grey and leaves a note.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from transphy3d.blender.graph_images import SPREADS, UNKNOWN, Pictures
from transphy3d.blender.graph_links import Constant, Frame, Source, by_identifier, origin
from transphy3d.blender.graph_math import MATH, VECTOR_MATH, mix_colors, ramp
from transphy3d.blender.surface_points import Floats, Points

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear Rec. 709 primaries
MAX_EVALUATIONS = 20_000  # of one material; only a hostile graph needs more


class Values:
    """Evaluates sockets of one material's node tree at its points.

    notes : what was met that could not be evaluated
    """

    def __init__(self, points: Points, pictures: Pictures) -> None:
        self.points = points
        self.pictures = pictures
        self.notes: set[str] = set()
        self._memo: dict[tuple[Any, ...], Floats] = {}
        self._count = 0

    def full(self, value: Any) -> Floats:
        """One value at every point."""
        return np.tile(np.broadcast_to(np.asarray(value, np.float64), 3), (self.size, 1))

    @property
    def size(self) -> int:
        return len(self.points.cosine)

    def number(self, socket: Any, frame: Frame) -> Floats:
        """(N,) values of an input; colours count by their luminance, as in Blender."""
        numbers: Floats = self.rows(socket, frame) @ LUMINANCE
        return numbers

    def rows(self, socket: Any, frame: Frame) -> Floats:
        """(N, 3) values of an input."""
        found = origin(socket, frame)
        if found is None:
            return self.full(0.0)
        if isinstance(found, Constant):
            return self._default(found.socket)
        return self.output(found)

    def output(self, source: Source) -> Floats:
        """(N, 3) values of an output; a loop in the graph counts as mid-grey."""
        inside = tuple(node.as_pointer() for node in source.frame)
        key = (inside, source.node.as_pointer(), source.output.identifier)
        if key not in self._memo:
            self._count += 1
            if self._count > MAX_EVALUATIONS:
                raise ValueError("its node graph is too large to evaluate")
            self._memo[key] = self.full(UNKNOWN)
            self._memo[key] = self._evaluate(source)
        return self._memo[key]

    def _evaluate(self, source: Source) -> Floats:
        node = source.node
        if node.bl_idname in SPREADS:
            return self._spread(node)
        evaluate = NODES.get(node.bl_idname)
        if evaluate is None:
            self.notes.add(f"node {node.bl_idname} is not evaluated")
            return self.full(UNKNOWN)
        found = evaluate(self, source)
        return np.nan_to_num(np.broadcast_to(found, (self.size, 3)), nan=0, posinf=1e6, neginf=-1e6)

    def _spread(self, node: Any) -> Floats:
        """A procedural texture by how often its values occur, not where."""
        turn = sum(map(ord, node.name)) * 0.6180339887498949
        return column(SPREADS[node.bl_idname]((self.points.chance + turn) % 1.0 * 0.998 + 0.001))

    def _default(self, socket: Any) -> Floats:
        value = getattr(socket, "default_value", 0.0)
        if isinstance(value, (int, float)):
            return self.full(value)
        return self.full(value[:3]) if hasattr(value, "__len__") else self.full(0.0)

    def by_name(self, source: Source, *names: str) -> Floats:
        """(N, 3) values of the input with the first of these identifiers or names."""
        return self.rows(named(source.node, *names), source.frame)


def named(node: Any, *names: str) -> Any:
    """A node's input by identifier, or else by name."""
    for name in names:
        found = by_identifier(node.inputs, name) or node.inputs.get(name)
        if found is not None:
            return found
    raise ValueError(f"node {node.name!r} has no input {names[0]!r}")


def column(values: Floats) -> Floats:
    """(N,) numbers as (N, 3) rows."""
    return np.repeat(values[:, None], 3, axis=1)


def fresnel(cosine: Floats, ior: Floats) -> Floats:
    """Share of unpolarised light that a dielectric reflects, (N,); Fresnel's equations."""
    ior = np.maximum(ior, 1e-5)
    squared = ior**2 - 1 + cosine**2
    root = np.sqrt(np.maximum(squared, 0))
    along = (root - cosine) / np.maximum(root + cosine, 1e-12)
    across = (cosine * root - (1 - cosine**2)) / np.maximum(cosine * root + 1 - cosine**2, 1e-12)
    found: Floats = np.where(squared <= 0, 1.0, 0.5 * along**2 * (1 + across**2))
    return np.clip(found, 0, 1)


def _fresnel(values: Values, source: Source) -> Floats:
    ior = values.number(named(source.node, "IOR"), source.frame)
    return column(fresnel(values.points.cosine, ior))


def _layer_weight(values: Values, source: Source) -> Floats:
    """As Cycles' node_layer_weight: `Fresnel` of index 1 / (1 - blend), or a power of facing."""
    blend = values.number(named(source.node, "Blend"), source.frame)
    cosine = values.points.cosine
    if source.output.identifier == "Fresnel":
        return column(fresnel(cosine, 1 / np.maximum(1 - blend, 1e-5)))
    blend = np.clip(blend, 0, 1 - 1e-5)
    power = np.where(blend < 0.5, 2 * blend, 0.5 / (1 - blend))
    return column(1 - cosine**power)


def _light_path(values: Values, source: Source) -> Floats:
    return values.full(1.0 if source.output.identifier == "Is Camera Ray" else 0.0)


def _constant(values: Values, source: Source) -> Floats:
    return values._default(source.output)


def _math(values: Values, source: Source) -> Floats:
    operands = [values.number(socket, source.frame) for socket in source.node.inputs]
    return column(_operate(values, source.node, MATH, operands))


def _vector_math(values: Values, source: Source) -> Floats:
    operands = [values.rows(socket, source.frame) for socket in source.node.inputs]
    return _operate(values, source.node, VECTOR_MATH, operands)


def _operate(values: Values, node: Any, table: dict[str, Any], operands: list[Floats]) -> Floats:
    operation = table.get(node.operation)
    if operation is None:
        values.notes.add(f"operation {node.operation} is not evaluated")
        return np.full_like(operands[0], UNKNOWN)
    with np.errstate(all="ignore"):
        found: Floats = np.nan_to_num(operation(*operands[: operation.__code__.co_argcount]))
    return np.clip(found, 0, 1) if getattr(node, "use_clamp", False) else found


def _mix(values: Values, source: Source) -> Floats:
    node, kind = source.node, source.node.data_type
    if kind not in ("FLOAT", "VECTOR", "RGBA"):
        return values.full(UNKNOWN)
    suffix = {"FLOAT": "Float", "VECTOR": "Vector", "RGBA": "Color"}[kind]
    uniform = kind != "VECTOR" or node.factor_mode == "UNIFORM"
    factor = values.by_name(source, "Factor_Float" if uniform else "Factor_Vector")
    first, second = values.by_name(source, f"A_{suffix}"), values.by_name(source, f"B_{suffix}")
    if node.clamp_factor:
        factor = np.clip(factor, 0, 1)
    mixed = mix_colors(node.blend_type if kind == "RGBA" else "MIX", factor, first, second)
    return np.clip(mixed, 0, 1) if node.clamp_result else mixed


def _mix_legacy(values: Values, source: Source) -> Floats:
    factor = np.clip(column(values.number(source.node.inputs[0], source.frame)), 0, 1)
    first, second = (values.rows(socket, source.frame) for socket in source.node.inputs[1:3])
    mixed = mix_colors(source.node.blend_type, factor, first, second)
    return np.clip(mixed, 0, 1) if source.node.use_clamp else mixed


def _invert(values: Values, source: Source) -> Floats:
    color, factor = values.by_name(source, "Color"), values.by_name(source, "Fac")
    return color + factor * (1 - 2 * color)


def _gamma(values: Values, source: Source) -> Floats:
    color = np.maximum(values.by_name(source, "Color"), 0)
    return np.power(color, values.by_name(source, "Gamma"))


def _bright_contrast(values: Values, source: Source) -> Floats:
    color, contrast = values.by_name(source, "Color"), values.by_name(source, "Contrast")
    bright = values.by_name(source, "Bright")
    return np.maximum((1 + contrast) * color + bright - contrast / 2, 0)


def _hue_saturation(values: Values, source: Source) -> Floats:
    """Saturation and value; hue leaves what matters here, lightness and greyness, as they are."""
    color, factor = values.by_name(source, "Color"), values.by_name(source, "Fac")
    peak = color.max(axis=1, keepdims=True)
    changed: Floats = peak + (color - peak) * values.by_name(source, "Saturation")
    scaled: Floats = np.maximum(changed, 0) * values.by_name(source, "Value")
    return color + factor * (scaled - color)


def _ramp(values: Values, source: Source) -> Floats:
    factor = values.number(source.node.inputs[0], source.frame)
    rows = ramp(source.node.color_ramp, factor)
    return column(rows[:, 3]) if source.output.identifier == "Alpha" else rows[:, :3]


def _map_range(values: Values, source: Source) -> Floats:
    """Linear; smooth and stepped kinds keep its ends and order."""
    names = ("Value", "From Min", "From Max", "To Min", "To Max")
    if source.node.data_type == "FLOAT_VECTOR":
        names = ("Vector", "From_Min_FLOAT3", "From_Max_FLOAT3", "To_Min_FLOAT3", "To_Max_FLOAT3")
    value, low, high, to_low, to_high = (values.by_name(source, name) for name in names)
    span = np.where(high == low, 1.0, high - low)
    share = np.where(high == low, 0.0, (value - low) / span)
    if source.node.clamp:
        share = np.clip(share, 0, 1)
    mapped: Floats = to_low + share * (to_high - to_low)
    return mapped


def _clamp(values: Values, source: Source) -> Floats:
    value, low, high = (values.by_name(source, name) for name in ("Value", "Min", "Max"))
    if source.node.clamp_type == "RANGE":
        low, high = np.minimum(low, high), np.maximum(low, high)
    return np.minimum(np.maximum(value, low), high)


CHANNELS = {"Red": 0, "Green": 1, "Blue": 2, "R": 0, "G": 1, "B": 2, "X": 0, "Y": 1, "Z": 2}


def _separate(values: Values, source: Source) -> Floats:
    rows = values.rows(source.node.inputs[0], source.frame)
    mode = getattr(source.node, "mode", "RGB")
    place = CHANNELS.get(source.output.identifier, 0)
    if mode != "RGB":
        rows = np.stack([_hue(rows), _saturation(rows), rows.max(axis=1)], axis=1)
    return column(rows[:, place])


def _hue(rows: Floats) -> Floats:
    return np.full(len(rows), UNKNOWN)


def _saturation(rows: Floats) -> Floats:
    peak = rows.max(axis=1)
    found: Floats = 1 - rows.min(axis=1) / np.maximum(peak, 1e-9)
    return found


def _combine(values: Values, source: Source) -> Floats:
    parts = [values.number(socket, source.frame) for socket in list(source.node.inputs)[:3]]
    if getattr(source.node, "mode", "RGB") == "RGB":
        return np.stack(parts, axis=1)
    return column(parts[2])  # the value or lightness of a hue that does not matter here


def _grey(values: Values, source: Source) -> Floats:
    return column(values.number(source.node.inputs[0], source.frame))


def _curves(values: Values, source: Source) -> Floats:
    mapping = source.node.mapping
    mapping.update()
    color, factor = (
        values.by_name(source, "Color", "Value"),
        values.by_name(source, "Fac", "Factor"),
    )
    last = mapping.curves[len(mapping.curves) - 1]
    one = len(mapping.curves) == 1
    curved = [
        [mapping.evaluate(last if one else mapping.curves[k], v) for v in color[:, k]]
        for k in range(3)
    ]
    joined = np.array(curved).T
    if not one:
        joined = np.vectorize(lambda value: mapping.evaluate(last, value))(joined)
    return color + factor * (joined - color)


def _image(values: Values, source: Source) -> Floats:
    node = source.node
    if node.image is None:
        values.notes.add("a picture node has no picture")
        return values.full(UNKNOWN)
    link = origin(node.inputs["Vector"], source.frame)
    if isinstance(link, Source):
        uv = values.output(link)[:, :2]
    else:
        uv = values.points.uv.get("", values.points.place[:, :2])
    pixels = values.pictures.sample(node.image, uv, node.extension)
    return column(pixels[:, 3]) if source.output.identifier == "Alpha" else pixels[:, :3]


def _checker(values: Values, source: Source) -> Floats:
    odd = column((values.points.chance < 0.5).astype(np.float64))
    if source.output.identifier == "Fac":
        return odd
    return values.by_name(source, "Color1") * odd + values.by_name(source, "Color2") * (1 - odd)


def _brick(values: Values, source: Source) -> Floats:
    """Two colours of bricks; the mortar's share of the surface is left out."""
    if source.output.identifier == "Fac":
        return values.full(0.0)
    return (values.by_name(source, "Color1") + values.by_name(source, "Color2")) / 2


def _coordinates(values: Values, source: Source) -> Floats:
    if source.output.identifier == "UV":
        return _flat(values.points.uv.get("", values.points.place[:, :2]))
    return values.points.place


def _uv_map(values: Values, source: Source) -> Floats:
    layers = values.points.uv
    return _flat(layers.get(source.node.uv_map, layers.get("", values.points.place[:, :2])))


def _flat(uv: Floats) -> Floats:
    return np.column_stack([uv, np.zeros(len(uv))])


def _mapping(values: Values, source: Source) -> Floats:
    """Scaled, turned about Z only, and moved; textures lie in the plane."""
    names = ("Vector", "Scale", "Rotation")
    vector, scale, turn = (values.by_name(source, name) for name in names)
    moved = values.by_name(source, "Location") if "Location" in source.node.inputs else 0.0
    scaled, angle = vector * scale, turn[:, 2]
    x = scaled[:, 0] * np.cos(angle) - scaled[:, 1] * np.sin(angle)
    y = scaled[:, 0] * np.sin(angle) + scaled[:, 1] * np.cos(angle)
    return np.column_stack([x, y, scaled[:, 2]]) + moved


def _attribute(values: Values, source: Source) -> Floats:
    """A colour layer of the mesh; Blender gives 0 where there is none of that name."""
    node, layers = source.node, values.points.colors
    name = getattr(node, "attribute_name", getattr(node, "layer_name", ""))
    if source.output.identifier == "Alpha":
        return values.full(1.0)
    return layers.get(name, values.full(0.0))


def _geometry(values: Values, source: Source) -> Floats:
    return values.full(0.0) if source.output.identifier == "Backfacing" else values.points.place


def _chance(values: Values, source: Source) -> Floats:
    return column(values.points.chance)


def _occlusion(values: Values, source: Source) -> Floats:
    return values.by_name(source, "Color") if "Color" in source.node.inputs else values.full(1.0)


NODES: dict[str, Callable[[Values, Source], Floats]] = {
    "ShaderNodeAmbientOcclusion": _occlusion,
    "ShaderNodeAttribute": _attribute,
    "ShaderNodeBrightContrast": _bright_contrast,
    "ShaderNodeClamp": _clamp,
    "ShaderNodeCombineColor": _combine,
    "ShaderNodeCombineRGB": _combine,
    "ShaderNodeCombineXYZ": _combine,
    "ShaderNodeFloatCurve": _curves,
    "ShaderNodeFresnel": _fresnel,
    "ShaderNodeGamma": _gamma,
    "ShaderNodeHueSaturation": _hue_saturation,
    "ShaderNodeInvert": _invert,
    "ShaderNodeLayerWeight": _layer_weight,
    "ShaderNodeLightPath": _light_path,
    "ShaderNodeMapRange": _map_range,
    "ShaderNodeMapping": _mapping,
    "ShaderNodeMath": _math,
    "ShaderNodeMix": _mix,
    "ShaderNodeMixRGB": _mix_legacy,
    "ShaderNodeNewGeometry": _geometry,
    "ShaderNodeObjectInfo": _chance,
    "ShaderNodeRGB": _constant,
    "ShaderNodeRGBCurve": _curves,
    "ShaderNodeRGBToBW": _grey,
    "ShaderNodeSeparateColor": _separate,
    "ShaderNodeSeparateRGB": _separate,
    "ShaderNodeSeparateXYZ": _separate,
    "ShaderNodeTexBrick": _brick,
    "ShaderNodeTexChecker": _checker,
    "ShaderNodeTexCoord": _coordinates,
    "ShaderNodeTexImage": _image,
    "ShaderNodeUVMap": _uv_map,
    "ShaderNodeValToRGB": _ramp,
    "ShaderNodeValue": _constant,
    "ShaderNodeVectorMath": _vector_math,
    "ShaderNodeVertexColor": _attribute,
}
