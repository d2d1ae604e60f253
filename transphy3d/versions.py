"""Versions of what can change the output."""

from __future__ import annotations

import platform
from importlib import metadata

import transphy3d

RECORDED = ("bpy", "numpy", "scipy", "pybullet", "trimesh", "manifold3d", "coacd", "h5py", "blosc2")


def versions() -> dict[str, str]:
    """Version by package name, for those that are installed."""
    found = {"transphy3d": transphy3d.__version__, "python": platform.python_version()}
    for name in RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
