"""Reading a site's settings for an engine: YAML, checked as strictly as a job."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from transphy3d.config import Section
from transphy3d.errors import JobError
from transphy3d.job import explain, read_yaml

P = TypeVar("P", bound=Section)


def load_profile(path: Path | None, model: type[P]) -> P:
    """The settings in a YAML file; the defaults without one, or where all keys are left out.

    Raises JobError naming file, key, value and remedy of every fault.
    """
    data = read_yaml(path) if path else None
    try:
        return model.model_validate({} if data is None else data)
    except ValidationError as error:
        raise JobError(explain(error, model, str(path))) from None
