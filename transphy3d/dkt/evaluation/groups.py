"""Parts of the picture that are scored apart: glass above all, which is what is hard to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transphy3d.materials.spec import OPTICAL_CLASSES
from transphy3d.shards.excerpt import origin
from transphy3d.shards.reader import Sequence
from transphy3d.shards.recording import Recording

SURROUNDINGS = "surroundings"
OPTICAL = "optical class"
OPTICAL_ORDER = (*OPTICAL_CLASSES, SURROUNDINGS)


@dataclass(frozen=True)
class Group:
    """Some of the instances of a recording.

    kind : what tells groups apart: "optical class", "material" or "region"
    """

    kind: str
    name: str
    instances: tuple[int, ...]

    def holds(self, instance: NDArray[Any]) -> NDArray[np.bool_]:
        """Which pixels of an instance map belong to it."""
        return np.isin(instance, self.instances)


@dataclass(frozen=True)
class AnyObject(Group):
    """Every object of a set whose masks do not tell them apart."""

    def holds(self, instance: NDArray[Any]) -> NDArray[np.bool_]:
        """All but the surroundings."""
        return np.asarray(instance > 0)


def groups_of(recording: Recording) -> tuple[Group, ...]:
    """How the pixels of a recording are told apart; none if it has no instances.

    Sequences of shards know each object's optical class (transparent, reflective, opaque) and
    material (glass, plastic, metal, ceramic, liquid). Other sets know objects and surroundings.
    """
    if "instance" not in recording.channels:
        return ()
    stored, _ = origin(recording)
    if not isinstance(stored, Sequence):
        return (AnyObject("region", "objects", ()), Group("region", SURROUNDINGS, (0,)))
    rows = stored.objects
    optical = {row.instance: str(row.optical_class) for row in rows}
    material = {row.instance: row.kind for row in rows}
    return (
        *_by_name(OPTICAL, optical),
        Group(OPTICAL, SURROUNDINGS, (0,)),
        *_by_name("material", material),
    )


def group_order(group: tuple[str, str]) -> tuple[bool, int, str, str]:
    """A key to sort groups' kinds and names by: optical classes first, glass foremost."""
    kind, name = group
    place = OPTICAL_ORDER.index(name) if name in OPTICAL_ORDER else 0
    return kind != OPTICAL, place, kind, name


def _by_name(kind: str, names: Mapping[int, str]) -> tuple[Group, ...]:
    """A group for each name that an instance bears."""
    return tuple(
        Group(kind, name, tuple(number for number, each in names.items() if each == name))
        for name in sorted(set(names.values()))
    )
