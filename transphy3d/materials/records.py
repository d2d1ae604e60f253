"""A record of the material library: ranges and choices that `sample` turns into a Material.

A number may be one value or a [low, high] range; a colour may be one triple or a list of
triples to choose from. Units are those of `transphy3d.materials.spec.Material`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from transphy3d.materials.optics import dispersed_ior
from transphy3d.materials.spec import RGB, Kind, Material, OpticalClass, Texture, TextureKind

TEXTURE_SEEDS = 1000.0

T = TypeVar("T")


def _as_span(value: Any) -> Any:
    return (value, value) if isinstance(value, (int, float)) else value


def _as_choices(value: Any) -> Any:
    single = isinstance(value, (list, tuple)) and value and isinstance(value[0], (int, float))
    return [value] if single else value


def _ascending(span: tuple[T, T]) -> tuple[T, T]:
    low, high = span
    if low > high:  # type: ignore[operator]
        raise ValueError(f"low end {low} is above high end {high}; write [{high}, {low}]")
    return span


Share = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[float, Field(ge=1.0, le=3.0)]
PerMetre = Annotated[float, Field(ge=0, le=1e5)]
Span = Annotated[tuple[T, T], BeforeValidator(_as_span), AfterValidator(_ascending)]
Choices = Annotated[list[tuple[T, T, T]], BeforeValidator(_as_choices), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextureRecord(_Strict):
    """A pattern to draw: one of `palettes`, a `scale` in metres, how strong the relief is."""

    kind: TextureKind
    scale: Span[Annotated[float, Field(gt=0, le=10)]] = (0.1, 0.1)
    palettes: Annotated[list[list[tuple[Share, Share, Share]]], Field(min_length=1)] = [[]]
    roughness_variation: Span[Share] = (0.0, 0.0)
    bump: Span[Share] = (0.0, 0.0)

    @model_validator(mode="after")
    def _palettes_have_colors(self) -> TextureRecord:
        if self.kind != "metal" and not all(self.palettes):
            raise ValueError(f"a {self.kind} texture needs palettes of at least one colour each")
        return self

    def sample(self, rng: np.random.Generator) -> Texture:
        """Fix palette, scale, relief and the seed of the pattern."""
        return Texture(
            kind=self.kind,
            colors=tuple(_choice(self.palettes, rng)),
            scale=_between(self.scale, rng),
            roughness_variation=_between(self.roughness_variation, rng),
            bump=_between(self.bump, rng),
            seed=float(rng.uniform(0, TEXTURE_SEEDS)),
        )


class Record(_Strict, ABC):
    """What all records say: how the material looks, weighs and slides, and who says so.

    source : database or paper of the figures; judged : fields that are a judgement instead
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
    kind: Kind
    optical_class: OpticalClass
    source: Annotated[str, Field(min_length=3)]
    judged: list[str] = []
    density: Span[Annotated[float, Field(ge=1, le=23_000)]]
    friction: Span[Annotated[float, Field(ge=0, le=2)]] = (0.0, 0.0)
    restitution: Span[Share] = (0.0, 0.0)
    roughness: Span[Share] = (0.0, 0.0)
    bump: Span[Share] = (0.0, 0.0)

    @model_validator(mode="after")
    def _judged_fields_exist(self) -> Record:
        for name in self.judged:
            if name not in self.model_fields_set:
                raise ValueError(f"judged: {name!r} is not a field that this record sets")
        return self

    def sample(self, rng: np.random.Generator) -> Material:
        """One material with every range and choice fixed by draws from `rng`."""
        common: dict[str, Any] = {
            name: _between(getattr(self, name), rng)
            for name in ("density", "friction", "restitution", "roughness", "bump")
        }
        return Material(
            name=self.name,
            kind=self.kind,
            optical_class=self.optical_class,
            **common,
            **self._optics(rng),
        )

    @abstractmethod
    def _optics(self, rng: np.random.Generator) -> dict[str, Any]:
        """The fields of `Material` that belong to the model."""


