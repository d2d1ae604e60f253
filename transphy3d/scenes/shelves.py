"""An open shelf unit: objects lie on its top board, between low sides and a back."""

from __future__ import annotations

import numpy as np

from transphy3d.jsonio import Params
from transphy3d.scenes.geometry import StaticBody, Support
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.solids import box, box_hull
from transphy3d.scenes.spec import SupportSpec
from transphy3d.scenes.support_kind import Footprint, Sampled, SupportKind, half_extents

BOARD = "board"
BEVEL = 0.0015
FRONT = -np.pi / 2  # the open side looks along -Y
VIEW = np.radians(70.0)


def _sample(rng: np.random.Generator, footprint: Footprint, palette: Palette) -> Sampled:
    half_x, half_y = half_extents(rng, SHELF, footprint, slimmest=0.35)
    board = float(rng.uniform(0.012, 0.025))
    params: Params = {
        "half_x": half_x,
        "half_y": half_y,
        "board": board,
        "side": float(rng.uniform(0.03, 0.12)),
        "back": float(rng.uniform(0.1, 0.35)),
        "lip": float(rng.uniform(0.008, 0.02)),
        "step": float(rng.uniform(0.25, 0.38)),
        "floor": -float(rng.uniform(0.7, 1.2)),
    }
    words = ("wood", "laminate")
    return params, {BOARD: palette.surface(rng, "surface", like=words)}


def _build(spec: SupportSpec) -> Support:
    """Boards, two sides and a back; every piece is one convex box."""
    params = spec.params
    x, y, board = (float(params[key]) for key in ("half_x", "half_y", "board"))
    floor, lip = float(params["floor"]), float(params["lip"])
    side, back = float(params["side"]), float(params["back"])
    spans = {
        "top": ((-x, -y, -board), (x, y, 0.0)),
        "left": ((-x - board, -y, floor), (-x, y, side)),
        "right": ((x, -y, floor), (x + board, y, side)),
        "back": ((-x - board, y, floor), (x + board, y + board, back)),
        "lip": ((-x - board, -y - 0.6 * board, -board), (x + board, -y, lip)),
    }
    for number, height in enumerate(_lower_boards(params)):
        spans[f"board_{number}"] = ((-x, -y, height - board), (x, y, height))
    bodies = [
        StaticBody(f"shelf_{name}", box(low, high, BEVEL), BOARD, (box_hull(low, high),))
        for name, (low, high) in spans.items()
    ]
    return Support(tuple(bodies), (x, y), round=False, rim=lip, view=(FRONT, VIEW))


def _lower_boards(params: Params) -> list[float]:
    """Heights of the boards below the top one, downwards, metres."""
    step, floor = float(params["step"]), float(params["floor"])
    count = int((-floor - 0.12) / step)
    return [-step * (number + 1) for number in range(count)]


SHELF = SupportKind(_sample, _build, largest=0.7, crowding=(0.3, 0.6))
