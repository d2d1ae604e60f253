"""A Ray cluster: joined or started, what it has, and what its machines lack for a run."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from transphy3d import __version__
from transphy3d.errors import DeviceError, PackageMissing, RunError
from transphy3d.farm.engines.ray_tasks import make_probe

CONNECT_SECONDS = 10.0
PROBE_SECONDS = 120.0
FROM_SESSION = "auto"
CLIENT_SCHEME = "ray://"

Need = dict[str, float]


@dataclass(frozen=True)
class Node:
    """A live machine. room : what Ray may give to tasks there, by resource."""

    id: str
    host: str
    room: dict[str, float]

    def holds(self, need: Need) -> int:
        """How many tasks with this need fit at a time."""
        counts = [int(self.room.get(name, 0.0) / amount + 1e-9) for name, amount in need.items()]
        return min(counts, default=0)


def import_ray() -> ModuleType:
    """The package. Raises PackageMissing where it is not installed."""
    try:
        import ray
    except ModuleNotFoundError:
        raise PackageMissing(
            "engine ray needs the package ray on every machine of the cluster and here; pip "
            "install 'transphy3d[ray]'"
        ) from None
    return ray


def connect(address: str | None) -> None:
    """Join the cluster at `address`, or start one on this machine where that is None.

    Raises RunError, before Ray's own long wait, where nothing answers.
    """
    ray = import_ray()
    if ray.is_initialized():
        return
    if address is not None:
        _check_address(address)
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    with _our_signals():
        try:
            if address is None:
                ray.init(include_dashboard=False, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ray.exceptions.RayError, RuntimeError, ValueError, OSError) as error:
            raise RunError(
                f"engine ray: {address or 'a cluster on this machine'}: {error}"
            ) from None


def _check_address(address: str) -> None:
    if address.startswith(CLIENT_SCHEME):
        raise RunError(
            f"engine ray: address: {address} is one of Ray Client, which cannot see machines come "
            "and go; run this on a machine of the cluster, with the head's HOST:6379 or `auto`"
        )
    if address == FROM_SESSION:
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise RunError(f"engine ray: address: {address!r} is not of the form HOST:PORT, or `auto`")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise RunError(
            f"engine ray: no cluster answers at {address} ({error}); start its head with `ray "
            "start --head`, or mend `address` in the profile"
        ) from None


@contextlib.contextmanager
def _our_signals() -> Iterator[None]:
    """Keep our handlers of signals, which Ray replaces by ones that end the process at once."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def nodes() -> list[Node]:
    """The machines that are alive."""
    found = [node for node in import_ray().nodes() if node["Alive"]]
    return [Node(n["NodeID"], n["NodeManagerHostname"], n["Resources"]) for n in found]


def has_gpus() -> bool:
    """Whether some machine has a GPU to give."""
    return any(node.room.get("GPU") for node in nodes())


def check_room(need: Need) -> None:
    """Raise DeviceError or RunError unless some machine has room for a task with this need."""
    found = nodes()
    if any(node.holds(need) for node in found):
        return
    asked = ", ".join(f"{amount:g} {name}" for name, amount in need.items())
    if "GPU" in need and not has_gpus():
        raise DeviceError(
            "engine ray: no machine of the cluster has a GPU; start workers with --num-gpus, or "
            "set gpus: 0 in the profile (wait_for_nodes: true where machines come on demand)"
        )
    have = "; ".join(f"{node.host}: {_shown(node)}" for node in found)
    raise RunError(
        f"engine ray: no machine has room for a task of {asked} (there are {have}); lower what the "
        "profile asks for, or set wait_for_nodes: true where machines come on demand"
    )


def _shown(node: Node) -> str:
    shown = {k: v for k, v in node.room.items() if not k.startswith(("node:", "object_store"))}
    return ", ".join(f"{amount:g} {name}" for name, amount in sorted(shown.items())) or "nothing"


def check_machines(found: list[Node], token_file: Path, token: str) -> None:
    """Raise RunError naming every machine that lacks transphy3d or the run directory."""
    ray = import_ray()
    probe = ray.remote(num_cpus=0)(make_probe())
    said = [probe.options(**_there(node)).remote(str(token_file), token) for node in found]
    pairs = zip(found, said, strict=True)
    faults = [fault for node, answer in pairs if (fault := _fault(node, answer))]
    if faults:
        raise RunError("engine ray: " + "; ".join(faults))


def _there(node: Node) -> dict[str, Any]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False)}


def _fault(node: Node, answer: Any) -> str | None:
    """What is wrong with a machine, from its probe's answer."""
    ray = import_ray()
    try:
        said = ray.get(answer, timeout=PROBE_SECONDS)
    except ray.exceptions.RayError as error:
        return f"{node.host} gives no answer ({type(error).__name__}); look at its Ray logs"
    if said["version"] is None:
        return f"{said['host']}: transphy3d is not installed for {said['python']}; install it"
    if said["version"] != __version__:
        return f"{said['host']} has transphy3d {said['version']}; install {__version__} there"
    if not said["shared"]:
        return f"{said['host']} does not see the run directory; mount the same disk at that path"
    return None
