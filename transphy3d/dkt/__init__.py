"""Depth and normals of transparent things by a video diffusion model (arXiv 2512.23705)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from transphy3d.torchvision_import import import_torchvision

# Before diffusers imports it by way of transformers, and fails where it does not fit.
with contextlib.suppress(ModuleNotFoundError):
    import_torchvision()

if TYPE_CHECKING:
    from transphy3d.dkt.inference.api import Estimator, open_model

__all__ = ["Estimator", "open_model"]


def __getattr__(name: str) -> Any:
    """Load the model's packages on first use: most modules here do without diffusers."""
    if name in __all__:
        from transphy3d.dkt.inference import api

        return getattr(api, name)
    raise AttributeError(f"module 'transphy3d.dkt' has no attribute {name!r}")
