"""Which objects are dropped: asset, size, orientation, materials, liquid.

Every object draws from random streams of its own, so that a change to one moves no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transphy3d.assets.contact import stands
from transphy3d.assets.geometry import Asset, Part
from transphy3d.config import Job, ObjectsConfig
from transphy3d.errors import JobError
from transphy3d.materials.spec import OPTICAL_CLASSES, Kind, Material, OpticalClass
from transphy3d.rng import Streams
from transphy3d.scenes.assembly import build_asset
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.registry import weighted
from transphy3d.scenes.rotations import turn, uniform_rotation
from transphy3d.scenes.sources import Sources, open_sources
from transphy3d.scenes.spec import AssetRef, Liquid, ObjectSpec
from transphy3d.scenes.support_kind import Footprint

# Enough divisions of a full turn to know an asset's parts and size.
SKETCH_SEGMENTS = 24
# Families drawn for one object before none is taken to suit the job's materials.
FAMILY_DRAWS = 64
# A lid or stopper that can be of the body's material usually is.
MATCHING_PART = 0.7
FILL = (0.25, 0.9)


@dataclass(frozen=True)
class Drawn:
    """An object and a coarse build of its asset."""

    spec: ObjectSpec
    sketch: Asset


def sample_objects(job: Job, streams: Streams, palette: Palette, cache: Path) -> list[Drawn]:
    """The objects of a scene; ids count from 1.

    Raises JobError where families, meshes or materials leave nothing to draw.
    """
    low, high = job.objects.count
    count = int(streams("objects.count").integers(low, high + 1))
    sources = open_sources(
        job.objects,
        lambda kinds, optical: bool(_able_classes(kinds, optical, job.objects, palette)),
    )
    return [_sample_object(number + 1, sources, streams, palette, cache) for number in range(count)]


def footprint(objects: Sequence[Drawn]) -> Footprint:
    """What the objects need of a support: lying objects take the two longest of their edges."""
    area, reach, tallest = 0.0, 0.0, 0.0
    for item in objects:
        points = item.sketch.points() * item.spec.scale
        edges = np.ptp(points, axis=0)
        flat = edges[:2] if item.spec.upright else np.sort(edges)[1:]
        area += float(np.prod(flat))
        middle = (points.max(axis=0) + points.min(axis=0)) / 2
        reach = max(reach, float(np.linalg.norm(points - middle, axis=1).max()))
        tallest = max(tallest, float(edges[2] if item.spec.upright else np.sort(edges)[0]))
    return Footprint(area, reach, tallest)


def _sample_object(
    number: int, sources: Sources, streams: Streams, palette: Palette, cache: Path
) -> Drawn:
    config = sources.config
    asset_rng = streams(f"object.{number}.asset")
    material_rng = streams(f"object.{number}.materials")
    pose_rng = streams(f"object.{number}.pose")
    ref, sketch = _draw_asset(sources, asset_rng, palette, cache)
    upright = bool(pose_rng.random() < config.upright) and stands(sketch)
    turned, tumbled = turn(float(pose_rng.uniform(0, 2 * np.pi))), uniform_rotation(pose_rng)
    materials = draw_materials(sketch.parts, config, material_rng, palette)
    main = materials[sketch.parts[0].name]
    liquid = draw_liquid(config, palette, streams(f"object.{number}.liquid"))
    holds = upright and sketch.cavity is not None and main.optical_class == "transparent"
    spec = ObjectSpec(
        id=number,
        asset=ref,
        scale=float(streams(f"object.{number}.scale").uniform(*config.scale)),
        materials=materials,
        rotation=turned if upright else tumbled,
        upright=upright,
        liquid=liquid if holds else None,
    )
    return Drawn(spec, sketch)


def _draw_asset(
    sources: Sources, rng: np.random.Generator, palette: Palette, cache: Path
) -> tuple[AssetRef, Asset]:
    """An asset that can be made of a material of the wanted classes."""
    config = sources.config
    for _ in range(FAMILY_DRAWS):
        ref = sources.draw(rng)
        sketch = build_asset(ref, SKETCH_SEGMENTS, cache)
        body = sketch.parts[0]
        if _able_classes(body.kinds, body.optical, config, palette):
            return ref, sketch
    raise JobError(
        f"objects.optical: none of {FAMILY_DRAWS} drawn assets can be made of a material of the "
        f"classes {sorted(k for k, w in config.optical.items() if w > 0)} that materials.select "
        "leaves; widen objects.optical, objects.families or materials.select"
    )


def _able_classes(
    kinds: tuple[Kind, ...],
    optical: tuple[OpticalClass, ...],
    config: ObjectsConfig,
    palette: Palette,
) -> dict[str, float]:
    """Weights of the optical classes that a part can have and that some record for it has."""
    for name in config.optical:
        if name not in OPTICAL_CLASSES:
            raise JobError(f"objects.optical: {name!r} is not one of {', '.join(OPTICAL_CLASSES)}")
    weights = {name: config.optical.get(name, 0.0) for name in optical}
    return {n: w for n, w in weights.items() if w > 0 and palette.objects(kinds, (n,))}


def draw_materials(
    parts: Sequence[Part], config: ObjectsConfig, rng: np.random.Generator, palette: Palette
) -> dict[str, Material]:
    """A material for each part by name; the first part has a class by the job's weights.

    Raises JobError for a part for which no record is left.
    """
    body = parts[0]
    classes = _able_classes(body.kinds, body.optical, config, palette)
    optical = weighted(classes, rng, "objects.optical")
    records = [r for r in palette.objects(body.kinds) if r.optical_class == optical]
    materials = {body.name: palette.draw(records, rng, f"the part {body.name!r}")}
    for part in parts[1:]:
        matches = rng.random() < MATCHING_PART and _suits(materials[body.name], part)
        records = palette.further(part.kinds, part.optical)
        other = palette.draw(records, rng, f"the part {part.name!r}")
        materials[part.name] = materials[body.name] if matches else other
    return materials


def _suits(material: Material, part: Part) -> bool:
    return material.kind in part.kinds and material.optical_class in part.optical


def draw_liquid(config: ObjectsConfig, palette: Palette, rng: np.random.Generator) -> Liquid | None:
    """A liquid for the share `filled` of the vessels."""
    if rng.random() >= config.filled:
        return None
    fraction = float(rng.uniform(*FILL))
    material = palette.draw(palette.further(("liquid",)), rng, "liquids")
    return Liquid(material=material, fraction=fraction)