class DielectricRecord(Record):
    """Glass, clear plastic or a liquid.

    ior, abbe : at the d line; dispersive : whether renders split colours, which costs noise
    absorption, scattering : choices, 1/m at 630, 532, 465 nm, times `concentration`
    """

    model: Literal["dielectric"]
    ior: Span[Index]
    abbe: Annotated[float, Field(ge=15, le=110)]
    dispersive: bool = False
    absorption: Choices[PerMetre] = [(0.0, 0.0, 0.0)]
    scattering: Choices[PerMetre] = [(0.0, 0.0, 0.0)]
    concentration: Span[Annotated[float, Field(gt=0, le=100)]] = (1.0, 1.0)

    def _optics(self, rng: np.random.Generator) -> dict[str, Any]:
        ior = _between(self.ior, rng)
        concentration = _between(self.concentration, rng)
        return {
            "model": self.model,
            "ior": ior,
            "ior_rgb": dispersed_ior(ior, self.abbe) if self.dispersive else None,
            "absorption": _scaled(_choice(self.absorption, rng), concentration),
            "scattering": _scaled(_choice(self.scattering, rng), concentration),
        }


class ConductorRecord(Record):
    """Bare metal: complex refractive index at 630, 532 and 465 nm."""

    model: Literal["conductor"]
    conductor_ior: tuple[float, float, float]
    conductor_extinction: tuple[float, float, float]
    anisotropy: Span[Share] = (0.0, 0.0)
    texture: TextureRecord | None = None

    def _optics(self, rng: np.random.Generator) -> dict[str, Any]:
        return {
            "model": self.model,
            "conductor_ior": self.conductor_ior,
            "conductor_extinction": self.conductor_extinction,
            "anisotropy": _between(self.anisotropy, rng),
            "texture": self.texture.sample(rng) if self.texture else None,
        }


class _OpaqueRecord(Record, ABC):
    """What coated and principled records share: a coloured body.

    base_color : choices; color_variation : share by which its brightness may differ
    """

    base_color: Choices[Share] = [(0.8, 0.8, 0.8)]
    color_variation: Share = 0.0
    subsurface: Span[Share] = (0.0, 0.0)
    texture: TextureRecord | None = None

    def _body(self, rng: np.random.Generator) -> dict[str, Any]:
        gain = float(rng.uniform(1 - self.color_variation, 1 + self.color_variation))
        color = _scaled(_choice(self.base_color, rng), gain)
        return {
            "base_color": tuple(min(channel, 1.0) for channel in color),
            "subsurface": _between(self.subsurface, rng),
            "texture": self.texture.sample(rng) if self.texture else None,
        }


class CoatedRecord(_OpaqueRecord):
    """Glaze, enamel or lacquer: a coloured body under a clear coat; `roughness` is the coat's."""

    model: Literal["coated"]
    base_roughness: Span[Share] = (0.5, 0.5)
    coat_ior: Span[Index] = (1.5, 1.5)

    def _optics(self, rng: np.random.Generator) -> dict[str, Any]:
        return {
            "model": self.model,
            "base_roughness": _between(self.base_roughness, rng),
            "coat_ior": _between(self.coat_ior, rng),
            **self._body(rng),
        }


class PrincipledRecord(_OpaqueRecord):
    """Opaque matter: a coloured or textured body with a dielectric surface."""

    model: Literal["principled"]
    ior: Span[Index] = (1.5, 1.5)

    def _optics(self, rng: np.random.Generator) -> dict[str, Any]:
        return {"model": self.model, "ior": _between(self.ior, rng), **self._body(rng)}


RECORDS: dict[str, type[Record]] = {
    "dielectric": DielectricRecord,
    "conductor": ConductorRecord,
    "coated": CoatedRecord,
    "principled": PrincipledRecord,
}


def _between(span: tuple[float, float], rng: np.random.Generator) -> float:
    # A draw is spent on a fixed value too: widening a range must not move the draws after it.
    return float(span[0] + (span[1] - span[0]) * rng.random())


def _choice(choices: list[Any], rng: np.random.Generator) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _scaled(color: RGB, factor: float) -> RGB:
    return color[0] * factor, color[1] * factor, color[2] * factor
