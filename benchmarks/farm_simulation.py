"""GPU time that failures waste on 1,000 workers, with and without frame-level resume.

    python benchmarks/farm_simulation.py [--plot PICTURE.png] [--estimate estimate.json] [--quick]

A discrete-event simulation. Workers take units of 120 frames; nodes fail, or are preempted, and
come back. What the farm does then is the farm's own: its lease before others may take a unit, its
class for a try that ended (`Attempt.counts`), its number of tries before a unit is set aside. Work
counts as wasted when it is done again: frames that were lost, the frame at hand, another start.
"Without resume" is the same farm if a new try had to begin at the first frame.

Rates, from the literature:

rsc2, rsc1   2.34 and 6.50 failures per 1,000 node-days in two clusters of A100 with 8 GPUs a node:
             A. Kokolis et al., Revisiting Reliability in Large-Scale Machine Learning Research
             Clusters, HPCA 2025 (arXiv 2410.21680)
llama3       419 unplanned interruptions in 54 days on 16,384 H100, 8 a node, which makes 3.79 per
             1,000 node-days: The Llama 3 Herd of Models (arXiv 2407.21783), section 3.3.4
preemptible  Google's preemptible machines, which live 24 hours at most: the bathtub model
             F(t) = A (1 - exp(-t/tau1) + exp((t-b)/tau2)) of J. Kadupitiya, V. Jadhao, P. Sharma,
             Modeling the Temporally Constrained Preemptions of Transient Cloud VMs, HPDC 2020
             (arXiv 1911.05160); 30 s of notice

Assumed, for want of a source: the bathtub's A 0.45, tau1 1 h, tau2 0.8 h, b 24 h; a failed node is
back after a log-normal time of median 2 h, a preempted machine is replaced after 10 minutes;
`backfill`, a Slurm partition that preempts each job after 4 h on average, with 60 s of notice; 30 s
of start for every try. A frame takes 30 s (a sequence 1 h, as on CPUs or in high quality), or what
a file of `transphy3d estimate` says; the plot shows other lengths.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from transphy3d.config import RunConfig
from transphy3d.farm.attempts import Attempt
from transphy3d.farm.blender_process import STOP_SECONDS

POLICY = RunConfig()
HOUR, DAY = 3600.0, 86400.0
FRAMES = 120
MIN_EVENTS = 20  # interruptions from which a wasted share is drawn
SPREAD = 0.4  # of the logarithm of a sequence's frame time
Draw = Callable[[np.random.Generator], float]
# Sequences of the plot: name, median seconds of a frame, colour.
LENGTHS = (("10 min", 5.0, "#2f6fde"), ("1 h", 30.0, "#24a148"), ("4 h", 120.0, "#da1e28"))


@dataclass(frozen=True)
class Nodes:
    """Where workers run. lifetime, repair : draw seconds; notice : seconds from signal to end."""

    name: str
    gpus: int
    lifetime: Draw
    repair: Draw
    notice: float = 0.0


@dataclass(frozen=True)
class Load:
    """The work. frame : median seconds of a frame; start : seconds before a try's first frame."""

    units: int
    frame: float
    start: float = 30.0
    resume: bool = True


@dataclass
class Unit:
    """A sequence: seconds a frame, frames kept, and the tries that count against it."""

    frame: float
    kept: int = 0
    counted: int = 0
    tries: int = 0


@dataclass
class Worker:
    """A GPU. unit : in the making since `since`; turn : changes when that ends"""

    node: int
    unit: int | None = None
    since: float = 0.0
    turn: int = 0
    up: bool = True


@dataclass
class Farm:
    """The state of one simulation; `busy` and `useful` are GPU seconds."""

    nodes: Nodes
    load: Load
    rng: np.random.Generator
    units: list[Unit]
    workers: list[Worker]
    waiting: deque[int]
    idle: set[int] = field(default_factory=set)
    events: list[tuple[float, int, str, int, int]] = field(default_factory=list)
    counter: itertools.count[int] = field(default_factory=itertools.count)
    now: float = 0.0
    busy: float = 0.0
    useful: float = 0.0
    published: int = 0
    dead: int = 0
    interruptions: int = 0

    def at(self, seconds: float, kind: str, who: int, turn: int = 0) -> None:
        """Let something happen."""
        heapq.heappush(self.events, (seconds, next(self.counter), kind, who, turn))


