"""From the pieces of a file to closed parts: joined, mended, given walls, united.

A file's surfaces are split into connected sheets, joined where their borders meet, and closed.
What stays open is a sheet without thickness and gets a wall. Glass whose wall comes out folded is
no glass any more. What has one material becomes one part, its overlapping bodies united: doubled
interfaces would refract twice.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from manifold3d import Manifold

from transphy3d.assets.bridge import bridge_pairs, bridged
from transphy3d.assets.geometry import Mesh, Part
from transphy3d.assets.looks import KINDS, OPTICAL, Look, look_for
from transphy3d.assets.mend import border_groups, concatenated, is_closed, mended, welded
from transphy3d.assets.meshfile import Piece
from transphy3d.assets.metals import names_metal
from transphy3d.assets.procedural.solid import from_manifold, signed_volume, to_manifold
from transphy3d.assets.shells import facing_out, is_sound, sheets, thickened, total_area
from transphy3d.errors import AssetError
from transphy3d.materials.spec import OpticalClass

WELD = 1e-5  # of the diagonal: text files round to about that
MAX_SHEETS = 1500
MAX_BODIES = 300
MAX_PARTS = 12
SPECK = 1e-4  # of all area; smaller open sheets are dropped
LABEL_SHARE = 0.02  # of a body's area that another material must cover to be a label on it
LABEL = (0.00005, 0.00015)  # metres from a body to a label's two sides
GLASS_WALL = (0.02, 0.0008, 0.0025)  # of the diagonal; at least and at most, metres
OTHER_WALL = (0.008, 0.0003, 0.0015)
OVERLAP = 0.02  # of the smaller body's volume, from which two clear bodies are united
LEAST_JUDGED = 0.15  # of the area that must be of the judged class, else the largest is made so
HOLLOWED = 0.5  # of a liquid's volume within a body, from which the body must be hollow there
NESTED = 0.98  # of a body's volume within another, from which it lies inside
LIQUID = re.compile(
    r"liquid|water(?!glass)|wasser|agua|wine\b|beer_|beer\b|juice|coffee$|cafe\b|tea\b|milk\b|oil\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Body:
    """A closed piece with one material; `sound` ones may be of glass."""

    material: str
    look: Look
    mesh: Mesh
    sound: bool = True


@dataclass(frozen=True)
class Made:
    """Parts, the most important first, the source material of each, and what was done."""

    parts: tuple[Part, ...]
    materials: tuple[str, ...]
    notes: tuple[str, ...]


def make_parts(
    pieces: Sequence[Piece],
    looks: dict[str, Look],
    judged: OpticalClass | None,
    name: str = "",
) -> Made:
    """Closed parts from the placed pieces of a file, in metres.

    looks : by material name
    judged : what the asset is mostly made of, where somebody said so
    name : of the asset, which may tell metal from glaze
    Raises AssetError for surfaces in too many pieces and where nothing solid is left.
    """
    notes: list[str] = []
    diagonal = float(np.linalg.norm(np.ptp(np.concatenate([p.mesh.vertices for p in pieces]), 0)))
    found = _bridged(_sheets(pieces, WELD * diagonal), diagonal, notes)
    looks = _judged(found, looks, judged, name, notes)
    bodies = [*_bodies(found, looks, diagonal, notes)]
    bodies = _emptied(bodies, notes)
    if not bodies:
        raise AssetError("nothing solid is left of it; give its surfaces a thickness")
    return _parts(_united(bodies, notes), notes)


def _sheets(pieces: Sequence[Piece], tolerance: float) -> list[Piece]:
    """Connected sheets of each piece, without specks. Raises AssetError for too many."""
    found = []
    for piece in pieces:
        mesh, _ = welded(piece.mesh, tolerance)
        if len(mesh.faces):
            found += [replace(piece, mesh=sheet) for sheet in sheets(mesh)]
    if len(found) > MAX_SHEETS:
        raise AssetError(
            f"its surface is in {len(found)} pieces, more than {MAX_SHEETS}; join and weld them"
        )
    least = SPECK * total_area([piece.mesh for piece in found])
    return [p for p in found if is_closed(p.mesh) or total_area([p.mesh]) > least]


def _bridged(found: Sequence[Piece], diagonal: float, notes: list[str]) -> list[Piece]:
    """Sheets with those joined that are the two sides of one wall; the larger names the joint."""
    pairs = bridge_pairs([piece.mesh for piece in found], diagonal)
    left = [piece for k, piece in enumerate(found) if not any(k in pair for pair in pairs)]
    for numbers in pairs:
        inner, outer = sorted((found[k] for k in numbers), key=lambda p: total_area([p.mesh]))
        left.append(replace(outer, mesh=bridged(outer.mesh, inner.mesh)))
        notes.append(f"{outer.material}: joined with {inner.material}, the other side of its wall")
    return left


def _judged(
    found: Sequence[Piece],
    looks: dict[str, Look],
    judged: OpticalClass | None,
    asset: str,
    notes: list[str],
) -> dict[str, Look]:
    """Looks by material; the largest is made to be of the class that the asset was judged to be."""
    areas: dict[str, float] = defaultdict(float)
    for piece in found:
        areas[piece.material] += total_area([piece.mesh])
    known = {name: looks.get(name, "matte") for name in areas}
    total = sum(areas.values())
    shown = sum(areas[n] for n, look in known.items() if judged and judged in OPTICAL[look])
    if judged is None or shown > LEAST_JUDGED * total:
        return known
    main = max(areas, key=lambda name: areas[name])
    known[main] = look_for(judged, known[main], metal=names_metal([main, asset]))
    notes.append(f"{main or 'its material'} made {judged}, as the asset was judged to be")
    return known


def _bodies(
    found: Sequence[Piece], looks: dict[str, Look], diagonal: float, notes: list[str]
) -> list[Body]:
    """Closed bodies and labels. Raises AssetError for too many."""
    groups = border_groups([piece.mesh for piece in found], WELD * diagonal)
    if len(groups) > MAX_BODIES:
        raise AssetError(f"it is of {len(groups)} bodies, more than {MAX_BODIES}; join them")
    bodies = []
    for group in groups:
        members = [found[k] for k in group]
        main = max(members, key=lambda piece: total_area([piece.mesh]))
        look = looks[main.material]
        joined = concatenated([piece.mesh for piece in members])
        mesh, done = mended(welded(joined, WELD * diagonal)[0])
        notes += [f"{main.material or main.name}: {what}" for what in done]
        bodies.append(_closed(main, look, mesh, diagonal, notes))
        bodies += _labels(members, main, mesh, looks)
    return [body for body in bodies if body is not None and _is_solid(body.mesh)]


def _closed(main: Piece, look: Look, mesh: Mesh, diagonal: float, notes: list[str]) -> Body | None:
    """A body as it is, or with a wall where it is a sheet; None where no wall can be made."""
    if is_closed(mesh):
        return Body(main.material, look, mesh)
    thickness = _wall_of(look, diagonal, mesh)
    sheet = facing_out(mesh)
    wall = thickened(sheet, thickness)
    name = main.material or main.name
    if not is_closed(wall):
        notes.append(f"{name}: a sheet that cannot be given a wall was left out")
        return None
    notes.append(f"{name}: a sheet got a wall of {thickness * 1000:.2g} mm")
    return Body(main.material, look, wall, is_sound(sheet, wall, thickness))


def _wall_of(look: Look, diagonal: float, mesh: Mesh) -> float:
    """Thickness in metres for a sheet, less where the sheet itself is small."""
    share, least, most = GLASS_WALL if look == "clear" else OTHER_WALL
    extent = np.sort(np.ptp(mesh.vertices, axis=0))
    return float(min(np.clip(share * diagonal, least, most), 0.1 * extent[1]))


def _labels(
    members: Sequence[Piece], main: Piece, mesh: Mesh, looks: dict[str, Look]
) -> list[Body]:
    """Thin plates over what another material covers of a clear body: its label stays a label."""
    least = LABEL_SHARE * total_area([mesh])
    found = []
    for piece in members:
        covers = looks[piece.material] != "clear" and looks[main.material] == "clear"
        if covers and total_area([piece.mesh]) > least:
            plate = thickened(facing_out(piece.mesh), -LABEL[0], LABEL[1])
            if is_closed(plate):
                found.append(Body(piece.material, looks[piece.material], plate))
    return found


def _is_solid(mesh: Mesh) -> bool:
    return signed_volume(mesh) > 0


def _emptied(bodies: list[Body], notes: list[str]) -> list[Body]:
    """Bodies but for liquids inside them, for scenes pour their own.

    A clear body that is solid where its liquid is gets hollow there.
    """
    largest = max((total_area([body.mesh]) for body in bodies), default=0.0)
    liquids = [
        body
        for body in bodies
        if LIQUID.search(body.material)
        and total_area([body.mesh]) < largest
        and _within_box(body, [other for other in bodies if other is not body])
    ]
    for liquid in liquids:
        notes.append(f"{liquid.material}: taken for a liquid and left out")
    kept = [body for body in bodies if not any(body is liquid for liquid in liquids)]
    return [_hollowed(body, liquids) for body in kept]


def _hollowed(body: Body, liquids: Sequence[Body]) -> Body:
    """A clear body less the liquids that it encloses as a solid."""
    if body.look != "clear":
        return body
    solid = to_manifold(body.mesh)
    inside = [to_manifold(liquid.mesh) for liquid in liquids]
    for liquid in inside:
        if (solid ^ liquid).volume() > HOLLOWED * liquid.volume():
            solid = solid - liquid
    return replace(body, mesh=from_manifold(solid)) if inside else body


def _within_box(body: Body, others: Sequence[Body]) -> bool:
    if not others:
        return False
    points = np.concatenate([other.mesh.vertices for other in others])
    low, high = body.mesh.vertices.min(axis=0), body.mesh.vertices.max(axis=0)
    return bool((low >= points.min(axis=0)).all() and (high <= points.max(axis=0)).all())


def _united(bodies: list[Body], notes: list[str]) -> list[Body]:
    """One body for each material; clear ones that overlap are united whatever their material."""
    by_material: dict[tuple[str, Look], list[Body]] = defaultdict(list)
    for body in bodies:
        look: Look = body.look if body.sound or body.look != "clear" else "gloss"
        if look != body.look:
            notes.append(f"{body.material}: its wall folds, so it is made opaque")
        by_material[body.material, look].append(body)
    merged = [_union(material, look, group) for (material, look), group in by_material.items()]
    return _overlapping_clear_united([body for body in merged if _is_solid(body.mesh)], notes)


def _union(material: str, look: Look, group: Sequence[Body]) -> Body:
    """Bodies of one material as one; what lies wholly inside a clear one is its cavity."""
    if len(group) == 1:
        return group[0] if group[0].look == look else replace(group[0], look=look)
    solids = sorted((to_manifold(b.mesh) for b in group), key=lambda s: -float(s.volume()))
    whole = Manifold()
    for solid in solids:
        is_cavity = look == "clear" and _lies_within(solid, whole)
        whole = whole - solid if is_cavity else whole + solid
    return Body(material, look, from_manifold(whole))


def _lies_within(inner: Manifold, outer: Manifold) -> bool:
    if outer.is_empty() or outer.volume() < inner.volume():
        return False
    return bool((inner ^ outer).volume() > NESTED * inner.volume())


def _overlapping_clear_united(bodies: list[Body], notes: list[str]) -> list[Body]:
    kept: list[Body] = []
    for body in sorted(bodies, key=lambda b: -abs(signed_volume(b.mesh))):
        other = next((k for k, o in enumerate(kept) if _overlap(o, body)), None)
        if other is None:
            kept.append(body)
        else:
            notes.append(f"{body.material}: united with {kept[other].material}, which it overlaps")
            kept[other] = _union(kept[other].material, "clear", [kept[other], body])
    return kept


def _overlap(one: Body, other: Body) -> bool:
    if one.look != "clear" or other.look != "clear":
        return False
    a, b = to_manifold(one.mesh), to_manifold(other.mesh)
    return bool((a ^ b).volume() > OVERLAP * min(a.volume(), b.volume()))


def _parts(bodies: Sequence[Body], notes: list[str]) -> Made:
    """Parts with names of their own; the largest first, small ones of a look joined."""
    if len(bodies) > MAX_PARTS:
        notes.append(f"{len(bodies)} materials joined by how they look")
        by_look: dict[Look, list[Body]] = defaultdict(list)
        for body in bodies:
            by_look[body.look].append(body)
        bodies = [_union(group[0].material, look, group) for look, group in by_look.items()]
    ordered = sorted(bodies, key=lambda body: -total_area([body.mesh]))
    names: dict[str, int] = defaultdict(int)
    parts = []
    for k, body in enumerate(ordered):
        stem = "body" if k == 0 else _plain(body.material) or "part"
        names[stem] += 1
        name = stem if names[stem] == 1 else f"{stem}_{names[stem]}"
        parts.append(Part(name, body.mesh, KINDS[body.look], OPTICAL[body.look]))
    return Made(tuple(parts), tuple(body.material for body in ordered), tuple(notes))


def _plain(name: str) -> str:
    """A material's name as a word for a part."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:32]
