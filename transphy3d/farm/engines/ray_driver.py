"""The driver of a run on Ray: asks for tasks, takes in how they end, asks again for what is lost.

What it keeps in memory can all be read from the run directory, so it may die and be started again;
Ray ends the tasks of a driver that is gone.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from transphy3d.config import Job
from transphy3d.errors import DeviceError, DiskFull, Interrupted, TransPhy3DError
from transphy3d.farm.attempts import Attempt, highest, last_message, numbers_in, read_attempt
from transphy3d.farm.blender_process import whole_frames
from transphy3d.farm.control import is_draining
from transphy3d.farm.engines.ray_cluster import Need, import_ray, nodes
from transphy3d.farm.engines.ray_tasks import End, Order, make_unit
from transphy3d.farm.lease import Observer, is_gone, take, this_process
from transphy3d.farm.pace import frame_seconds
from transphy3d.farm.packer import Packer
from transphy3d.farm.published import is_published, published, read_done
from transphy3d.farm.rundir import RunDir, read_plan
from transphy3d.farm.unit_process import EXIT_BUSY, raise_if_fatal
from transphy3d.progress import Progress
from transphy3d.scenes.stage import phases_for
from transphy3d.signals import telling

POLL_SECONDS = 1.0
LOOK_SECONDS_PER_TASK = 0.05  # keeps looks at the disk rare where many sequences are in the making
STOP_SECONDS = 300.0
NODE_LABEL = "ray.io/node-id"
# Ends of a unit's process that speak against the machine it ran on.
UNFIT: dict[int, type[TransPhy3DError]] = {k.exit_code: k for k in (DeviceError, DiskFull)}


@dataclass(frozen=True)
class Settings:
    """What tasks are asked for with.

    need : resources of one by name; cores : to render with; parallel : tasks at a time, None for
    what there is room for; patient : machines come on demand; token : of the run directory
    """

    need: Need
    cores: int
    parallel: int | None
    patient: bool
    environment: dict[str, str]
    token: str


@dataclass(frozen=True)
class _Flight:
    """A task that was asked for. over : a try that it supersedes; before : tries at that time."""

    index: int
    over: int | None
    before: int


@dataclass
class _Driver:
    """waiting : units to ask for, each with a try to supersede; held : units of other processes;
    unfit : machines to avoid, by Ray's id, with the reason
    """

    job: Job
    run: RunDir
    units: int
    settings: Settings
    progress: Progress
    task: Any
    observer: Observer
    packer: Packer
    waiting: deque[tuple[int, int | None]] = field(default_factory=deque)
    held: set[int] = field(default_factory=set)
    flying: dict[Any, _Flight] = field(default_factory=dict)
    unfit: dict[str, TransPhy3DError] = field(default_factory=dict)
    looked: float = 0.0
    signal: str | None = None

    def stop(self, signal: str) -> None:
        """Ask it to cancel its tasks and end."""
        self.signal = signal


def drive(job: Job, run: RunDir, settings: Settings, progress: Progress) -> None:
    """Bring every open unit to its end, or the run to a stop.

    Raises JobError, RunError, DeviceError, DiskFull or Interrupted for what concerns all units;
    tasks are then cancelled and have finished their frames when this returns.
    """
    driver = _make_driver(job, run, settings, progress)
    # Ray does not bear exceptions from handlers of signals.
    with telling(driver.stop):
        try:
            while driver.waiting or driver.held or driver.flying:
                _submit(driver)
                _take_in(driver)
                _look(driver)
        finally:
            _stop(driver)


def _make_driver(job: Job, run: RunDir, settings: Settings, progress: Progress) -> _Driver:
    units = read_plan(run.root).units
    driver = _Driver(
        job=job,
        run=run,
        units=units,
        settings=settings,
        progress=progress,
        task=_remote(settings.need),
        observer=Observer(job.run.lease),
        packer=Packer(job, run, units),
    )
    driver.held.update(_open_units(driver))
    _sort_held(driver)
    return driver


def _remote(need: Need) -> Any:
    """The task, in a worker process that ends with it; not Ray asks again for what fails, we do."""
    known = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}
    options = {known[name]: amount for name, amount in need.items() if name in known}
    custom = {name: amount for name, amount in need.items() if name not in known}
    remote = import_ray().remote(max_calls=1, max_retries=0, resources=custom, **options)
    return remote(make_unit)


def _open_units(driver: _Driver) -> list[int]:
    """Units that are neither published nor set aside."""
    ended = published(driver.run) | numbers_in(driver.run.dead_folder)
    return [index for index in range(driver.units) if index not in ended]


def _last_try(driver: _Driver, index: int) -> Attempt | None:
    folder = driver.run.attempts(index)
    number = highest(folder)
    return read_attempt(folder, number) if number else None


def _submit(driver: _Driver) -> None:
    """Ask for as many tasks as there is room for. Raises Interrupted after a signal."""
    if driver.signal:
        raise Interrupted(f"{driver.signal} received; run the same command to go on")
    if is_draining(driver.run):
        driver.waiting.clear()
        driver.held.clear()
    room = _room(driver) if driver.waiting else 0
    while driver.waiting and len(driver.flying) < room:
        index, over = driver.waiting.popleft()
        _ask(driver, index, over)


def _room(driver: _Driver) -> int:
    """Tasks to have at a time; one at least, which waits until a machine comes.

    Raises why machines are avoided when no other is left.
    """
    fit = [node for node in nodes() if node.id not in driver.unfit]
    room = sum(node.holds(driver.settings.need) for node in fit)
    if driver.unfit and not (room or driver.flying or driver.settings.patient):
        raise list(driver.unfit.values())[-1]
    return driver.settings.parallel or max(room, 1)


def _ask(driver: _Driver, index: int, over: int | None) -> None:
    order = Order(
        root=str(driver.run.root),
        token=driver.settings.token,
        index=index,
        over=over,
        cores=driver.settings.cores,
        environment=driver.settings.environment,
    )
    before = highest(driver.run.attempts(index))
    task = driver.task.options(**_placement(driver)).remote(order)
    driver.flying[task] = _Flight(index, over, before)
    driver.progress.event("sequence submitted", sequence=index)


def _placement(driver: _Driver) -> dict[str, Any]:
    """Options that keep a task away from unfit machines."""
    if not driver.unfit:
        return {}
    from ray.util.scheduling_strategies import NodeLabelSchedulingStrategy, NotIn

    elsewhere = NodeLabelSchedulingStrategy(hard={NODE_LABEL: NotIn(*driver.unfit)})  # type: ignore[no-untyped-call]
    return {"scheduling_strategy": elsewhere}


def _take_in(driver: _Driver) -> None:
    """Wait a moment for tasks to end, and settle those that did."""
    ray = import_ray()
    if not driver.flying:
        time.sleep(POLL_SECONDS)
        return
    ended, _ = ray.wait(list(driver.flying), timeout=POLL_SECONDS)
    for task in ended:
        flight = driver.flying.pop(task)
        try:
            end = ray.get(task)
        except ray.exceptions.RayError as error:
            _settle_lost(driver, flight, _reason(error))
        else:
            _settle(driver, flight, end)


def _reason(error: Exception) -> str:
    """Why Ray lost a task, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def _settle_lost(driver: _Driver, flight: _Flight, why: str) -> None:
    """A task's process or machine is gone: its unit is asked for again.

    A claim that the task made is superseded at once. Where it made none, this try is recorded for
    it, because a unit that kills whatever begins it must not be asked for without end.
    """
    index, folder = flight.index, driver.run.attempts(flight.index)
    driver.progress.event("sequence lost", sequence=index, why=why)
    if highest(folder) == flight.before:
        lease = take(folder, driver.observer, over=flight.over)
        if lease is not None:
            lease.end("vanished", message=why)
    last = _last_try(driver, index)
    over = last.number if last and last.outcome == "running" else None
    if not _ended(driver, index) and not _flies(driver, index):
        driver.waiting.append((index, over))


