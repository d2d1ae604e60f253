"""Shader nodes as expressions: a call makes a node, takes values or sockets, returns its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import bpy

Socket: TypeAlias = Any  # a bpy.types.NodeSocket; bpy carries no type hints
Value: TypeAlias = Any  # a number, a sequence of numbers, or a Socket


class NodeGraph:
    """The node tree of one Blender material."""

    def __init__(self, material: bpy.types.Material) -> None:
        material.use_nodes = True
        self.tree = material.node_tree
        self.tree.nodes.clear()
        self.output = self.tree.nodes.new("ShaderNodeOutputMaterial")

    def node(self, kind: str, inputs: dict[str, Value], **settings: Any) -> bpy.types.ShaderNode:
        """A new node; `inputs` by socket identifier, `settings` are its properties.

        An input of None keeps the node's default.
        """
        node = self.tree.nodes.new(kind)
        for name, setting in settings.items():
            setattr(node, name, setting)
        sockets = {socket.identifier: socket for socket in node.inputs}
        for identifier, value in inputs.items():
            if value is not None:
                self._feed(sockets[identifier], value)
        return node

    def _feed(self, socket: Socket, value: Value) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif socket.type == "RGBA" and len(value) == 3:
            socket.default_value = (*value, 1.0)
        else:
            socket.default_value = value

    def surface(self, shader: Socket) -> None:
        """Use `shader` as the material's surface."""
        self.tree.links.new(shader, self.output.inputs["Surface"])

    def volume(self, shader: Socket) -> None:
        """Use `shader` as the material's volume."""
        self.tree.links.new(shader, self.output.inputs["Volume"])

    def math(self, operation: str, *operands: Value) -> Socket:
        """A number from numbers, by the Math node's operation."""
        names = ("Value", "Value_001", "Value_002")
        inputs = dict(zip(names, operands, strict=False))
        return self.node("ShaderNodeMath", inputs, operation=operation).outputs[0]

    def vector(self, operation: str, *operands: Value) -> Socket:
        """A vector from vectors, by the Vector Math node's operation."""
        names = ("Vector", "Vector_001", "Vector_002")
        inputs = dict(zip(names, operands, strict=False))
        node = self.node("ShaderNodeVectorMath", inputs, operation=operation)
        return node.outputs["Value" if operation in ("DOT_PRODUCT", "LENGTH") else "Vector"]

    def split(self, vector: Value) -> tuple[Socket, Socket, Socket]:
        """The three components of a vector."""
        outputs = self.node("ShaderNodeSeparateXYZ", {"Vector": vector}).outputs
        return outputs[0], outputs[1], outputs[2]

    def join(self, x: Value, y: Value, z: Value) -> Socket:
        """A vector of three numbers."""
        return self.node("ShaderNodeCombineXYZ", {"X": x, "Y": y, "Z": z}).outputs[0]

    def lerp(self, factor: Value, a: Value, b: Value) -> Socket:
        """The number a at factor 0, b at 1."""
        inputs = {"Factor_Float": factor, "A_Float": a, "B_Float": b}
        return self.node("ShaderNodeMix", inputs, data_type="FLOAT").outputs[0]

    def blend(self, factor: Value, a: Value, b: Value, mode: str = "MIX") -> Socket:
        """The colour a at factor 0, b at 1 (or another blend mode)."""
        inputs = {"Factor_Float": factor, "A_Color": a, "B_Color": b}
        node = self.node("ShaderNodeMix", inputs, data_type="RGBA", blend_type=mode)
        return next(out for out in node.outputs if out.identifier == "Result_Color")

    def shade(self, color: Value, gain: Socket) -> Socket:
        """A colour times a number."""
        node = self.node(
            "ShaderNodeVectorMath", {"Vector": color, "Scale": gain}, operation="SCALE"
        )
        return node.outputs["Vector"]

    def step(self, value: Value, low: float, high: float) -> Socket:
        """0 below `low`, 1 above `high`, smooth between (either order)."""
        inputs = {"Value": value, "From Min": low, "From Max": high}
        return self.node("ShaderNodeMapRange", inputs, interpolation_type="SMOOTHSTEP").outputs[0]

    def noise(self, at: Value, scale: float = 1.0, detail: float = 2.0) -> Socket:
        """Fractal gradient noise in [0, 1], centred on 0.5."""
        inputs = {"Vector": at, "Scale": scale, "Detail": detail}
        return self.node("ShaderNodeTexNoise", inputs).outputs["Fac"]

    def random(self, at: Value) -> Socket:
        """A number in [0, 1) that depends on the exact vector only."""
        return self.node("ShaderNodeTexWhiteNoise", {"Vector": at}).outputs["Value"]

    def add(self, shaders: Sequence[Socket]) -> Socket:
        """The sum of shaders."""
        total = shaders[0]
        for shader in shaders[1:]:
            node = self.tree.nodes.new("ShaderNodeAddShader")
            self.tree.links.new(total, node.inputs[0])
            self.tree.links.new(shader, node.inputs[1])
            total = node.outputs[0]
        return total

    def mix(self, factor: Value, a: Socket, b: Socket) -> Socket:
        """The shader a at factor 0, b at 1."""
        node = self.tree.nodes.new("ShaderNodeMixShader")
        for socket, value in zip(node.inputs, (factor, a, b), strict=True):
            self._feed(socket, value)
        return node.outputs[0]

    def bump(self, height: Socket, metres: float) -> Socket:
        """A normal tilted by relief of `height` times `metres`."""
        inputs = {"Strength": 1.0, "Distance": metres, "Height": height}
        return self.node("ShaderNodeBump", inputs).outputs[0]
