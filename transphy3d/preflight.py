"""Everything that can be found wrong with a job before anything is made."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from transphy3d.assets.load import load_mesh
from transphy3d.assets.procedural.family import families
from transphy3d.assets.selection import locked, open_bank, select
from transphy3d.config import Job, Selection
from transphy3d.errors import JobError, SceneRejected
from transphy3d.materials.library import load_library
from transphy3d.plugins import load_plugins
from transphy3d.rng import Streams
from transphy3d.scenes.assembly import bank_ref, build_asset
from transphy3d.scenes.hdr import read_hdr
from transphy3d.scenes.lights import RIGS, environment_files
from transphy3d.scenes.rooms import ROOMS
from transphy3d.scenes.sample import sample_scene
from transphy3d.scenes.supports import SUPPORTS
from transphy3d.wording import suggest

log = logging.getLogger(__name__)


def preflight(job: Job, cache: Path) -> None:
    """Raise JobError or AssetError for whatever would fail later.

    Checks names against what is registered, reads every material, mesh and environment, and
    samples the first scene. Meshes are decomposed for collision on the way, into `cache`.
    """
    load_plugins(job.plugins)
    library = load_library(job.materials.folder)
    known = list(families())
    check_patterns("objects.families", job.objects.families, known)
    check_names("objects.weights", job.objects.weights, known)
    check_names("objects.optical", job.objects.optical, ["transparent", "reflective", "opaque"])
    check_patterns("materials.select", job.materials.select, library.names())
    check_names("materials.weights", job.materials.weights, library.names())
    check_names("supports.kinds", job.supports.kinds, SUPPORTS.names())
    check_names("rooms.kinds", job.rooms.kinds, ROOMS.names())
    check_names("lights.rigs", job.lights.rigs, RIGS.names())
    for path in environment_files(job.lights.environments):
        read_hdr(path)
    for mesh in job.objects.meshes:
        load_mesh(mesh, cache)
    if job.objects.draws("bank"):
        check_bank(job)
    with contextlib.suppress(SceneRejected):  # chance, not a fault of the job: drawn again later
        sample_scene(job, Streams(job.seed, 0), library, cache)


def check_bank(job: Job) -> None:
    """Raise JobError or AssetError for patterns, files and licences of the bank that do not do.

    Every file that the job may draw is read; assets that were imported as another class than they
    are judged go to the log.
    """
    config = job.objects.bank
    bank = open_bank(config)
    records = list(bank.records())
    categories = sorted({asset.category for asset in records})
    check_patterns("objects.bank.categories", config.categories, categories)
    check_patterns("objects.bank.assets", config.assets, [asset.id for asset in records])
    drawn = select(config)
    if others := [asset.id for asset in drawn if asset.imported_as_another]:
        log.warning(
            "bank %s: %d of its assets, as %s, were imported as another class than they are judged "
            "now, so their parts are of that; run `transphy3d assets import`",
            config.folder,
            len(others),
            others[0],
        )
    for asset in drawn:
        build_asset(bank_ref(asset, bank), job.objects.segments, bank.root)
    if job.run.keep_blend and (kept := locked(drawn)):
        raise JobError(
            f"run.keep_blend: a .blend would hold the mesh of {kept[0]!r}, whose licence forbids "
            "passing it on; switch it off, or leave such licences out of objects.bank.licences"
        )


def check_names(key: str, given: Iterable[str], known: list[str]) -> None:
    """Raise JobError for the first name that is not known, with the nearest one."""
    for name in given:
        if name not in known:
            raise JobError(f"{key}: {name!r} is not known; {suggest(name, sorted(known))}")


def check_patterns(key: str, selection: Selection, known: list[str]) -> None:
    """Raise JobError for a pattern that fits nothing: misspelt, it would let things through."""
    for field in ("include", "exclude"):
        for pattern in getattr(selection, field):
            if not any(fnmatchcase(name, pattern) for name in known):
                hint = suggest(pattern, sorted(known))
                raise JobError(f"{key}.{field}: {pattern!r} fits nothing; {hint}")
