"""The kinds of support: a table, or a container or shelf that stands on one or on the floor.

A plugin adds a kind with `SUPPORTS.register(name, SupportKind(...))`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transphy3d.errors import JobError
from transphy3d.scenes.containers import BIN, BOWL, BOX, TRAY
from transphy3d.scenes.geometry import Support
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.registry import Registry, weighted
from transphy3d.scenes.shelves import SHELF
from transphy3d.scenes.spec import SupportSpec
from transphy3d.scenes.support_kind import Footprint, SupportKind
from transphy3d.scenes.tables import TABLE

SUPPORTS: Registry[SupportKind] = Registry("supports.kinds")
SUPPORTS.register("table", TABLE)
SUPPORTS.register("tray", TRAY)
SUPPORTS.register("bin", BIN)
SUPPORTS.register("box", BOX)
SUPPORTS.register("bowl", BOWL)
SUPPORTS.register("shelf", SHELF)


def sample_support(
    weights: Mapping[str, float], footprint: Footprint, palette: Palette, rng: np.random.Generator
) -> SupportSpec:
    """A support that is neither too small for the objects nor lost under them.

    Kinds that cannot be made large enough are left out of the draw. Raises JobError if that
    leaves none.
    """
    able = {n: w for n, w in weights.items() if w > 0 and SUPPORTS.get(n).holds(footprint)}
    if not able:
        raise JobError(
            f"supports.kinds: none of {', '.join(sorted(weights))} is made large enough for "
            f"objects that need {footprint.area:.3f} m2 and reach {footprint.reach:.3f} m; "
            "add a larger kind such as table, or lower objects.count or objects.scale"
        )
    kind = weighted(able, rng, SUPPORTS.key)
    params, materials = SUPPORTS.get(kind).sample(rng, footprint, palette)
    return SupportSpec(kind=kind, params=params, materials=materials)


def build_support(spec: SupportSpec) -> Support:
    """A support's meshes and collision hulls."""
    return SUPPORTS.get(spec.kind).build(spec)
