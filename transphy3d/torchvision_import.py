"""Torchvision beside a torch that it was not built for."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any


def import_torchvision() -> None:
    """Import torchvision, also where its compiled operators do not fit this torch.

    The wheel built for CUDA does not load them beside a torch for CPUs, and then stumbles over
    their names; transformers and diffusers stumble with it. Only its transforms are needed, which
    are plain torch. Raises ModuleNotFoundError where it is not installed.
    """
    try:
        import torchvision
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _declare_operators()
        import torchvision  # noqa: F401


@cache
def _declare_operators() -> Any:
    """The schemas of the operators that torchvision refers to on import; they live with it."""
    import torch

    libraries: Any = torch.library
    library = libraries.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
