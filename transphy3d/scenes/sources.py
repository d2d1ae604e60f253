"""Where an object's asset comes from: a procedural family, the asset bank or a user's mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from transphy3d.assets.bank import AssetRecord
from transphy3d.assets.procedural.family import families
from transphy3d.assets.selection import open_bank, select
from transphy3d.config import SOURCES, ObjectsConfig, Source
from transphy3d.errors import JobError
from transphy3d.materials.spec import OPTICAL_CLASSES, Kind, OpticalClass
from transphy3d.scenes.assembly import bank_ref, mesh_ref
from transphy3d.scenes.registry import weighted
from transphy3d.scenes.spec import AssetRef

Able = Callable[[tuple[Kind, ...], tuple[OpticalClass, ...]], bool]


@dataclass(frozen=True)
class Sources:
    """What a job draws assets from.

    bank : by optical class, the records whose main part can be made of such a material
    """

    config: ObjectsConfig
    bank: Mapping[OpticalClass, tuple[AssetRecord, ...]]

    def draw(self, rng: np.random.Generator) -> AssetRef:
        """A reference to an asset: its source by weight, then one of that source."""
        source = self._source(rng)
        if source == "meshes":
            return mesh_ref(self.config.meshes[int(rng.integers(len(self.config.meshes)))])
        if source == "bank":
            return self._bank_ref(rng)
        known = families()
        weights = {n: self.config.weights.get(n, 1.0) for n in selected_families(self.config)}
        name = weighted(weights, rng, "objects.weights")
        return AssetRef(source="procedural", name=name, params=known[name].sample(rng))

    def _bank_ref(self, rng: np.random.Generator) -> AssetRef:
        """An asset of a class by the job's weights: most assets can have but one."""
        by_class = {str(name): assets for name, assets in self.bank.items()}
        weights = {name: self.config.optical[name] for name in by_class}
        assets = by_class[weighted(weights, rng, "objects.optical")]
        return bank_ref(assets[int(rng.integers(len(assets)))], open_bank(self.config.bank))

    def _source(self, rng: np.random.Generator) -> Source:
        weights = np.array([self.config.sources.get(source, 0.0) for source in SOURCES])
        ends = np.cumsum(weights) / weights.sum()
        return SOURCES[int(np.searchsorted(ends, rng.random(), "right"))]


def open_sources(config: ObjectsConfig, able: Able) -> Sources:
    """A job's sources, the bank read and narrowed to assets that can be made of its materials.

    able : whether some wanted material suits a part of these kinds and optical classes
    Raises JobError if the bank is drawn from and leaves nothing.
    """
    if not config.draws("bank"):
        return Sources(config, {})
    records = select(config.bank)
    wanted = [name for name in OPTICAL_CLASSES if config.optical.get(name, 0.0) > 0]
    fitting = {n: tuple(a for a in records if _suits(a, n, able)) for n in wanted}
    fitting = {name: assets for name, assets in fitting.items() if assets}
    if not fitting:
        raise JobError(
            f"objects.bank: none of {len(records)} assets can be made of a material of the "
            f"classes {sorted(k for k, w in config.optical.items() if w > 0)} that "
            "materials.select leaves; widen objects.optical or materials.select"
        )
    return Sources(config, fitting)


def _suits(asset: AssetRecord, optical: OpticalClass, able: Able) -> bool:
    """Whether the main part can be of a class, and of a material that the job has for it."""
    if asset.imported is None:
        return False
    main = asset.imported.parts[0]
    return optical in main.optical and able(main.kinds, (optical,))


def selected_families(config: ObjectsConfig) -> list[str]:
    """Names of the procedural families that a job admits.

    Raises JobError for patterns and weights that name no family, and if none is left.
    """
    names, select = list(families()), config.families
    for pattern in (*select.include, *select.exclude, *config.weights):
        if not any(fnmatchcase(name, pattern) for name in names):
            raise JobError(
                f"objects.families: {pattern!r} fits no family; known are {', '.join(names)}"
            )
    left = [name for name in names if _fits(name, select.include)]
    left = [name for name in left if not _fits(name, select.exclude)]
    if not left:
        raise JobError("objects.families: include and exclude leave no family; widen them")
    return left


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
