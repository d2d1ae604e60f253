"""Describe a file's materials: `python -m transphy3d.blender.inspect_materials FILE OUT.json`.

OUT.json is an `Inspection`. Nothing in the file is run and nothing is rendered: the active
output of every material is walked as a camera ray sees it, at points spread over the surface.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from transphy3d.assets.material_report import INSPECTOR_VERSION, Inspection, Looks, MaterialReport
from transphy3d.blender.appearance import GLOSS_ROUGHNESS, appearance, normalised
from transphy3d.blender.graph_images import Pictures
from transphy3d.blender.graph_values import Values
from transphy3d.blender.importers import Shown, limit_process, open_file, shown_meshes
from transphy3d.blender.lobes import BODIES, LAYERS, Lobe, material_lobes
from transphy3d.blender.process import failure, run
from transphy3d.blender.surface_points import Points, merge, points_of
from transphy3d.files import write_text
from transphy3d.jsonio import to_json

LOOKS = [field.name for field in fields(Looks)]
MAX_NAMES = 200  # of objects; more are no help to anybody


def inspect_file(path: Path) -> Inspection:
    """Open and describe one file. Raises what `importers.open_file` raises."""
    return inspect_scene(open_file(path), path.parent)


def inspect_scene(scene: Any, folder: Path) -> Inspection:
    """Describe what a scene shows; pictures outside `folder` are not read.

    Raises ValueError if it shows no surface, or holds a picture or graph beyond all bounds.
    """
    names, faces = [], 0
    points: dict[Any, list[Points]] = defaultdict(list)
    for shown in shown_meshes(scene):
        names.append(shown.item.name)
        faces += len(shown.mesh.loop_triangles)
        for slot, found in points_of(shown).items():
            points[_material(shown, slot)].append(found)
    if not points:
        raise ValueError("it shows no surface to a render")
    pictures = Pictures(folder)
    reports = [_report(material, merge(parts), pictures) for material, parts in points.items()]
    return _inspection(tuple(sorted(set(names))[:MAX_NAMES]), faces, reports)


def _material(shown: Shown, slot: int) -> Any:
    """The material that a face's slot stands for; the last one for slots beyond the list.

    Geometry nodes give materials to the mesh that the object's own slots do not know.
    """
    slots = [slot.material for slot in shown.item.material_slots]
    materials = slots + list(shown.mesh.materials)[len(slots) :]
    found = materials[min(slot, len(materials) - 1)] if materials else None
    return None if found is None else found.original


def _report(material: Any, points: Points, pictures: Pictures) -> tuple[float, MaterialReport]:
    """Visible area in square metres, and the report but for its share of all area."""
    values = Values(points, pictures)
    name = "" if material is None else material.name
    known = len(pictures.notes)
    try:
        lobes = normalised(material_lobes(material, values), values.size)
    except ValueError as error:
        raise ValueError(f"material {name!r}: {error}") from None
    seen = appearance(lobes, values.size)
    there = 1.0 - seen.hole
    share = max(float(there.sum()), 1.0)
    looks = Looks(**{key: float(getattr(seen, key).sum()) / share for key in LOOKS})
    roughness, color = _means(lobes)
    report = MaterialReport(
        name=name,
        area=0.0,
        lobes=_weights(lobes),
        roughness=roughness,
        color=color,
        looks=looks,
        notes=(*sorted(values.notes), *pictures.notes[known:]),
    )
    return points.area * float(there.mean()), report


def _weights(lobes: list[Lobe]) -> dict[str, float]:
    """Mean weight by kind, without kinds that are nowhere; dull gloss is left out."""
    sums = dict.fromkeys((*BODIES, *LAYERS), 0.0)
    for lobe in lobes:
        polished = lobe.roughness <= GLOSS_ROUGHNESS
        visible = polished if lobe.kind in ("gloss", "coat") else np.ones_like(polished)
        sums[lobe.kind] += float((lobe.weight * visible).mean())
    return {kind: round(weight, 4) for kind, weight in sums.items() if weight > 0.0005}


def _means(lobes: list[Lobe]) -> tuple[float, tuple[float, float, float]]:
    bodies = [lobe for lobe in lobes if lobe.kind in BODIES]
    total = max(float(sum(lobe.weight.sum() for lobe in bodies)), 1e-9)
    rough = float(sum((lobe.weight * lobe.roughness).sum() for lobe in bodies))
    color = sum(((lobe.weight[:, None] * lobe.color).sum(axis=0) for lobe in bodies), np.zeros(3))
    red, green, blue = (round(float(value) / total, 4) for value in color)
    return round(rough / total, 4), (red, green, blue)


def _inspection(
    objects: tuple[str, ...], faces: int, found: list[tuple[float, MaterialReport]]
) -> Inspection:
    """Join the reports, the largest first, with looks weighted by area."""
    total = max(sum(area for area, _ in found), 1e-30)
    ordered = sorted(found, key=lambda pair: (-pair[0], pair[1].name))
    reports = tuple(replace(report, area=round(area / total, 5)) for area, report in ordered)
    looks = {
        key: round(sum(report.area * getattr(report.looks, key) for report in reports), 4)
        for key in LOOKS
    }
    return Inspection(
        version=INSPECTOR_VERSION,
        objects=objects,
        faces=faces,
        materials=reports,
        looks=Looks(**looks),
    )


def main(arguments: list[str]) -> int:
    """Inspect; on failure the last line of stderr says why, and the exit code is `failure`'s."""
    source, out = map(Path, arguments)
    limit_process()
    try:
        write_text(out, to_json(inspect_file(source)))
    except Exception as error:  # whatever bpy raises becomes one line for the caller
        return failure(error)
    return 0


if __name__ == "__main__":
    run(main)
