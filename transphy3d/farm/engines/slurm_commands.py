"""Slurm's own commands: called, read, and their errors explained."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from transphy3d.errors import RunError

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
CALL_SECONDS = 120
# What sbatch says, and which key of a profile to look at.
REMEDIES = (
    (r"Invalid account", "account: name one that you may charge, see `sacctmgr show assoc`"),
    (r"invalid partition|partition name", "partition: name one that `sinfo` lists"),
    (r"Invalid qos", "qos: name one that your account may use"),
    (r"[Tt]ime limit", "time: stay below the TIMELIMIT of the partition that `sinfo` shows"),
    (r"job array spec", "array_limit: lower it to MaxArraySize of `scontrol show config`"),
    (r"[Mm]emory spec", "memory: ask for what a node of the partition has"),
    (r"\(gres\)", "gres: ask for GPUs as `sinfo --format=%G` shows them"),
    (r"[Ff]eature", "constraint: name features that `sinfo --format=%f` shows"),
    (r"node config|CPU count|More processors", "gpus, cpus, memory, constraint: ask for less"),
    (r"SubmitJob|submission limit|QOS policy", "units_per_task: raise it to submit fewer tasks"),
    (r"[Uu]nrecognized|invalid option", "sbatch: remove the option that sbatch does not know"),
    (r"exclu.*node|node name", "exclude: name nodes that `sinfo --Node` lists"),
    (r"contact|Connection|ommunication", "the controller does not answer: try again later"),
)


@dataclass(frozen=True)
class Partition:
    """A partition as `sinfo` shows it.

    limit : longest time of a job, as 1-00:00:00, or infinite; gres : of its nodes, as gpu:a100:4
    """

    name: str
    default: bool
    limit: str
    gres: tuple[str, ...]


def missing_programs() -> list[str]:
    """Commands of Slurm that this machine does not find."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def call(*words: str) -> str:
    """What a command prints. Raises RunError with its own words and a remedy."""
    try:
        done = subprocess.run(
            words, text=True, capture_output=True, check=False, timeout=CALL_SECONDS
        )
    except FileNotFoundError:
        raise RunError(
            f"{words[0]}: is not found; run this where Slurm's commands are, as on a login node"
        ) from None
    except subprocess.TimeoutExpired:
        raise RunError(f"{words[0]}: no answer in {CALL_SECONDS} s; try again later") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RunError(f"{said}; {remedy(said)}")
    return done.stdout


def remedy(said: str) -> str:
    """What to do about an error of Slurm's, by its words."""
    for pattern, advice in REMEDIES:
        if re.search(pattern, said):
            return advice
    return "mend the profile, or ask those who run the cluster"


def submit(script: str, *options: str) -> int:
    """Submit a script file; returns the job's id."""
    return int(call("sbatch", "--parsable", *options, script).strip().partition(";")[0])


def validate(script: str) -> None:
    """Raise RunError for what Slurm would refuse; nothing is submitted."""
    call("sbatch", "--test-only", script)


def unfinished(jobs: Iterable[int]) -> list[str]:
    """Tasks of these jobs that wait or run, as 12_3; Slurm forgets ended jobs after a while."""
    ids = ",".join(map(str, jobs))
    try:
        shown = call("squeue", "--noheader", "--array", f"--jobs={ids}", "--format=%i")
    except RunError as error:
        if "Invalid job id" in str(error):
            return []
        raise
    return shown.split()


def cancel(jobs: Iterable[int]) -> None:
    """End jobs; those that have ended are left alone."""
    alive = {name.partition("_")[0] for name in unfinished(jobs)}
    if alive:
        call("scancel", *sorted(alive))


def partitions() -> list[Partition]:
    """All partitions that this user sees."""
    gres: dict[tuple[str, str], list[str]] = {}
    for line in call("sinfo", "--noheader", "--format=%P %l %G").splitlines():
        name, limit, found = line.split(maxsplit=2)
        gres.setdefault((name, limit), []).append(found.strip())
    return [
        Partition(name.rstrip("*"), name.endswith("*"), limit, tuple(found))
        for (name, limit), found in gres.items()
    ]


def max_array_size() -> int:
    """The cluster's own limit: task numbers lie below it."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", call("scontrol", "show", "config"), re.M)
    return int(found[1]) if found else 1


def node_names(hosts: Iterable[str]) -> list[str]:
    """Slurm's names of the nodes with these host names."""
    wanted = set(hosts)
    nodes = call("scontrol", "show", "node", "--oneliner") if wanted else ""
    named = re.findall(r"^NodeName=(\S+).*?NodeHostName=(\S+)", nodes, re.M)
    return sorted(name for name, host in named if {name, host} & wanted)
