"""Material extensions of glTF that Blender 4.5's importer leaves out, through its own hook.

Sources: KHR_materials_iridescence, KHR_materials_diffuse_transmission and
KHR_materials_dispersion of the Khronos glTF registry. Factors are taken, their textures are not.
Dispersion has no input in Cycles and is only kept from being an error where a file requires it.
"""

from __future__ import annotations

from typing import Any

import bpy

IRIDESCENCE = "KHR_materials_iridescence"
DIFFUSE_TRANSMISSION = "KHR_materials_diffuse_transmission"
NAMES = (IRIDESCENCE, DIFFUSE_TRANSMISSION, "KHR_materials_dispersion")


class _Extension:
    """How the importer wants an extension to be named."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.required = True


class glTF2ImportUserExtension:  # noqa: N801  the name that the importer looks for
    """Called by the importer for every material."""

    def __init__(self) -> None:
        self.extensions = [_Extension(name) for name in NAMES]

    def gather_import_material_after_hook(
        self, source: Any, vertex_color: Any, material: Any, gltf: Any
    ) -> None:
        """Add what the importer left out to a finished material."""
        found = getattr(source, "extensions", None) or {}
        shader = _principled(material)
        if shader is None:
            return
        if IRIDESCENCE in found:
            _film(shader, found[IRIDESCENCE])
        if DIFFUSE_TRANSMISSION in found:
            _diffuse_transmission(material.node_tree, shader, found[DIFFUSE_TRANSMISSION])


def enable() -> None:
    """Let the importer find this module among the add-ons."""
    addons = bpy.context.preferences.addons
    if __name__ not in addons:
        addons.new().module = __name__


def _principled(material: Any) -> Any:
    nodes = material.node_tree.nodes if material.use_nodes else ()
    return next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)


def _film(shader: Any, values: dict[str, Any]) -> None:
    if values.get("iridescenceFactor", 0.0) > 0:
        shader.inputs["Thin Film Thickness"].default_value = values.get(
            "iridescenceThicknessMaximum", 400.0
        )
        shader.inputs["Thin Film IOR"].default_value = values.get("iridescenceIor", 1.3)


def _diffuse_transmission(tree: Any, shader: Any, values: dict[str, Any]) -> None:
    """Mix a translucent lobe in by the factor; the surface's own reflection stays."""
    users = [link.to_socket for link in shader.outputs["BSDF"].links]
    mix = tree.nodes.new("ShaderNodeMixShader")
    mix.inputs["Fac"].default_value = values.get("diffuseTransmissionFactor", 0.0)
    back = tree.nodes.new("ShaderNodeBsdfTranslucent")
    colour = values.get("diffuseTransmissionColorFactor", (1.0, 1.0, 1.0))
    back.inputs["Color"].default_value = (*colour, 1.0)
    tree.links.new(shader.outputs["BSDF"], mix.inputs[1])
    tree.links.new(back.outputs["BSDF"], mix.inputs[2])
    for socket in users:
        tree.links.new(mix.outputs["Shader"], socket)
