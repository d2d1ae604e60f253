"""Profiles: YAML files with what an engine must know about a site, checked strictly."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from transphy3d.config import Section
from transphy3d.job import faults, read_yaml

Profile = TypeVar("Profile", bound=Section)


def load_profile(kind: type[Profile], path: Path | None, engine: str) -> Profile:
    """The profile of type `kind` in a YAML file, or its defaults where `path` is None.

    Raises JobError that lists every fault: unknown keys with the nearest known one, values out of
    range, keys that the engine cannot do without.
    """
    needed = [name for name, field in kind.model_fields.items() if field.is_required()]
    needs = f"a profile of engine {engine} needs {', '.join(needed) or 'at least one key'}"
    source = str(path) if path else f"engine {engine} without --profile"
    try:
        return kind.model_validate(read_yaml(path, needs) if path else {})
    except ValidationError as error:
        raise faults(error, kind, source) from None