def _settle(driver: _Driver, flight: _Flight, end: End) -> None:
    """What the end of a task means for its unit."""
    if end.kind == "stopped":
        return
    if end.kind == "unfit" or end.code in UNFIT:
        error = UNFIT.get(end.code, DeviceError)(end.words)
        driver.unfit[end.node] = error
        driver.progress.event("machine avoided", host=end.host, why=end.words)
        driver.waiting.append((flight.index, flight.over))
    elif end.code == EXIT_BUSY:
        if not _flies(driver, flight.index):
            driver.held.add(flight.index)
    else:
        _settle_ran(driver, flight, end)


def _settle_ran(driver: _Driver, flight: _Flight, end: End) -> None:
    run, index = driver.run, flight.index
    raise_if_fatal(run, index, end.code)
    if _ended(driver, index):
        _tell_end(driver, index)
    elif end.code == Interrupted.exit_code:
        driver.progress.event("sequence interrupted", sequence=index, host=end.host)
        driver.waiting.append((index, None))
    elif highest(run.attempts(index)) == flight.before:
        _settle_lost(driver, flight, f"{end.host}: exit code {end.code} at once: {end.words}")
    else:
        why = last_message(run, index)
        driver.progress.event("sequence failed, tried again", sequence=index, why=why)
        driver.waiting.append((index, None))


