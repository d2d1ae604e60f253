"""From a scene at rest to the stage folder that Blender reads, and to its object table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.config import Job
from transphy3d.files import replacing, write_text
from transphy3d.jsonio import from_json, to_json
from transphy3d.materials.spec import Material
from transphy3d.scenes.assembly import with_liquid
from transphy3d.scenes.geometry import Geometry, StaticBody
from transphy3d.scenes.lights import resolved
from transphy3d.scenes.rotations import as_matrix4, pose_matrix
from transphy3d.scenes.spec import Environment, ObjectSpec, SettledScene, Vec3
from transphy3d.scenes.stage import (
    STAGE_VERSION,
    RenderSettings,
    Stage,
    StageObject,
    phases_for,
)
from transphy3d.scenes.surface_points import surface_points
from transphy3d.shards.schema import POINTS_PER_OBJECT, ObjectRow

STAGE_FILE = "stage.json"
SURROUNDINGS = 0


@dataclass(frozen=True)
class Piece:
    """One part of one object as it stands on the stage; `instance` counts from 1."""

    instance: int
    spec: ObjectSpec
    asset: Asset
    part: Part
    material: Material


def pieces(settled: SettledScene, geometry: Geometry) -> Iterator[Piece]:
    """Every part of every object, kept liquids included, by object and then part."""
    instance = SURROUNDINGS
    for spec in sorted(settled.spec.objects, key=lambda item: item.id):
        asset = geometry.assets[spec.id]
        if spec.id in settled.liquids:
            asset = with_liquid(asset, spec)
        for part in asset.parts:
            instance += 1
            yield Piece(instance, spec, asset, part, _material(spec, part))


def _material(spec: ObjectSpec, part: Part) -> Material:
    if part.name not in spec.materials and spec.liquid is not None:
        return spec.liquid.material
    return spec.materials[part.name]


def build_stage(
    settled: SettledScene, geometry: Geometry, job: Job, settings: RenderSettings, folder: Path
) -> Stage:
    """Write `meshes/*.npz` and then stage.json, each whole or not at all.

    Objects have their instance, surroundings have 0.
    """
    meshes = folder / "meshes"
    meshes.mkdir(parents=True, exist_ok=True)
    objects = []
    for piece in pieces(settled, geometry):
        item = _stage_object(piece, settled)
        _write_mesh(meshes / f"{item.mesh}.npz", piece.part.mesh)
        objects.append(item)
    for body, material in _statics(settled, geometry):
        _write_mesh(meshes / f"{body.name}.npz", body.mesh)
        objects.append(_stage_static(body, material))
    stage = _stage(settled, job, settings, tuple(objects))
    write_text(folder / STAGE_FILE, to_json(stage))
    return stage


def refresh_stage(settled: SettledScene, job: Job, settings: RenderSettings, folder: Path) -> None:
    """Bring a kept stage.json up to this machine and to the job's keys that are no identity.

    Device, threads and the paths of the built-in environments may have changed since it was
    written. Raises pydantic.ValidationError for a stage of another version.
    """
    path = folder / STAGE_FILE
    kept = from_json(Stage, path.read_bytes())
    environment = settled.spec.lights.environment
    current = replace(
        kept,
        environment=resolved(environment) if environment else None,
        render=settings,
        save_blend=job.run.keep_blend,
    )
    if current != kept:
        write_text(path, to_json(current))


def _stage(
    settled: SettledScene, job: Job, settings: RenderSettings, objects: tuple[StageObject, ...]
) -> Stage:
    lights = settled.spec.lights
    environment: Environment | None = lights.environment
    return Stage(
        version=STAGE_VERSION,
        width=job.width,
        height=job.height,
        intrinsics=settled.intrinsics,
        world_to_camera=settled.world_to_camera,
        objects=objects,
        environment=resolved(environment) if environment else None,
        areas=lights.areas,
        render=settings,
        phases=phases_for(job.output.channels),
        save_blend=job.run.keep_blend,
    )


def _stage_object(piece: Piece, settled: SettledScene) -> StageObject:
    spec, asset = piece.spec, piece.asset
    matrix = pose_matrix(settled.poses[spec.id])
    matrix[:3, :3] *= spec.scale
    return StageObject(
        name=f"object{spec.id:03d}_{piece.part.name}",
        # A user's mesh file names its parts, and such a name need be no file name.
        mesh=f"instance{piece.instance:03d}",
        instance=piece.instance,
        matrix=as_matrix4(matrix),
        material=piece.material,
        sharp_angle=asset.sharp_angle,
        wall=asset.wall * spec.scale,
        shares_interface=asset.shares_interface and piece.part is asset.parts[0],
    )


def _statics(settled: SettledScene, geometry: Geometry) -> Iterator[tuple[StaticBody, Material]]:
    """Bodies of support and room with their materials."""
    for body in geometry.support.bodies:
        yield body, settled.spec.support.materials[body.material]
    for body in geometry.room:
        yield body, settled.spec.room.materials[body.material]


def _stage_static(body: StaticBody, material: Material) -> StageObject:
    return StageObject(
        name=body.name,
        mesh=body.name,
        instance=SURROUNDINGS,
        matrix=as_matrix4(np.eye(4)),
        material=material,
        sharp_angle=body.sharp_angle,
        wall=0.0,
        shares_interface=False,
    )


def _write_mesh(path: Path, mesh: Mesh) -> None:
    """An uncompressed .npz; 32-bit vertices are finer than a micrometre up to 16 m."""
    arrays = {"vertices": mesh.vertices.astype(np.float32), "faces": mesh.faces}
    if mesh.uv is not None:
        arrays["uv"] = mesh.uv
    if mesh.ior is not None:
        arrays["ior"] = mesh.ior
    with replacing(path) as scratch, scratch.open("wb") as stream:
        np.savez(stream, **arrays)


def object_rows(settled: SettledScene, geometry: Geometry) -> tuple[ObjectRow, ...]:
    """The object table: one row for each instance, in order."""
    return tuple(_row(piece, settled) for piece in pieces(settled, geometry))


def _row(piece: Piece, settled: SettledScene) -> ObjectRow:
    spec, material = piece.spec, piece.material
    vertices = piece.part.mesh.vertices * spec.scale
    points = surface_points(vertices, piece.part.mesh.faces, POINTS_PER_OBJECT)
    return ObjectRow(
        instance=piece.instance,
        object=spec.id,
        part=piece.part.name,
        asset=spec.asset.name,
        source=spec.asset.source,
        category=piece.asset.category,
        material=material.name,
        kind=material.kind,
        optical_class=material.optical_class,
        scale=spec.scale,
        object_to_world=as_matrix4(pose_matrix(settled.poses[spec.id])),
        bounds_low=_vec3(vertices.min(axis=0)),
        bounds_high=_vec3(vertices.max(axis=0)),
        points=tuple(_vec3(point) for point in points),
    )


def _vec3(values: FloatArray) -> Vec3:
    x, y, z = values.tolist()
    return x, y, z