def simulate(nodes: Nodes, load: Load, workers: int, seed: int = 0) -> Farm:
    """Run until every unit is published or set aside."""
    rng = np.random.default_rng(seed)
    frames = rng.lognormal(math.log(load.frame), SPREAD, load.units)
    farm = Farm(
        nodes,
        load,
        rng,
        [Unit(float(frame)) for frame in frames],
        [Worker(index // nodes.gpus) for index in range(workers)],
        deque(range(load.units)),
    )
    for node in range(-(-workers // nodes.gpus)):
        farm.at(nodes.lifetime(rng), "down", node)
    for worker in range(workers):
        take(farm, worker)
    handlers = {"finish": finish, "down": down, "up": up, "open": reopen}
    while farm.published + farm.dead < load.units:
        farm.now, _, kind, who, turn = heapq.heappop(farm.events)
        handlers[kind](farm, who, turn)
    return farm


def take(farm: Farm, index: int) -> None:
    """Let a worker begin the next open unit, or wait for one."""
    worker = farm.workers[index]
    if not farm.waiting:
        farm.idle.add(index)
        return
    worker.unit, worker.since = farm.waiting.popleft(), farm.now
    worker.turn += 1
    unit = farm.units[worker.unit]
    unit.tries += 1
    seconds = farm.load.start + (FRAMES - unit.kept) * unit.frame
    farm.at(farm.now + seconds, "finish", index, worker.turn)


def finish(farm: Farm, index: int, turn: int) -> None:
    """A worker publishes its unit, unless it was interrupted before."""
    worker = farm.workers[index]
    if worker.turn != turn or worker.unit is None:
        return
    farm.busy += farm.now - worker.since
    farm.useful += farm.load.start + FRAMES * farm.units[worker.unit].frame
    farm.published += 1
    worker.unit = None
    take(farm, index)


def down(farm: Farm, node: int, _: int) -> None:
    """A node goes: what its workers make is interrupted."""
    gpus = farm.nodes.gpus
    for index in range(node * gpus, min((node + 1) * gpus, len(farm.workers))):
        worker = farm.workers[index]
        worker.up = False
        farm.idle.discard(index)
        if worker.unit is not None:
            interrupt(farm, worker)
    farm.at(farm.now + farm.nodes.notice + farm.nodes.repair(farm.rng), "up", node)


def interrupt(farm: Farm, worker: Worker) -> None:
    """End a try as the farm does: after the frame at hand, or stopped in it, or without a word."""
    index, unit = worker.unit, farm.units[worker.unit]
    spent, notice = farm.now - worker.since, farm.nodes.notice
    rendering = max(spent - farm.load.start, 0.0)
    done, rest = int(rendering // unit.frame), unit.frame - rendering % unit.frame
    patience = min(notice, STOP_SECONDS)  # Blender is killed when the frame takes longer
    stopping = min(rest, patience) if rendering else 0.0
    told = notice > 0 and stopping < notice  # time enough to write how it ended
    frames = min(unit.kept + done + (rendering > 0 and rest <= patience), FRAMES)
    ended = Attempt(
        number=unit.tries,
        outcome="interrupted" if told else "vanished",
        pictures_before=unit.kept,
        pictures=frames,
    )
    farm.busy += spent + stopping
    farm.interruptions += 1
    unit.kept = frames if farm.load.resume else 0
    unit.counted += ended.counts
    worker.unit = None
    if unit.counted >= POLICY.attempts:
        farm.dead += 1
        return
    # A released unit is free at once; of one that fell silent others must watch a whole lease.
    silence = 0.0 if told else POLICY.heartbeat + POLICY.lease
    farm.at(farm.now + stopping + silence, "open", index)


def up(farm: Farm, node: int, _: int) -> None:
    """A node is back, and its workers take units."""
    gpus = farm.nodes.gpus
    farm.at(farm.now + farm.nodes.lifetime(farm.rng), "down", node)
    for index in range(node * gpus, min((node + 1) * gpus, len(farm.workers))):
        farm.workers[index].up = True
        take(farm, index)


def reopen(farm: Farm, unit: int, _: int) -> None:
    """A unit may be claimed again; a worker that waits takes it."""
    farm.waiting.append(unit)
    if farm.idle:
        take(farm, farm.idle.pop())


def exponential(mean: float) -> Draw:
    """Times between events of a constant rate."""
    return lambda rng: float(rng.exponential(mean))


def failing(name: str, per_1000_node_days: float) -> Nodes:
    """Nodes of eight GPUs that fail without a word."""
    repair: Draw = lambda rng: float(rng.lognormal(math.log(2 * HOUR), 1.0))  # noqa: E731
    return Nodes(name, 8, exponential(1000 * DAY / per_1000_node_days), repair)


def bathtub(rng: np.random.Generator) -> float:
    """Lifetime of a preemptible machine: the inverse of its distribution, on a fine grid."""
    scale, early, late, limit = 0.45, HOUR, 0.8 * HOUR, 24 * HOUR
    ages = np.linspace(0, limit, 4001)
    dead = scale * (1 - np.exp(-ages / early) + np.exp((ages - limit) / late))
    return float(ages[min(int(np.searchsorted(dead, rng.random())), len(ages) - 1)])


def scenarios() -> list[Nodes]:
    """The rates of the table."""
    soon = exponential(10 * 60)
    return [
        failing("rsc2", 2.34),
        failing("llama3", 419 / 54 / (16384 / 8) * 1000),
        failing("rsc1", 6.50),
        Nodes("preemptible", 1, bathtub, soon, notice=30.0),
        Nodes("backfill", 1, exponential(4 * HOUR), soon, notice=60.0),
    ]


def wasted(farm: Farm) -> float:
    """Share of the GPU time that made nothing that was kept."""
    return 1 - farm.useful / farm.busy


def table(load: Load, workers: int) -> None:
    """One line a scenario."""
    print(
        f"{'':12}{'inter-':>9}{'GPU time wasted':>20}{'a time, GPU-minutes':>22}{'set aside':>15}\n"
        f"{'':12}{'ruptions':>9}{'resume':>10}{'without':>10}{'resume':>12}{'without':>10}"
        f"{'resume':>8}{'w/o':>7}"
    )
    for nodes in scenarios():
        kept = simulate(nodes, load, workers)
        lost = simulate(nodes, replace(load, resume=False), workers)
        print(
            f"{nodes.name:12}{kept.interruptions:>9,}{100 * wasted(kept):>9.4f}%"
            f"{100 * wasted(lost):>9.4f}%{minutes(kept):>12.2f}{minutes(lost):>10.2f}"
            f"{kept.dead:>8}{lost.dead:>7}",
            flush=True,
        )


def minutes(farm: Farm) -> float:
    """GPU minutes wasted for each interruption of a worker."""
    return (farm.busy - farm.useful) / 60 / max(farm.interruptions, 1)


def curve(load: Load, workers: int, hours: list[float], most: int) -> list[float]:
    """Percent wasted by mean time between interruptions of a worker, none of them announced.

    most : units of one simulation; NaN where that brings too few interruptions to say anything
    """
    unit = (load.start + FRAMES * load.frame * math.exp(SPREAD**2 / 2)) / HOUR
    shares = []
    for mean in hours:
        nodes = Nodes("", 1, exponential(mean * HOUR), exponential(10 * 60))
        units = min(max(round(100 * mean / unit), 4 * workers), most)
        farm = simulate(nodes, replace(load, units=units), workers)
        shares.append(100 * wasted(farm) if farm.interruptions >= MIN_EVENTS else math.nan)
    return shares


def plot(path: Path, workers: int, most: int) -> None:
    """Wasted share against the time between interruptions, for three lengths of a sequence."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    hours = [float(2**power) for power in range(1, 13)]
    figure, axes = plt.subplots(figsize=(8, 4.8), constrained_layout=True)
    for label, frame, colour in LENGTHS:
        for resume, style in ((False, "--"), (True, "-")):
            shares = curve(Load(0, frame, resume=resume), workers, hours, most)
            name = f"{label}, {'with' if resume else 'without'} resume"
            axes.plot(hours, shares, style, color=colour, label=name)
    for nodes, place in ((4.0, "backfill"), (24 * 1000 / 6.5, "rsc1")):
        axes.axvline(nodes, color="grey", linewidth=0.8, linestyle=":")
        axes.text(nodes * 1.04, 0.0013, place, color="grey", fontsize=8)
    axes.set(xscale="log", yscale="log", ylim=(1e-3, 100))
    axes.set(xlabel="mean hours between interruptions of a worker", ylabel="GPU time wasted, %")
    axes.set(title=f"{workers:,} workers, by length of a sequence")
    axes.grid(alpha=0.3, which="both", linewidth=0.5)
    axes.legend(fontsize=8, ncols=3, loc="upper right")
    figure.savefig(path, dpi=110)
    print(path)


def measured(path: Path) -> tuple[float, float]:
    """Seconds of a frame and of a start, from what `transphy3d estimate --out` left."""
    found = json.loads(path.read_text())
    once = found["once_share"] * found["seconds_per_sequence"]["mean"]
    return (found["seconds_per_sequence"]["mean"] - once) / found["frames"], once


def main() -> None:
    """Parse, print the policy and the table, draw the plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--days", type=float, default=30, help="of work for all workers")
    parser.add_argument("--estimate", type=Path, help="take frame and start from this file")
    parser.add_argument("--plot", type=Path, help="picture to draw")
    parser.add_argument("--quick", action="store_true", help="two days, a coarse plot")
    options = parser.parse_args()
    frame, start = measured(options.estimate) if options.estimate else (30.0, 30.0)
    days = 2 if options.quick else options.days
    mean = frame * math.exp(SPREAD**2 / 2) * FRAMES + start
    units = round(days * DAY * options.workers / mean)
    print(
        f"lease {POLICY.lease:g} s, heartbeat {POLICY.heartbeat:g} s, {POLICY.attempts} attempts; "
        f"{options.workers:,} workers, {units:,} units of {mean / HOUR:.2f} h"
    )
    table(Load(units, frame, start), options.workers)
    if options.plot:
        plot(options.plot, options.workers, most=20_000 if options.quick else 400_000)


if __name__ == "__main__":
    main()