def _ended(driver: _Driver, index: int) -> bool:
    """Whether a unit is published or set aside."""
    return is_published(driver.run, index) or driver.run.dead(index).exists()


def _tell_end(driver: _Driver, index: int) -> None:
    """Report a unit that is published or set aside, and pack its shard if that was its last."""
    if driver.run.dead(index).exists():
        why = last_message(driver.run, index)
        driver.progress.event("sequence set aside", sequence=index, why=why)
    else:
        done = read_done(driver.run, index)
        seconds = done.seconds if done else 0.0
        driver.progress.event("sequence done", sequence=index, seconds=seconds)
    driver.packer.unit_ended(index, _open_units(driver))


def _flies(driver: _Driver, index: int) -> bool:
    """Whether a task is asked for that makes this unit."""
    return any(flight.index == index for flight in driver.flying.values())


def _look(driver: _Driver) -> None:
    """Look at what no task tells, not too often: files of other processes, frames, stragglers."""
    pause = max(POLL_SECONDS, LOOK_SECONDS_PER_TASK * (len(driver.flying) + len(driver.held)))
    if time.monotonic() - driver.looked < pause:
        return
    driver.looked = time.monotonic()
    _sort_held(driver)
    _reissue_stragglers(driver)
    _tell_frames(driver)


def _sort_held(driver: _Driver) -> None:
    """Ask for units that no other process holds, or not any more."""
    for index in sorted(driver.held):
        last, folder = _last_try(driver, index), driver.run.attempts(index)
        if _ended(driver, index):
            driver.held.discard(index)
        elif last is None or last.outcome != "running" or is_gone(last, this_process()):
            driver.held.discard(index)
            driver.waiting.append((index, None))
        elif driver.observer.is_stale(folder, last):
            driver.held.discard(index)
            driver.waiting.append((index, last.number))


def _reissue_stragglers(driver: _Driver) -> None:
    """Ask once more for units that get no further, when there is room and nothing else to do.

    Each try is given longer than the one before, so that a slow scene is not begun for ever.
    """
    pace = None if driver.waiting else frame_seconds(driver.run)
    if pace is None:
        return
    patience = max(driver.job.run.straggler * pace, driver.job.run.lease)
    flights = [(flight.index, flight.over) for flight in driver.flying.values()]
    for index in {index for index, _ in flights}:
        last = _last_try(driver, index)
        if last is None or last.outcome != "running" or (index, last.number) in flights:
            continue
        still = driver.observer.still(("pictures", index), (last.number, last.pictures))
        if still > patience * last.number:
            driver.progress.event("sequence gets no further, tried elsewhere", sequence=index)
            driver.waiting.append((index, last.number))


def _tell_frames(driver: _Driver) -> None:
    """Count finished frames, of published units and of those in the making."""
    making = {flight.index for flight in driver.flying.values()} | driver.held
    phases = phases_for(driver.job.output.channels)
    done = numbers_in(driver.run.done_folder)
    frames = sum(whole_frames(driver.run.stage(index), phases) for index in making - done)
    total = driver.units * driver.job.frames
    driver.progress.frames(len(done) * driver.job.frames + frames, total)


def _stop(driver: _Driver) -> None:
    """Cancel what is still asked for; running tasks finish their frames first."""
    ray = import_ray()
    for task in driver.flying:
        ray.cancel(task)
    if driver.flying:
        tasks = list(driver.flying)
        ray.wait(tasks, num_returns=len(tasks), timeout=STOP_SECONDS)
    driver.packer.wait()
    ray.shutdown()
