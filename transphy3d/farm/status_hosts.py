"""How the hosts of a run do: which are slow, which fail, which units hang."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable

from transphy3d.farm.attempts import Attempt, Done
from transphy3d.farm.hosts import HostTrouble
from transphy3d.farm.survey import Survey
from transphy3d.jsonio import record

SLOW_FACTOR = 2.0  # times the usual, from which a unit or a host is called slow
MIN_FINISHED = 3


@record
class HostState:
    """One host.

    finished : sequences that it published; running : units that it makes now
    seconds_per_frame : median over the sequences that it made in one try; None for none
    failed : tries that count against units not finished yet
    in_a_row : units that failed one after another since one succeeded there
    avoided : agents claim nothing there any more; message : why the last unit failed there
    """

    host: str
    device: str
    finished: int
    running: int
    seconds_per_frame: float | None
    failed: int
    in_a_row: int
    avoided: bool
    message: str


@record
class SlowUnit:
    """A unit in the making that has taken longer than others. times : the usual seconds."""

    unit: int
    host: str
    seconds: float
    frames: int
    times: float


def host_states(survey: Survey, troubles: Iterable[HostTrouble]) -> list[HostState]:
    """Every host that has done or tried anything, slowest first, then those that finished none."""
    finished = group_by_host(survey.done.values())
    running = Counter(survey.tries[index][-1].host for index in survey.running)
    failed = Counter(
        attempt.host for tries in survey.tries.values() for attempt in tries if attempt.counts
    )
    against = {trouble.host: trouble for trouble in troubles}
    states = [
        _state(name, finished.get(name, []), running[name], failed[name], against.get(name))
        for name in {*finished, *running, *failed, *against} - {""}
    ]
    return sorted(states, key=lambda state: (-(state.seconds_per_frame or 0.0), state.host))


def group_by_host(records: Iterable[Done]) -> dict[str, list[Done]]:
    """Finished sequences by the host that published them."""
    groups: dict[str, list[Done]] = defaultdict(list)
    for done in records:
        groups[done.host].append(done)
    return groups


def _state(
    name: str, finished: list[Done], running: int, failed: int, trouble: HostTrouble | None
) -> HostState:
    paces = [done.seconds / done.frames for done in finished if done.tries == {"done": 1}]
    return HostState(
        host=name,
        device=finished[-1].device if finished else "",
        finished=len(finished),
        running=running,
        seconds_per_frame=statistics.median(paces) if paces else None,
        failed=failed,
        in_a_row=len(trouble.units) if trouble else 0,
        avoided=trouble is not None and trouble.avoided,
        message=trouble.message if trouble else "",
    )


def slow_hosts(states: Iterable[HostState]) -> list[HostState]:
    """Hosts that take `SLOW_FACTOR` times as long for a frame as the median host."""
    timed = [s for s in states if s.seconds_per_frame is not None and s.finished >= MIN_FINISHED]
    if not timed:
        return []
    usual = statistics.median(s.seconds_per_frame or 0.0 for s in timed)
    return [s for s in timed if (s.seconds_per_frame or 0.0) > SLOW_FACTOR * usual]


def failing_hosts(states: Iterable[HostState]) -> list[HostState]:
    """Hosts on which something failed; the worst first."""
    bad = [state for state in states if state.in_a_row or state.failed]
    return sorted(bad, key=lambda state: (-state.in_a_row, -state.failed, state.host))


def slow_units(survey: Survey) -> list[SlowUnit]:
    """Units in the making that have taken longer than usual by `SLOW_FACTOR`, slowest first."""
    taken = [done.seconds_all for done in survey.done.values()]
    if len(taken) < MIN_FINISHED:
        return []
    usual = statistics.median(taken)
    found = [_slow(index, survey.tries[index][-1], usual) for index in survey.running]
    return sorted((unit for unit in found if unit.times > SLOW_FACTOR), key=lambda u: -u.times)


def _slow(index: int, attempt: Attempt, usual: float) -> SlowUnit:
    return SlowUnit(
        unit=index,
        host=attempt.host,
        seconds=attempt.seconds,
        frames=attempt.frames,
        times=attempt.seconds / max(usual, 1e-9),
    )
