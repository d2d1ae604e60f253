"""glTF materials of every extension that matters, and what each looks like."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

METAL = {"metallicFactor": 1.0, "roughnessFactor": 0.1}
DIELECTRIC = {"metallicFactor": 0.0, "roughnessFactor": 0.8}
SMOOTH = {"metallicFactor": 0.0, "roughnessFactor": 0.05}
CLEAR = {"transmissionFactor": 1.0}


def material(pbr: dict[str, Any], **extensions: Any) -> dict[str, Any]:
    named = {f"KHR_materials_{name}": values for name, values in extensions.items()}
    return {"name": "skin", "pbrMetallicRoughness": pbr, "extensions": named}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "defaults are rough metal": ({"name": "skin"}, "dull_metal"),
    "plain dielectric": (material(DIELECTRIC), "matte"),
    "smooth dielectric": (material(SMOOTH), "glossy"),
    "polished metal": (material(METAL), "mirror"),
    "rough metal": (material({"roughnessFactor": 0.8}), "dull_metal"),
    "transmission": (material(SMOOTH, transmission=CLEAR), "clear"),
    "transmission on default metal": (
        {"extensions": {"KHR_materials_transmission": CLEAR}},
        "dull_metal",
    ),
    "rough transmission": (material(DIELECTRIC, transmission=CLEAR), "frosted"),
    "no transmission": (material(DIELECTRIC, transmission={}), "matte"),
    "volume": (
        material(
            SMOOTH,
            transmission=CLEAR,
            volume={"thicknessFactor": 0.01, "attenuationColor": [0.2, 0.8, 0.3]},
            ior={"ior": 1.52},
        ),
        "clear",
    ),
    "dispersion": (
        material(SMOOTH, transmission=CLEAR, dispersion={"dispersion": 5.0}, ior={"ior": 2.4}),
        "clear",
    ),
    "ior 1 has no gloss": (material(SMOOTH, ior={"ior": 1.0}), "matte"),
    "clearcoat": (
        material(DIELECTRIC, clearcoat={"clearcoatFactor": 1, "clearcoatRoughnessFactor": 0.05}),
        "glossy",
    ),
    "rough clearcoat": (
        material(DIELECTRIC, clearcoat={"clearcoatFactor": 1, "clearcoatRoughnessFactor": 0.6}),
        "matte",
    ),
    "sheen": (
        material(DIELECTRIC, sheen={"sheenColorFactor": [1, 1, 1], "sheenRoughnessFactor": 0.3}),
        "matte",
    ),
    "iridescent metal": (
        material(METAL, iridescence={"iridescenceFactor": 1.0}),
        "mirror",
    ),
    "soap bubble": (
        material(SMOOTH, transmission=CLEAR, iridescence={"iridescenceFactor": 1.0}),
        "clear",
    ),
    "specular switched off": (material(SMOOTH, specular={"specularFactor": 0.0}), "matte"),
    "anisotropic metal": (
        material({"roughnessFactor": 0.25}, anisotropy={"anisotropyStrength": 0.7}),
        "mirror",
    ),
    "strong emission": (
        material(DIELECTRIC, emissive_strength={"emissiveStrength": 5.0})
        | {"emissiveFactor": [1, 1, 1]},
        "matte",
    ),
    "diffuse transmission": (
        material(DIELECTRIC, diffuse_transmission={"diffuseTransmissionFactor": 0.8}),
        "matte",
    ),
    "unlit": (material(DIELECTRIC, unlit={}), "matte"),
    "specular-glossiness metal": (
        material(
            {},
            pbrSpecularGlossiness={
                "diffuseFactor": [0, 0, 0, 1],
                "specularFactor": [0.95, 0.93, 0.88],
                "glossinessFactor": 0.95,
            },
        ),
        "mirror",
    ),
    "specular-glossiness lacquer": (
        material(
            {},
            pbrSpecularGlossiness={
                "diffuseFactor": [0.6, 0.1, 0.1, 1],
                "specularFactor": [0.04, 0.04, 0.04],
                "glossinessFactor": 0.95,
            },
        ),
        "glossy",
    ),
    "blended alpha": (
        material(DIELECTRIC | {"baseColorFactor": [1, 1, 1, 0.3]}) | {"alphaMode": "BLEND"},
        "clear",
    ),
    "nearly opaque alpha": (
        material(DIELECTRIC | {"baseColorFactor": [1, 1, 1, 0.9]}) | {"alphaMode": "BLEND"},
        "matte",
    ),
    "alpha that opaque mode ignores": (
        material(DIELECTRIC | {"baseColorFactor": [1, 1, 1, 0.1]}),
        "matte",
    ),
    "leaves cut out by a picture": (
        material(DIELECTRIC | {"baseColorTexture": {"index": 0}}) | {"alphaMode": "MASK"},
        "matte",
    ),
    "glass by a picture": (
        material(
            SMOOTH,
            transmission={"transmissionFactor": 1.0, "transmissionTexture": {"index": 1}},
        ),
        "clear",
    ),
    "metal by a picture": (
        material({"metallicRoughnessTexture": {"index": 1}}),
        "mirror",
    ),
}


def write(path: Path, skin: dict[str, Any]) -> Path:
    """A square metre that stands up, with two pictures, as .gltf; all extensions required."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    faces = np.array([0, 1, 2, 0, 2, 3], np.uint16)
    parts = [corners.tobytes(), uv.tobytes(), faces.tobytes()]
    starts = np.cumsum([0, *map(len, parts)])
    used = sorted(skin.get("extensions", {}))
    content = {
        "asset": {"version": "2.0"},
        "extensionsUsed": used,
        "extensionsRequired": used,
        "scenes": [{"nodes": [0]}],
        "scene": 0,
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive()]}],
        "materials": [skin],
        "textures": [{"source": 0}, {"source": 1}],
        "images": [{"uri": picture(leaf())}, {"uri": picture(mask())}],
        "buffers": [{"uri": data_uri(b"".join(parts)), "byteLength": int(starts[-1])}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": int(start), "byteLength": len(part)}
            for start, part in zip(starts, parts, strict=False)
        ],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": 4,
                "type": "VEC3",
                "min": [0, 0, 0],
                "max": [1, 1, 0],
            },
            {"bufferView": 1, "componentType": 5126, "count": 4, "type": "VEC2"},
            {"bufferView": 2, "componentType": 5123, "count": 6, "type": "SCALAR"},
        ],
    }
    path.write_text(json.dumps({key: value for key, value in content.items() if value != []}))
    return path


def primitive() -> dict[str, Any]:
    return {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}


def leaf() -> np.ndarray:
    """Green that covers three quarters of the picture."""
    image = np.full((64, 64, 4), (60, 140, 40, 255), np.uint8)
    image[:32, :32, 3] = 0
    return image


def mask() -> np.ndarray:
    """Occlusion, roughness and metalness, or transmission in red: in the left three quarters."""
    image = np.full((64, 64, 4), (0, 200, 0, 255), np.uint8)
    image[:, :48] = (255, 20, 255, 255)
    return image


def picture(pixels: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def data_uri(data: bytes) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"
