"""Hosts on which units fail one after another: agents there stop claiming."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from transphy3d.errors import DeviceError
from transphy3d.farm.rundir import RunDir
from transphy3d.files import write_json
from transphy3d.jsonio import from_json, record, to_data

FAILURES_TO_AVOID = 3


@record
class HostTrouble:
    """Units that failed on a host, one after another, since one last succeeded there."""

    host: str
    units: tuple[int, ...]
    message: str

    @property
    def avoided(self) -> bool:
        """Whether enough different units failed for the host to be blamed."""
        return len(self.units) >= FAILURES_TO_AVOID


def _path(run: RunDir, host: str) -> Path:
    return run.hosts / f"{re.sub(r'[^A-Za-z0-9._-]', '_', host)}.json"


def read_trouble(run: RunDir, host: str) -> HostTrouble:
    """What is known against a host; no units where nothing is."""
    try:
        return from_json(HostTrouble, _path(run, host).read_bytes())
    except (OSError, ValidationError):
        return HostTrouble(host=host, units=(), message="")


def troubled_hosts(run: RunDir) -> list[HostTrouble]:
    """Every host with something against it."""
    return [read_trouble(run, path.stem) for path in sorted(run.hosts.glob("*.json"))]


def note_failure(run: RunDir, host: str, unit: int, message: str) -> None:
    """A unit failed on the host; a second failure of the same one says nothing new."""
    known = read_trouble(run, host)
    units = tuple(dict.fromkeys((*known.units, unit)))
    trouble = HostTrouble(host=host, units=units, message=message)
    write_json(_path(run, host), to_data(trouble))


def note_success(run: RunDir, host: str) -> None:
    """A unit was made on the host: what failed before was not its fault."""
    _path(run, host).unlink(missing_ok=True)


def forgive(run: RunDir, host: str | None = None) -> None:
    """Let agents claim again on a host, or on all."""
    paths = [_path(run, host)] if host else list(run.hosts.glob("*.json"))
    for path in paths:
        path.unlink(missing_ok=True)


def check_host(run: RunDir, host: str) -> None:
    """Raise DeviceError on a host that is to be avoided."""
    trouble = read_trouble(run, host)
    if trouble.avoided:
        units = ", ".join(map(str, trouble.units))
        raise DeviceError(
            f"{host}: units {units} failed here one after another, and none succeeded; the last: "
            f"{trouble.message}; mend the host, then resume the run"
        )
