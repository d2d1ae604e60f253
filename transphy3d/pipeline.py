"""One sequence, stage by stage: sample, settle, film, build the stage; then frames to HDF5.

Blender runs between `prepare` and `publish`, in a process that the farm starts.
"""

from __future__ import annotations

import itertools
import json
import platform
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

import transphy3d
from transphy3d.assets.bank import AssetRecord
from transphy3d.assets.selection import open_bank
from transphy3d.config import Channel, Job
from transphy3d.cores import threads_per_worker
from transphy3d.errors import ImpossibleScene, RenderError, SceneRejected
from transphy3d.files import write_text
from transphy3d.groundtruth.passes import ground_truth, metres, read_depth
from transphy3d.jsonio import from_json, record, to_data, to_json
from transphy3d.materials.library import Library, load_library
from transphy3d.physics.settle import settle
from transphy3d.plugins import load_plugins
from transphy3d.rng import Streams
from transphy3d.scenes.build import build_geometry
from transphy3d.scenes.camera import place_camera
from transphy3d.scenes.geometry import Geometry
from transphy3d.scenes.render_settings import resolve
from transphy3d.scenes.sample import sample_scene
from transphy3d.scenes.spec import SceneSpec, SettledScene
from transphy3d.scenes.stage import Phase, RenderSettings, phases_for
from transphy3d.scenes.stage_build import build_stage, object_rows, refresh_stage
from transphy3d.shards.schema import Attribution, ObjectRow, Provenance, Rejection, SequenceMeta
from transphy3d.shards.writer import SequenceWriter
from transphy3d.versions import versions

SCENE_FILE = "scene.json"


class DamagedFrame(RenderError):
    """A frame that Blender left is missing or cannot be read."""


@record
class Prepared:
    """A scene ready to render, and how it was found."""

    settled: SettledScene
    objects: tuple[ObjectRow, ...]
    rejections: tuple[Rejection, ...]
    seconds: float
    cpu_seconds: float
    attributions: tuple[Attribution, ...] = ()


def prepare(
    job: Job, index: int, stage: Path, cache: Path, only: tuple[int, ...] | None = None
) -> Prepared:
    """Find an acceptable scene and write it as a stage folder; a prepared one is kept.

    What `run` and `render.device` say holds for a kept scene as well.
    cache : folder for what is derived from mesh files
    only : frames to render instead of all
    Raises ImpossibleScene when the job's attempts are used up.
    """
    settings = resolve(job.render, scene_seed(job, index), threads_per_worker(job))
    if kept := _kept(job, settings, stage):
        return kept
    began, cpu_began = time.perf_counter(), time.process_time()
    load_plugins(job.plugins)
    settled, geometry, rejections = find_scene(
        job, index, load_library(job.materials.folder), cache
    )
    built = build_stage(settled, geometry, job, settings, stage)
    if only is not None:
        write_text(stage / "stage.json", to_json(replace(built, only=only)))
    prepared = Prepared(
        settled=settled,
        objects=object_rows(settled, geometry),
        rejections=rejections,
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - cpu_began,
        attributions=attributions(job, settled.spec),
    )
    write_text(stage / SCENE_FILE, to_json(prepared))
    return prepared


def _kept(job: Job, settings: RenderSettings, stage: Path) -> Prepared | None:
    """The scene that an earlier try prepared; None if there is none that this version reads."""
    try:
        prepared = from_json(Prepared, (stage / SCENE_FILE).read_bytes())
        refresh_stage(prepared.settled, job, settings, stage)
    except (FileNotFoundError, ValidationError):
        return None
    return prepared


def attributions(job: Job, spec: SceneSpec) -> tuple[Attribution, ...]:
    """Whom the scene's objects from a bank are owed to, by asset."""
    drawn = sorted({item.asset.name for item in spec.objects if item.asset.source == "bank"})
    bank = open_bank(job.objects.bank) if drawn else None
    return tuple(_attribution(bank.read(asset)) for asset in drawn) if bank else ()


def _attribution(asset: AssetRecord) -> Attribution:
    licence = asset.licence
    return Attribution(
        asset=asset.id,
        name=asset.name,
        author=licence.author,
        licence=licence.name,
        version=licence.version,
        attribution=licence.attribution,
        licence_url=licence.url,
        url=asset.url,
        sha256=asset.file.sha256 if asset.file else "",
    )


def scene_seed(job: Job, index: int) -> int:
    """The renderer's noise seed of a sequence, a non-negative 31-bit integer."""
    return int(Streams(job.seed, index)("render").integers(2**31))


def find_scene(
    job: Job, index: int, library: Library, cache: Path
) -> tuple[SettledScene, Geometry, tuple[Rejection, ...]]:
    """Sample until a scene passes every check.

    Raises ImpossibleScene with the count of each reason when none does.
    """
    rejections: list[Rejection] = []
    for attempt in range(job.physics.attempts):
        try:
            settled, geometry = _try_scene(job, Streams(job.seed, index, attempt), library, cache)
            return settled, geometry, tuple(rejections)
        except SceneRejected as error:
            rejections.append(Rejection(attempt=attempt, reason=error.reason, detail=error.detail))
    counts = Counter(rejection.reason for rejection in rejections)
    raise ImpossibleScene(
        f"sequence {index}: none of {len(rejections)} sampled scenes was acceptable "
        f"({', '.join(f'{reason} {n}' for reason, n in counts.most_common())}); the last: "
        f"{rejections[-1].detail}; ask for fewer or smaller objects, other supports, "
        "or raise physics.attempts"
    )


