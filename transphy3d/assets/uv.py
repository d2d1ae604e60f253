"""Texture coordinates for meshes that were made without any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transphy3d.assets.geometry import Asset, Mesh

# The two axes that a face is seen along, by the axis that it looks along.
ACROSS = np.array([(1, 2), (2, 0), (0, 1)])


def with_uv(asset: Asset) -> Asset:
    """The asset with box-mapped texture coordinates for the parts that have none."""
    parts = tuple(
        replace(part, mesh=replace(part.mesh, uv=box_uv(part.mesh)))
        if part.mesh.uv is None
        else part
        for part in asset.parts
    )
    return replace(asset, parts=parts)


def box_uv(mesh: Mesh) -> NDArray[np.float32]:
    """(F, 3, 2) float32 in metres: each face projected along the axis that it looks along most.

    Faces that look the opposite way are mirrored, so that no texture is seen reversed.
    """
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(normals).argmax(axis=1)
    uv = np.take_along_axis(corners, ACROSS[axis][:, None], axis=2)
    away = np.take_along_axis(normals, axis[:, None], axis=1) < 0
    uv[..., 0] = np.where(away, -uv[..., 0], uv[..., 0])
    return uv.astype(np.float32)
