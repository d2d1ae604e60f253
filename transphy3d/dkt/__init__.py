"""Depth and normals of transparent things by a video diffusion model (arXiv 2512.23705)."""

import contextlib

from transphy3d.torchvision_import import import_torchvision

# Before diffusers imports it by way of transformers, and fails where it does not fit.
with contextlib.suppress(ModuleNotFoundError):
    import_torchvision()
