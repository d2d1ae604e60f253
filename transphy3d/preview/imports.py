"""Pictures of imported assets on a table, in library materials, for people to look at."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from transphy3d.assets.bank import AssetRecord, Bank
from transphy3d.assets.geometry import FloatArray
from transphy3d.config import Job
from transphy3d.cores import threads_per_worker
from transphy3d.errors import RenderError
from transphy3d.farm.blender_process import run_blender
from transphy3d.files import replacing
from transphy3d.groundtruth.camera import fov_intrinsics
from transphy3d.materials.library import load_library
from transphy3d.pipeline import frame_file
from transphy3d.preview.panels import font, shortened
from transphy3d.rng import Streams
from transphy3d.scenes.assembly import bank_ref, build_asset
from transphy3d.scenes.build import build_geometry
from transphy3d.scenes.objects import Drawn, draw_liquid, draw_materials
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.render_settings import resolve
from transphy3d.scenes.rotations import as_matrix3, as_matrix4, turn
from transphy3d.scenes.sample import scene_around
from transphy3d.scenes.spec import (
    CameraSpec,
    ObjectSpec,
    PhysicsReport,
    Pose,
    SceneSpec,
    SettledScene,
    Wobble,
)
from transphy3d.scenes.stage_build import build_stage
from transphy3d.scenes.trajectory import look_at, project

COLUMNS, ROWS = 4, 3
PER_SHEET = COLUMNS * ROWS
SIZE = 0.1  # metres to which every asset's longest edge is brought
PITCH = (0.15, 0.17)  # metres from one asset to the next, across and away
FOV = 26.0  # degrees
EYE = (0.0, -1.05, 0.95)  # metres
TARGET = (0.0, 0.0, 0.03)
TURN = 0.6  # radians
GAP = 1e-4  # metres to the table, as objects come to rest
LABEL_SIZE = 11
STILL = Wobble(amplitudes=(), cycles=(), phases=())
NO_CAMERA_PATH = CameraSpec(
    fov=FOV,
    radius=0.0,
    height=0.0,
    azimuth=0.0,
    arc=0.0,
    radius_wobble=STILL,
    height_wobble=STILL,
    look_wobble=(STILL, STILL, STILL),
)
AT_REST = PhysicsReport(
    settle_seconds=0.0, penetration=0.0, speed=0.0, angular_speed=0.0, redropped=0
)


def write_sheets(bank: Bank, assets: Sequence[AssetRecord], folder: Path) -> list[Path]:
    """Contact sheets imports-00.png, ... of PER_SHEET imported assets each.

    Raises AssetError for assets that are not imported, RenderError if Blender fails.
    """
    found = []
    for number, start in enumerate(range(0, len(assets), PER_SHEET)):
        path = folder / f"imports-{number:02d}.png"
        _write_sheet(bank, assets[start : start + PER_SHEET], path)
        found.append(path)
    return found


def _write_sheet(bank: Bank, assets: Sequence[AssetRecord], path: Path) -> None:
    job = _job()
    palette = Palette(load_library(), job.materials)
    drawn = [_drawn(job, palette, bank, asset, k + 1) for k, asset in enumerate(assets)]
    settled = _settled(job, scene_around(job, Streams(0, 0), palette, drawn))
    with tempfile.TemporaryDirectory(prefix="transphy3d-sheet-") as folder:
        _render(job, settled, bank, Path(folder))
        with Image.open(frame_file(Path(folder), "rgb", 0)) as picture:
            sheet = picture.convert("RGB")
    _label(sheet, settled, [asset.id for asset in assets])
    with replacing(path) as scratch:
        sheet.save(scratch, format="PNG")


def _job() -> Job:
    data = {
        "name": "imports",
        "sequences": 1,
        "frames": 1,
        "width": 960,
        "height": 720,
        "objects": {"optical": {"transparent": 1, "reflective": 1, "opaque": 1}, "filled": 0.5},
        "materials": {"select": {"exclude": ["*frosted*"]}},
        "supports": {"kinds": {"table": 1}},
        "rooms": {"kinds": {"backdrop": 1}},
        "lights": {"rigs": {"studio": 1}},
        "render": {"samples": 12},
        "output": {"channels": ["rgb"]},
    }
    return Job.model_validate(data)


def _drawn(job: Job, palette: Palette, bank: Bank, asset: AssetRecord, number: int) -> Drawn:
    """An asset at the sheet's size, with materials of its own stream."""
    ref = bank_ref(asset, bank)
    built = build_asset(ref, job.objects.segments, bank.root)
    streams = Streams(0, number)
    materials = draw_materials(built.parts, job.objects, streams("materials"), palette)
    clear = materials[built.parts[0].name].optical_class == "transparent"
    liquid = draw_liquid(job.objects, palette, streams("liquid"))
    spec = ObjectSpec(
        id=number,
        asset=ref,
        scale=SIZE / float(np.ptp(built.points(), axis=0).max()),
        materials=materials,
        rotation=turn(TURN),
        upright=True,
        liquid=liquid if clear and built.cavity else None,
    )
    return Drawn(spec, built)


