"""From a job file to a checked `Job`: YAML, `base:`, `--set`, errors with remedies, identity."""

from __future__ import annotations

import contextlib
import json
import typing
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from transphy3d.assets.selection import fingerprint
from transphy3d.config import GENERATOR_VERSION, Job
from transphy3d.errors import JobError
from transphy3d.files import canonical_json, sha256_file, sha256_text
from transphy3d.library import builtin
from transphy3d.materials.library import load_library
from transphy3d.wording import suggest

BASE_KEY = "base"
BUILTIN_ENVIRONMENTS = "builtin"
# What may differ between two runs that make the same pixels and geometry.
NOT_IDENTITY = ("name", "sequences", "run")
NOT_IDENTITY_KEYS = (("render", "device"), ("output", "sequences_per_shard"), ("output", "videos"))
MERGE_TAG = "tag:yaml.org,2002:merge"  # the key of `<<: *anchor`


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error rather than the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        plain = [key for key, _ in node.value if key.tag != MERGE_TAG]
        keys = [self.construct_object(key, deep=True) for key in plain]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice; keep one", node.start_mark
                )
        return super().construct_mapping(node, deep)


def load_job(path: Path | str, overrides: Iterable[str] = ()) -> Job:
    """Read, merge and check a job.

    path : a YAML file, or the bare name of a job that ships with the package
    overrides : `a.b=c` strings; the value is YAML
    Raises JobError naming file, key, value and remedy.
    """
    found = find_job(path)
    data = _read_with_base(found, ())
    for text in overrides:
        override(data, text)
    # All paths of files are absolute by now; one on the command line counts from where the user is.
    _map_paths(data, lambda path: str(Path(path).expanduser().resolve()))
    return check_job(data, str(found))


