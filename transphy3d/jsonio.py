"""Frozen records to JSON and back, strictly: unknown keys and wrong types are errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, TypeAdapter

T = TypeVar("T")
Params = dict[str, bool | int | float | str]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make `cls` a frozen keyword-only dataclass that JSON fills strictly."""
    cls.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(cls)


_cached_adapter = cache(TypeAdapter)


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return _cached_adapter(kind)


def to_data(value: Any) -> Any:
    """Plain dicts, lists, strings and numbers of a record."""
    return _adapter(type(value)).dump_python(value, mode="json")


def to_json(value: Any) -> str:
    """JSON text of a record; floats keep every bit."""
    return json.dumps(to_data(value), allow_nan=False)


def from_data(kind: type[T], data: Any) -> T:
    """A record from plain data. Raises pydantic.ValidationError on anything unexpected."""
    result: T = _adapter(kind).validate_python(data)
    return result


def from_json(kind: type[T], text: str | bytes) -> T:
    """A record from JSON text. Raises pydantic.ValidationError on anything unexpected."""
    result: T = _adapter(kind).validate_json(text)
    return result