def _settled(job: Job, spec: SceneSpec) -> SettledScene:
    """The objects in rows, and one camera that sees them all."""
    poses = {
        item.id: Pose(position=place, rotation=item.rotation)
        for item, place in zip(spec.objects, _places(len(spec.objects)), strict=True)
    }
    (matrix,) = look_at(np.array([EYE]), np.array([TARGET]))
    return SettledScene(
        spec=spec,
        poses=poses,
        liquids=tuple(item.id for item in spec.objects if item.liquid),
        physics=AT_REST,
        camera=NO_CAMERA_PATH,
        intrinsics=as_matrix3(fov_intrinsics(FOV, job.width, job.height)),
        world_to_camera=(as_matrix4(matrix),),
    )


def _places(count: int) -> list[tuple[float, float, float]]:
    """Rows from the far left to the near right."""
    across, away = PITCH
    return [
        ((k % COLUMNS - (COLUMNS - 1) / 2) * across, ((ROWS - 1) / 2 - k // COLUMNS) * away, GAP)
        for k in range(count)
    ]


def _render(job: Job, settled: SettledScene, bank: Bank, folder: Path) -> None:
    settings = resolve(job.render, 0, threads_per_worker(job))
    geometry = build_geometry(settled.spec, job.objects.segments, bank.root)
    build_stage(settled, geometry, job, settings, folder)
    log = folder / "log.txt"
    end = run_blender(folder, log, job.run.frame_timeout, lambda counts: None)
    if end.code != 0:
        words = log.read_text(errors="replace")[-2000:]
        raise RenderError(f"the contact sheet could not be rendered:\n{words}")


def _label(sheet: Image.Image, settled: SettledScene, names: Sequence[str]) -> None:
    """Write each asset's id before its feet."""
    draw, face = ImageDraw.Draw(sheet), font(LABEL_SIZE)
    across, away = PITCH
    feet = np.array([(x, y - 0.45 * away, z) for x, y, z in _places(len(names))])
    spots = _pixels(settled, feet)
    width = float(_pixels(settled, np.array([(across, 0, 0)]))[0, 0]) - sheet.width / 2
    for (x, y), name in zip(spots.tolist(), names, strict=True):
        text = shortened(name, face, width)
        draw.text((x, y), text, "white", face, anchor="mm", stroke_width=2, stroke_fill="black")


def _pixels(settled: SettledScene, points: FloatArray) -> FloatArray:
    """(N, 2) pixels of world points in the only frame."""
    found = project(points, np.array(settled.intrinsics), np.array(settled.world_to_camera))
    pixels: FloatArray = found.reshape(-1, found.shape[-1])[:, :2]
    return pixels
