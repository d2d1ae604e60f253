"""Reading a site's settings for an engine: YAML, checked as strictly as a job."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from transphy3d.config import Section
from transphy3d.job import faults, read_yaml

P = TypeVar("P", bound=Section)


def load_profile(path: Path | None, model: type[P]) -> P:
    """The settings in a YAML file, or the defaults without one.

    Raises JobError naming file, key, value and remedy of every fault: unknown keys with the nearest
    known one, values out of range, keys that the engine cannot do without.
    """
    needs = f"a profile sets at least one of {', '.join(model.model_fields)}"
    data = read_yaml(path, needs) if path else {}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise faults(error, model, str(path or "without a --profile")) from None
