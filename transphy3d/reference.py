"""The generated pages of the documentation: `python -m transphy3d.reference docs`."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from transphy3d.assets.procedural.family import families
from transphy3d.config import Job
from transphy3d.files import write_text

# Attributes of pydantic's constraints, and how the page writes them.
LIMITS = {
    "ge": "≥",
    "gt": ">",
    "le": "≤",
    "lt": "<",
    "min_length": "of length ≥",
    "pattern": "like",
}


def job_reference() -> str:
    """`docs/jobs.md`: every key of a job with its type, default and meaning."""
    return "\n".join(
        [
            "# Job reference",
            "",
            "Generated from the types in `transphy3d/config.py` by `make docs`. Ranges are",
            "`[low, high]`; unknown keys are errors. Paths are relative to the job file. A job",
            "may start with `base: other.yaml` and then only say what differs: sections are",
            "merged key by key, everything else (weights too) is replaced as a whole. On the",
            'command line `--set render.samples=64` (or `make render SET="..."`) changes a key.',
            "",
            *_section(Job, ""),
        ]
    )


def _section(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """A heading and a table for a section, then its subsections."""
    yield f"## {prefix.rstrip('.') or 'Top level'}"
    yield ""
    yield inspect.cleandoc(model.__doc__ or "")
    yield ""
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            inner.append((f"{prefix}{name}.", kind))
        else:
            meaning = field.description or ""
            yield f"| `{prefix}{name}` | {_kind(field)} | {_default(field)} | {meaning} |"
        inner += [(f"{prefix}{name}{mark}.", model) for mark, model in _within(kind)]
    yield ""
    for place, kind in inner:
        yield from _section(kind, place)


def _within(kind: Any) -> list[tuple[str, type[BaseModel]]]:
    """Sections that a list of `kind` holds, marked "[]", and those that may be null."""
    mark = "[]" if typing.get_origin(kind) is list else ""
    found = typing.get_args(kind)
    return [(mark, a) for a in found if isinstance(a, type) and issubclass(a, BaseModel)]


def _kind(field: FieldInfo) -> str:
    return f"{_type_name(field.annotation)}{_limits(field.metadata)}"


def _limits(metadata: Iterable[Any]) -> str:
    """What bounds a value, as in " > 0 and ≤ 1"."""
    inner = [part for limit in metadata for part in getattr(limit, "metadata", [limit])]
    found = (
        f"{sign} {getattr(part, name)}"
        for part in inner
        for name, sign in LIMITS.items()
        if getattr(part, name, None) is not None
    )
    words = " and ".join(found)
    return f" {words}" if words else ""


def _type_name(kind: Any) -> str:
    """A type in words."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return f"{_type_name(args[0])}{_limits(args[1:])}"
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in args)
    if origin is tuple:
        return f"[{', '.join(map(_type_name, args))}]"
    if origin is list:
        return f"list of {_type_name(args[0])}"
    if origin is dict:
        return f"{_type_name(args[0])}: {_type_name(args[1])}"
    if args:
        return " or ".join(_type_name(a) for a in args)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "section"
    return "null" if kind is type(None) else str(kind.__name__)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    return f"`{list(value) if isinstance(value, tuple) else value}`".replace("None", "null")


def family_reference() -> str:
    """`docs/families.md`: every procedural family with its parameters."""
    lines = [
        "# Procedural families",
        "",
        "Generated from `transphy3d/assets/procedural/` by `make docs`. A module there that",
        "defines `FAMILY` adds one; so does a plugin file that calls `register`.",
        "",
    ]
    for family in families().values():
        lines += [f"## {family.name}", "", f"Category `{family.category}`.", ""]
        lines += ["| parameter | values |", "|---|---|"]
        lines += [f"| `{name}` | {span} |" for name, span in family.ranges.items()]
        lines += [""]
    return "\n".join(lines)


PAGES = {"jobs.md": job_reference, "families.md": family_reference}


def write_pages(folder: Path) -> None:
    """Write every generated page into `folder`."""
    for name, page in PAGES.items():
        write_text(folder / name, page().rstrip() + "\n")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
