"""Shards of a run: fixed by the plan, packed as their units finish, in any order.

Shard s holds the published ones of the units s * k to (s + 1) * k - 1, where k is the job's
`output.sequences_per_shard`; so its content depends on nothing but those.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from transphy3d.config import Job
from transphy3d.errors import RunError
from transphy3d.farm.attempts import numbers_in
from transphy3d.farm.lease import Lease, Observer, alone, beating, take
from transphy3d.farm.published import is_published, published, read_done
from transphy3d.farm.rundir import RunDir, read_job, read_plan
from transphy3d.farm.space import check_room
from transphy3d.files import remove_scratch, write_json
from transphy3d.jsonio import from_json, record, to_data
from transphy3d.shards.pack import Shard, publish_index, shard_name, write_shard

CLAIM = "pack"


@record
class PackedShard:
    """What a shard was made from, and how its file looked then.

    sources : SHA-256 of each sequence file by unit; size, modified : bytes and nanoseconds, to
        notice a file that was changed since
    """

    file: str
    sources: dict[int, str]
    size: int
    modified: int
    shard: Shard


def pack_run(root: Path) -> Path:
    """Pack all published sequences of a run; returns the shard folder.

    Raises RunError where nothing is published, DiskFull before anything is touched.
    """
    run = RunDir(root)
    job = read_job(root)
    with alone(run.claims(CLAIM), job.run) as lease:
        if not published(run):
            raise RunError(f"{run.root}: nothing is published yet; run `transphy3d render` first")
        _pack(run, job, lease, _shards(run, job))
    return run.shards


def pack_closed(root: Path) -> None:
    """Pack the shards into which nothing more can come, unless another process packs already."""
    run = RunDir(root)
    job = read_job(root)
    lease = take(run.claims(CLAIM), Observer(job.run.lease))
    if lease is None:
        return
    with beating(lease, job.run.heartbeat, lambda: False):
        try:
            _pack(run, job, lease, _closed(run, job))
        finally:
            lease.end("done")


def _shards(run: RunDir, job: Job) -> list[int]:
    units = read_plan(run.root).units
    return list(range(-(-units // job.output.sequences_per_shard)))


def _units(run: RunDir, job: Job, shard: int) -> range:
    size = job.output.sequences_per_shard
    return range(shard * size, min((shard + 1) * size, read_plan(run.root).units))


def _closed(run: RunDir, job: Job) -> list[int]:
    """Shards whose units are all published or set aside."""
    ended = numbers_in(run.done_folder) | numbers_in(run.dead_folder)
    return [s for s in _shards(run, job) if ended.issuperset(_units(run, job, s))]


def _pack(run: RunDir, job: Job, lease: Lease, shards: list[int]) -> None:
    """Write those of `shards` that are not current, and the index after each."""
    wanted = {shard: _sources(run, job, shard) for shard in shards}
    stale = [s for s in shards if wanted[s] and not _is_current(run, job, s, wanted[s])]
    run.shards.mkdir(exist_ok=True)
    check_room(run.shards, [run.sequence(unit) for s in stale for unit in wanted[s]])
    for shard in stale:
        lease.check()
        _pack_one(run, job, shard, wanted[shard])
        _publish(run, job)
    for shard in shards:
        if not wanted[shard]:
            _record(run, shard).unlink(missing_ok=True)
    lease.check()
    _publish(run, job)


def _sources(run: RunDir, job: Job, shard: int) -> dict[int, str]:
    """SHA-256 of each published sequence of a shard, by unit."""
    units = [unit for unit in _units(run, job, shard) if is_published(run, unit)]
    return {unit: done.sha256 for unit in units if (done := read_done(run, unit))}


def _record(run: RunDir, shard: int) -> Path:
    return run.packed / f"{shard:05d}.json"


def _file(run: RunDir, job: Job, shard: int) -> Path:
    size = job.output.sequences_per_shard
    return run.shards / shard_name(job.name, shard * size, size)


def _is_current(run: RunDir, job: Job, shard: int, sources: dict[int, str]) -> bool:
    packed = _read(run, job, shard)
    return packed is not None and packed.sources == sources


def _read(run: RunDir, job: Job, shard: int) -> PackedShard | None:
    """The record of a shard, if its file is as it was left."""
    file = _file(run, job, shard)
    try:
        packed = from_json(PackedShard, _record(run, shard).read_bytes())
        found = file.stat()
    except (OSError, ValidationError):
        return None
    same = (packed.file, packed.size, packed.modified)
    return packed if same == (file.name, found.st_size, found.st_mtime_ns) else None


def _pack_one(run: RunDir, job: Job, shard: int, sources: dict[int, str]) -> None:
    file = _file(run, job, shard)
    remove_scratch(file)
    written = write_shard(file, [run.sequence(unit) for unit in sources])
    found = file.stat()
    packed = PackedShard(
        file=file.name,
        sources=sources,
        size=found.st_size,
        modified=found.st_mtime_ns,
        shard=written,
    )
    write_json(_record(run, shard), to_data(packed))


def _publish(run: RunDir, job: Job) -> None:
    """Write the index of all shards that are as their records say."""
    found = [packed for s in _shards(run, job) if (packed := _read(run, job, s))]
    if found:
        publish_index(run.shards, job.name, {packed.file: packed.shard for packed in found})
