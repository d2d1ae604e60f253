"""Parametric families of objects: what they are called, what varies, how one is built.

A module of this package that defines `FAMILY` or `FAMILIES` adds its families by being there.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from transphy3d.assets.geometry import Asset
from transphy3d.assets.uv import with_uv
from transphy3d.errors import AssetError
from transphy3d.jsonio import Params
from transphy3d.wording import suggest

Value = bool | int | float | str


@dataclass(frozen=True)
class Uniform:
    """A real number, evenly distributed in [low, high); `unit` is "m", "deg", "rad" or ""."""

    low: float
    high: float
    unit: str = "m"

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        return float(rng.uniform(self.low, self.high))

    def admits(self, value: Value) -> bool:
        """Whether `value` has the right type; numbers outside the range are the user's choice."""
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip()


@dataclass(frozen=True)
class Choice:
    """One of a few values, each as likely; repeat a value to make it likelier."""

    options: tuple[Value, ...]

    def draw(self, rng: np.random.Generator) -> Value:
        """One value."""
        return self.options[int(rng.integers(len(self.options)))]

    def admits(self, value: Value) -> bool:
        """Whether `value` is one of the options."""
        return value in self.options

    def __str__(self) -> str:
        return "one of " + ", ".join(str(option) for option in dict.fromkeys(self.options))


Ranges = dict[str, Uniform | Choice]


@dataclass(frozen=True)
class Family:
    """A kind of object with free parameters.

    category : the class name that goes into the object table ("bottle", "spoon")
    ranges : what each parameter may be, in the order in which they are drawn
    build : parameters and segments of a full turn to an asset
    """

    name: str
    category: str
    ranges: Ranges
    build: Callable[[Params, int], Asset]

    def sample(self, rng: np.random.Generator) -> Params:
        """Parameters drawn from `ranges`, one draw each."""
        return {name: span.draw(rng) for name, span in self.ranges.items()}


def numbers(params: Params) -> dict[str, float]:
    """The parameters that are numbers or flags, as floats."""
    return {name: float(value) for name, value in params.items() if not isinstance(value, str)}


_registered: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Make a family known by its name. Raises AssetError if another one has that name."""
    known = _registered.setdefault(family.name, family)
    if known is not family:
        raise AssetError(
            f"two procedural families are called {family.name!r}; "
            "rename the FAMILY of one of their modules"
        )
    return family


def families() -> dict[str, Family]:
    """All families by name, in alphabetical order; modules are discovered once."""
    _discover()
    return dict(sorted(_registered.items()))


@cache
def _discover() -> None:
    package = importlib.import_module(__package__ or "transphy3d.assets.procedural")
    for info in pkgutil.iter_modules(package.__path__):
        for family in _families_of(f"{package.__name__}.{info.name}"):
            register(family)


def _families_of(module_name: str) -> tuple[Family, ...]:
    module = importlib.import_module(module_name)
    single: tuple[Family, ...] = (module.FAMILY,) if hasattr(module, "FAMILY") else ()
    return single + tuple(getattr(module, "FAMILIES", ()))


def build(name: str, params: Params, segments: int) -> Asset:
    """Build one object.

    segments : faces in a full turn; a family may use a few more to meet its edges

    Raises AssetError for an unknown family, unknown or missing parameters, or a wrong value.
    """
    known = families()
    if name not in known:
        raise AssetError(f"no procedural family is called {name!r}; {suggest(name, sorted(known))}")
    _check(known[name], params)
    return with_uv(known[name].build(params, segments))


def _check(family: Family, params: Params) -> None:
    for key in params:
        if key not in family.ranges:
            hint = suggest(key, sorted(family.ranges))
            raise AssetError(f"family {family.name!r} has no parameter {key!r}; {hint}")
    for key, span in family.ranges.items():
        if key not in params:
            raise AssetError(f"family {family.name!r} lacks parameter {key!r} ({span})")
        if not span.admits(params[key]):
            raise AssetError(
                f"family {family.name!r}: parameter {key!r} is {params[key]!r}, must be {span}"
            )