def find_job(path: Path | str) -> Path:
    """The job file at `path`, or the built-in one of that name; a path with folders is no name."""
    candidates = [Path(path)]
    if Path(path).name == str(path):
        candidates += [builtin("jobs") / f"{path}{suffix}" for suffix in ("", ".yaml")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    known = ", ".join(sorted(p.name for p in builtin("jobs").glob("*.yaml")))
    raise JobError(f"{path}: there is no such job file; built-in jobs are {known}")


def check_job(data: dict[str, Any], source: str) -> Job:
    """A `Job` from plain data. Raises JobError that lists every fault found in `source`."""
    try:
        return Job.model_validate(_without_empty_sections(data, Job))
    except ValidationError as error:
        raise faults(error, Job, source) from None


def _without_empty_sections(data: Any, model: type[BaseModel]) -> Any:
    """`data` without the sections whose keys are all commented out, which YAML reads as null."""
    if not isinstance(data, dict):
        return data
    kept = {}
    for key, value in data.items():
        section = _section(model, key)
        if section is None:
            kept[key] = value
        elif value is not None:
            kept[key] = _without_empty_sections(value, section)
    return kept


def _read_with_base(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """A job file's data over that of its `base`, with its own paths made absolute."""
    if path in seen:
        raise JobError(f"{path}: `{BASE_KEY}` leads back to this file; remove one of the links")
    data = read_yaml(path, "a job needs at least `name` and `sequences`")
    base = data.pop(BASE_KEY, None)
    _map_paths(data, lambda text: str((path.parent / Path(text).expanduser()).resolve()))
    if base is None:
        return data
    if not isinstance(base, str):
        raise JobError(f"{path}: {BASE_KEY}: {base!r} is not a file name; name one job file")
    return _merge(_read_with_base(_find_base(path, base), (*seen, path)), data, Job)


def _find_base(path: Path, base: str) -> Path:
    beside = path.parent / base
    try:
        return beside.resolve() if beside.is_file() else find_job(base)
    except JobError as error:
        raise JobError(f"{path}: {BASE_KEY}: {error}") from None


def read_yaml(path: Path, needs: str) -> dict[str, Any]:
    """The keys of a YAML file. Raises JobError; of a file without keys it says what it `needs`."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise JobError(f"{path}: is not valid YAML: {error}") from None
    if not isinstance(data, dict):
        raise JobError(f"{path}: holds no keys; {needs}")
    return data


def _map_paths(data: dict[str, Any], change: Callable[[str], str]) -> None:
    """Apply `change` to every path that a job can hold, in place; malformed data is left."""
    objects, materials, lights = (data.get(k) for k in ("objects", "materials", "lights"))
    if isinstance(data.get("plugins"), list):
        data["plugins"] = [change(p) if isinstance(p, str) else p for p in data["plugins"]]
    if isinstance(objects, dict) and isinstance(objects.get("meshes"), list):
        for mesh in objects["meshes"]:
            if isinstance(mesh, dict) and isinstance(mesh.get("path"), str):
                mesh["path"] = change(mesh["path"])
    bank = objects.get("bank") if isinstance(objects, dict) else None
    if isinstance(bank, dict) and isinstance(bank.get("folder"), str):
        bank["folder"] = change(bank["folder"])
    if isinstance(materials, dict) and isinstance(materials.get("folder"), str):
        materials["folder"] = change(materials["folder"])
    folder = lights.get("environments") if isinstance(lights, dict) else None
    if isinstance(lights, dict) and isinstance(folder, str) and folder != BUILTIN_ENVIRONMENTS:
        lights["environments"] = change(folder)


def paths_of(job: Job) -> list[str]:
    """Every file and folder that a job names."""
    found: list[str] = []

    def note(path: str) -> str:
        found.append(path)
        return path

    _map_paths(job.model_dump(mode="json"), note)
    return found


def _section(model: type[BaseModel] | None, key: str) -> type[BaseModel] | None:
    """The section that `key` of `model` holds, or None for a plain value."""
    field = model.model_fields.get(key) if model else None
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _merge(base: Any, data: Any, model: type[BaseModel]) -> dict[str, Any]:
    """`data` over `base`: sections key by key, everything else (weights too) as a whole."""
    merged = dict(base)
    for key, value in data.items():
        section = _section(model, key)
        if section and value is None:
            continue
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value, section) if section and both else value
    return merged


def override(data: dict[str, Any], text: str) -> None:
    """Apply one `a.b=c` in place; the value is YAML. Raises JobError for another form."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise JobError(f"--set {text!r}: is not of the form key=value, as in render.samples=64")
    try:
        parsed = yaml.load(value, _UniqueKeyLoader) if value else ""
    except yaml.YAMLError as error:
        raise JobError(f"--set {text!r}: the value is not valid YAML: {error}") from None
    *parents, last = key.strip().split(".")
    place = data
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise JobError(f"--set {text!r}: {parent} is a plain value and has no keys inside")
    place[last] = parsed


def faults(error: ValidationError, model: type[BaseModel], source: str) -> JobError:
    """Every fault that `model` found in the data of the file `source`, one a line."""
    lines = [_explain(detail, model) for detail in error.errors()]
    return JobError("\n".join(f"{source}: {line}" for line in lines))


def _explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """One fault as `key: what is wrong; what to do`."""
    where = ".".join(map(str, detail["loc"])) or "job"
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key; {_nearest(detail['loc'], model)}"
    if detail["type"] == "missing":
        return f"{where}: is missing; add it"
    value = detail.get("input")
    if detail["type"] == "model_type":
        return f"{where}: {value!r} is no section; write its keys indented below it"
    shown = f" (value {value!r})" if not isinstance(value, dict) else ""
    return f"{where}: {detail['msg'].removeprefix('Value error, ')}{shown}"


def _nearest(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """The nearest known name for the unknown key at `location` of `model`."""
    known = _known_names(location[:-1], model)
    return suggest(str(location[-1]), known, f"known keys here: {', '.join(known)}")


def _known_names(location: Iterable[int | str], top: type[BaseModel]) -> list[str]:
    model: Any = top
    for step in location:
        if isinstance(step, int):
            continue
        annotation = model.model_fields[step].annotation
        model = next((a for a in typing.get_args(annotation) if _is_model(a)), annotation)
    return list(model.model_fields)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def identity(job: Job) -> str:
    """Hex SHA-256 of what changes pixels or geometry; paths count by their files' content.

    Names, the number of sequences, workers, threads and devices do not count: the same job
    on another machine, or with more sequences, makes the same ones again.
    """
    data = job.model_dump(mode="json")
    for key in NOT_IDENTITY:
        del data[key]
    for section, key in NOT_IDENTITY_KEYS:
        del data[section][key]
    del data["materials"]["folder"]  # its records count, as part of the library
    # Of a bank, the files count that the job draws from, and not how they were chosen.
    drawn = fingerprint(job.objects.bank) if job.objects.draws("bank") else None
    del data["objects"]["bank"]
    _map_paths(data, content_hash)
    materials = load_library(job.materials.folder).sha256
    return sha256_text(canonical_json([GENERATOR_VERSION, materials, drawn, data]))


def content_hash(path: str) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files.

    A .gltf file counts with the buffers beside it, which hold its vertices.
    """
    place = Path(path)
    if place.is_file():
        return sha256_text("".join(map(sha256_file, [place, *_buffers(place)])))
    if not place.is_dir():
        raise JobError(f"{path}: there is no such file or folder; mend the path in the job")
    files = sorted(p for p in place.rglob("*") if p.is_file())
    listing = [[p.relative_to(place).as_posix(), sha256_file(p)] for p in files]
    return sha256_text(canonical_json(listing))


def _buffers(path: Path) -> list[Path]:
    """The files that a .gltf file refers to for its geometry; loading says what is wrong there."""
    if path.suffix.lower() != ".gltf":
        return []
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        listed = json.loads(path.read_bytes())["buffers"]
        found = [path.parent / urllib.parse.unquote(item.get("uri", "data:")) for item in listed]
        return [file for file in found if file.is_file()]
    return []


def dump_job(job: Job) -> str:
    """The resolved job as YAML text that `load_job` reads again."""
    return yaml.safe_dump(job.model_dump(mode="json"), sort_keys=False, width=100)
