"""Whether an FBX file moves: Blender's importer leaves its curves out, and so cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy  # noqa: F401  (its add-ons can be imported once it is)
from io_scene_fbx import parse_fbx

STILL = 1e-6  # in the file's units; exporters write curves of one value for things that stand still


def fbx_moves(path: Path) -> bool:
    """Whether any animation curve of a binary FBX file takes more than one value.

    Raises what Blender's parser raises for a file that it cannot read.
    """
    root, _ = parse_fbx.parse(str(path))
    return any(max(values) - min(values) > STILL for values in _curves(root) if len(values))


def _curves(root: Any) -> Iterator[Any]:
    """The values of every curve, in the order of its keys."""
    for curve in _children(_children([root], b"Objects"), b"AnimationCurve"):
        for values in _children([curve], b"KeyValueFloat"):
            yield values.props[0]


def _children(elements: Any, name: bytes) -> Iterator[Any]:
    for element in elements:
        yield from (child for child in element.elems if child and child.id == name)
