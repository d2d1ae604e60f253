"""Drawing materials from the library under the job's selection."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from transphy3d.config import MaterialsConfig
from transphy3d.errors import JobError
from transphy3d.materials.library import Library
from transphy3d.materials.records import Record
from transphy3d.materials.spec import OPTICAL_CLASSES, Kind, Material, OpticalClass
from transphy3d.scenes.registry import weighted


@dataclass(frozen=True)
class Palette:
    """The library as one job sees it.

    The job's `include` holds for what objects are made of. Where it leaves nothing for a lid or
    a liquid, and for surroundings, `exclude` alone counts, so that a job about glass still has
    a table.
    """

    library: Library
    config: MaterialsConfig

    def objects(
        self, kinds: Sequence[Kind], optical: Collection[OpticalClass] = OPTICAL_CLASSES
    ) -> list[Record]:
        """Records that an object's part of these kinds and optical classes may have."""
        return self._of(kinds, optical, self.config.select.include)

    def further(
        self, kinds: Sequence[Kind], optical: Collection[OpticalClass] = OPTICAL_CLASSES
    ) -> list[Record]:
        """Records for lids and liquids: the job's own, or else all that it does not exclude."""
        return self.objects(kinds, optical) or self._of(kinds, optical, ("*",))

    def _of(
        self, kinds: Sequence[Kind], optical: Collection[OpticalClass], include: Sequence[str]
    ) -> list[Record]:
        records = self.library.select(kinds, None, include, self.config.select.exclude)
        return [record for record in records if record.optical_class in optical]

    def surroundings(self, kinds: Sequence[Kind]) -> list[Record]:
        """Records for supports and rooms: none that light passes through."""
        exclude = self.config.select.exclude
        return [
            record
            for record in self.library.select(kinds, None, ("*",), exclude)
            if record.optical_class != "transparent"
        ]

    def draw(self, records: Sequence[Record], rng: np.random.Generator, what: str) -> Material:
        """A material by the job's weights.

        what : words for the error if there is nothing to draw
        """
        if not records:
            raise JobError(
                f"materials.select: no record is left for {what}; widen include or exclude less"
            )
        weights = {record.name: self.config.weights.get(record.name, 1.0) for record in records}
        name = weighted(weights, rng, "materials.weights")
        return next(record for record in records if record.name == name).sample(rng)

    def surface(self, rng: np.random.Generator, *kinds: Kind, like: Sequence[str] = ()) -> Material:
        """A material for a support or room.

        like : words of which one should be in the record's name, where any record has one
        """
        records = self.surroundings(kinds or ("surface",))
        fitting = [record for record in records if any(word in record.name for word in like)]
        return self.draw(fitting or records, rng, f"surroundings of {', '.join(kinds)}")