def _try_scene(
    job: Job, streams: Streams, library: Library, cache: Path
) -> tuple[SettledScene, Geometry]:
    spec = sample_scene(job, streams, library, cache)
    geometry = build_geometry(spec, job.objects.segments, cache)
    rest = settle(spec, geometry, streams("spawn"), job.physics)
    return place_camera(job, spec, rest, geometry, streams), geometry


def publish(job: Job, job_sha256: str, index: int, stage: Path, path: Path, attempt: int) -> None:
    """Turn a rendered stage folder into a sequence file, atomically.

    attempt : how many tries it took, for the provenance
    Raises RenderError where frames are damaged, as a full disk leaves them; these are removed, so
    that the next try renders them again.
    """
    prepared = from_json(Prepared, (stage / SCENE_FILE).read_bytes())
    meta = sequence_meta(job, job_sha256, prepared, render_report(stage), attempt)
    channels = tuple(job.output.channels)
    try:
        with SequenceWriter(path, meta, channels) as writer:
            for frame in range(meta.frames):
                writer.append(read_frame(stage, prepared.settled, frame, channels))
    except DamagedFrame as error:
        lost = _remove_damaged(stage, prepared.settled, phases_for(channels))
        raise RenderError(
            f"{error}; {lost} such frames were removed, to be rendered again"
        ) from error


def _remove_damaged(stage: Path, settled: SettledScene, phases: tuple[Phase, ...]) -> int:
    """Remove every frame that cannot be read; returns how many there were."""
    lost = 0
    for frame, phase in itertools.product(range(settled.spec.frames), phases):
        try:
            _read_phase(stage, settled, frame, phase)
        except DamagedFrame:
            frame_file(stage, phase, frame).unlink(missing_ok=True)
            lost += 1
    return lost


def frame_file(stage: Path, phase: Phase, frame: int) -> Path:
    """Where Blender leaves a frame."""
    suffix = "png" if phase == "rgb" else "exr"
    return stage / "frames" / phase / f"{frame:04d}.{suffix}"


def read_frame(
    stage: Path, settled: SettledScene, frame: int, channels: Collection[Channel]
) -> dict[str, NDArray[Any]]:
    """The named channels of one rendered frame, as `transphy3d.shards.schema` defines them.

    Only the files of the phases that these channels need are read. Raises DamagedFrame.
    """
    found: dict[str, NDArray[Any]] = {}
    for phase in phases_for(channels):
        found |= _read_phase(stage, settled, frame, phase)
    return {name: found[name] for name in channels}


def _read_phase(
    stage: Path, settled: SettledScene, frame: int, phase: Phase
) -> dict[str, NDArray[Any]]:
    """The channels that one phase's file of a frame holds."""
    file = frame_file(stage, phase, frame)
    try:
        if phase == "rgb":
            with Image.open(file) as picture:
                return {"rgb": np.asarray(picture.convert("RGB"))}
        if phase == "behind":
            return {"depth_behind": metres(read_depth(file))}
        pose = np.array(settled.world_to_camera[frame])
        truth = ground_truth(file, None, np.array(settled.intrinsics), pose)
    except (OSError, SyntaxError, RenderError) as error:  # Pillow's word for a broken PNG
        raise DamagedFrame(f"{file}: cannot be read ({error})") from error
    return {name: getattr(truth, name) for name in ("depth", "normal", "instance")}


def render_report(stage: Path) -> dict[str, Any]:
    """What Blender's worker says of itself at the end."""
    report: dict[str, Any] = json.loads((stage / "render.json").read_text())
    return report


def sequence_meta(
    job: Job, job_sha256: str, prepared: Prepared, report: dict[str, Any], attempt: int
) -> SequenceMeta:
    """All that a sequence file says beside its channels."""
    settled = prepared.settled
    return SequenceMeta(
        job=job.name,
        job_sha256=job_sha256,
        index=settled.spec.index,
        seed=job.seed,
        fps=job.fps,
        width=job.width,
        height=job.height,
        intrinsics=settled.intrinsics,
        world_to_camera=settled.world_to_camera,
        objects=prepared.objects,
        view_transform=job.render.view_transform,
        scene=to_data(settled),
        provenance=_provenance(job, prepared, report, attempt),
        attributions=prepared.attributions,
    )


def _provenance(job: Job, prepared: Prepared, report: dict[str, Any], attempt: int) -> Provenance:
    return Provenance(
        transphy3d=transphy3d.__version__,
        versions=versions(),
        host=platform.node(),
        device=report["device_name"],
        denoiser=report["denoiser"],
        seconds={"scene": prepared.seconds, **report["seconds"]},
        cpu_seconds=prepared.cpu_seconds + sum(report["cpu_seconds"].values()),
        attempts=attempt,
        rejections=prepared.rejections,
        job=job.model_dump(mode="json"),
    )
