"""The material library: YAML files of records, checked strictly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from transphy3d.errors import AssetError, JobError
from transphy3d.files import canonical_json, sha256_text
from transphy3d.library import builtin
from transphy3d.materials.records import RECORDS, Record
from transphy3d.materials.spec import Kind, OpticalClass
from transphy3d.wording import suggest

# The parser in C, where PyYAML has it: every sequence's process reads the whole library.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Library:
    """Records by name, in the order of their names.

    sha256 : of everything the records say; two libraries that sample alike have the same
    """

    records: tuple[Record, ...]
    sha256: str

    def __getitem__(self, name: str) -> Record:
        """The record of that name. Raises JobError, naming the nearest, where there is none."""
        for record in self.records:
            if record.name == name:
                return record
        raise JobError(f"no material {name!r}; {suggest(name, self.names())}")

    def names(self) -> list[str]:
        """All names, sorted."""
        return [record.name for record in self.records]

    def select(
        self,
        kinds: Iterable[Kind],
        optical_class: OpticalClass | None = None,
        include: Sequence[str] = ("*",),
        exclude: Sequence[str] = (),
    ) -> list[Record]:
        """Records of these kinds whose name fits any of `include` and none of `exclude`.

        Patterns are shell patterns, case matters. Raises JobError for a pattern that fits no
        record at all, since a misspelt one would let a held-out material through.
        """
        for pattern in (*include, *exclude):
            self._check_pattern(pattern)
        allowed = frozenset(kinds)
        return [
            record
            for record in self.records
            if record.kind in allowed
            and optical_class in (None, record.optical_class)
            and _fits(record.name, include)
            and not _fits(record.name, exclude)
        ]

    def _check_pattern(self, pattern: str) -> None:
        if not any(fnmatchcase(record.name, pattern) for record in self.records):
            hint = suggest(pattern, self.names())
            raise JobError(f"materials: pattern {pattern!r} fits no record; {hint}")


def load_library(folder: str | None = None) -> Library:
    """The built-in records and, where given, those of the user's `folder`.

    Every `*.yaml` and `*.yml` file holds a list of records. Raises JobError for a folder that
    is missing or has none, AssetError for a file or record that is wrong.
    """
    folders = [builtin("materials")]
    if folder is not None:
        folders.append(_user_folder(folder))
    found: dict[str, tuple[Record, Path]] = {}
    for path in (path for place in folders for path in _yaml_files(place)):
        for record in read_records(path):
            if record.name in found:
                first = found[record.name][1]
                raise AssetError(
                    f"{path}: material {record.name!r} is already in {first}; rename one of them"
                )
            found[record.name] = (record, path)
    return _library([record for record, _ in found.values()])


def read_records(path: Path) -> list[Record]:
    """The records of one YAML file. Raises AssetError naming file, record, field and remedy."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AssetError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(data, list):
        raise AssetError(f"{path}: holds a {type(data).__name__}; write a list of records")
    return [_parse(path, number, entry) for number, entry in enumerate(data, start=1)]


def _library(records: list[Record]) -> Library:
    ordered = tuple(sorted(records, key=lambda record: record.name))
    content = [record.model_dump(mode="json") for record in ordered]
    return Library(ordered, sha256_text(canonical_json(content)))


def _user_folder(folder: str) -> Path:
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise JobError(f"materials.folder: {folder!r} is not a folder; correct the path")
    if not _yaml_files(path):
        raise JobError(f"materials.folder: {folder!r} holds no .yaml file; add one or drop the key")
    return path


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))


def _parse(path: Path, number: int, entry: Any) -> Record:
    if not isinstance(entry, dict):
        raise AssetError(f"{path}: record {number} is {entry!r}; write a mapping with a name")
    place = f"{path}: record {entry.get('name', number)!r}"
    model = entry.get("model")
    kind = RECORDS.get(model) if isinstance(model, str) else None
    if kind is None:
        raise AssetError(f"{place}: model is {model!r}; use one of {', '.join(RECORDS)}")
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        lines = [_complaint(kind, problem) for problem in error.errors()]
        raise AssetError(f"{place}: " + "; ".join(lines)) from error


def _complaint(kind: type[Record], problem: Any) -> str:
    field = ".".join(map(str, problem["loc"])) or "record"
    if problem["type"] == "extra_forbidden":
        names = list(kind.model_fields) if len(problem["loc"]) == 1 else []
        return f"{field}: unknown key; {suggest(field, names)}"
    if problem["type"] == "missing":
        return f"{field}: missing; add it"
    if problem["type"] == "value_error":
        return f"{field}: {problem['ctx']['error']}"
    return f"{field}: {problem['input']!r} is not allowed: {problem['msg']}"


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
