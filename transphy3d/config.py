"""The job's types: every key with its range, default and meaning.

`transphy3d.job` reads job files into these. Every field's description is its documentation:
`docs/jobs.md` is generated from this module.
"""

from __future__ import annotations

import typing
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from transphy3d.assets.bank import LicenceName

# Raise when the same job would give other pixels or geometry than before.
GENERATOR_VERSION = 2

NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Channel = Literal["rgb", "depth", "depth_behind", "normal", "instance"]
CHANNELS: tuple[Channel, ...] = ("rgb", "depth", "depth_behind", "normal", "instance")
Fraction = Annotated[float, Field(ge=0, le=1)]
Elevation = Annotated[float, Field(ge=0, le=89)]
Weights = dict[str, NotNegative]
Source = Literal["procedural", "bank", "meshes"]
SOURCES: tuple[Source, ...] = ("procedural", "bank", "meshes")


class Section(BaseModel):
    """A part of a job; unknown keys are errors and ranges are (low, high)."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError("yes, no, true and false are no value here; write what is meant")
        return value

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Section:
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if _is_range(field.annotation) and value[0] > value[1]:
                raise ValueError(f"{name}: low end {value[0]} is above high end {value[1]}")
        return self


def _is_range(annotation: Any) -> bool:
    """Whether a field is a (low, high) pair, which is any two-tuple but a resolution."""
    args = typing.get_args(annotation)
    return typing.get_origin(annotation) is tuple and len(args) == 2 and args[1] is not Ellipsis


class Selection(Section):
    """Names to choose from: all but `exclude`, or only `include`; shell patterns allowed."""

    include: list[str] = Field(["*"], description="patterns of names that may be drawn")
    exclude: list[str] = Field([], description="patterns of names that are never drawn")


class MeshSource(Section):
    """One mesh of the user's own."""

    path: str = Field(description="file: .glb, .gltf, .obj, .ply, .stl, .fbx or .blend")
    size: Annotated[float, Field(gt=0)] | None = Field(
        None, description="longest edge in metres after scaling; null keeps the file's metres"
    )
    up: Literal["x", "y", "z", "-x", "-y", "-z"] = Field(
        "z", description="the file's axis that points up"
    )
    kinds: list[Literal["glass", "plastic", "metal", "ceramic"]] = Field(
        ["glass", "plastic", "metal", "ceramic"], description="materials it may be made of"
    )
    category: str = Field("custom", description="category written to the object table")


class AcceptConfig(Section):
    """From when on judges' words make an asset transparent or reflective.

    Two votes accept, and so do one of the graph's or names' that is decisive.
    """

    area: Fraction = Field(
        0.3, description="share of the surface that must look so for the material graph to vote"
    )
    decisive_area: Fraction = Field(
        0.5, description="share from which the material graph needs no other vote"
    )
    word: Fraction = Field(0.5, description="score of names from which they vote")
    decisive_word: Fraction = Field(
        0.85,
        description="score of names that need no other vote, where the file's format cannot say "
        "what things are made of",
    )
    vision: Fraction = Field(
        0.8, description="probability of yes from which the vision-language model votes"
    )
    vision_mass: Fraction = Field(
        0.5, description="share of its answers that must be a yes or no for it to have a vote"
    )
    vision_no: Fraction = Field(
        0.2,
        description="probability of yes up to which its no to `one single object` or `a thing to "
        "hold` sends an accepted asset to review",
    )


class BankConfig(Section):
    """The asset bank that objects are drawn from, and which of its assets may be drawn."""

    folder: str | None = Field(None, description="folder filled by `transphy3d assets`")
    categories: Selection = Field(Selection(), description="categories of assets")
    assets: Selection = Field(Selection(), description="ids of assets")
    licences: list[LicenceName] = Field(
        ["cc_zero", "cc_by", "royalty_free", "own"], description="licences of assets"
    )
    held_out: Fraction = Field(
        0.2, description="share of assets kept for `split: test`; an asset's id decides"
    )
    split: Literal["train", "test", "all"] = Field(
        "all", description="`train` leaves the held-out assets away, `test` takes only them"
    )
    accept: AcceptConfig | None = Field(
        None, description="thresholds to judge the assets by anew; null takes the bank's verdicts"
    )


class ObjectsConfig(Section):
    """What is dropped."""

    count: tuple[Annotated[int, Field(ge=1, le=200)], Annotated[int, Field(ge=1, le=200)]] = Field(
        (4, 10), description="how many objects a scene has, low and high"
    )
    families: Selection = Field(Selection(), description="procedural families")
    weights: Weights = Field({}, description="weight by family, 1 where not named")
    sources: dict[Source, NotNegative] = Field(
        {"procedural": 1.0},
        description="weight of each source: `procedural` families, the `bank`, your own `meshes`",
    )
    meshes: list[MeshSource] = Field([], description="meshes of your own")
    bank: BankConfig = BankConfig()
    optical: Weights = Field(
        {"transparent": 0.6, "reflective": 0.3, "opaque": 0.1},
        description="weight of each optical class",
    )
    scale: tuple[Positive, Positive] = Field(
        (0.85, 1.15), description="factor on an asset's real size"
    )
    upright: Fraction = Field(
        0.5, description="share of objects that start standing, of those that can stand"
    )
    filled: Fraction = Field(
        0.7, description="share of standing transparent vessels that hold a liquid"
    )
    segments: Annotated[int, Field(ge=24, le=512)] = Field(
        96, description="divisions of a full turn; more is rounder, slower and larger"
    )

    @model_validator(mode="after")
    def _sources_are_there(self) -> ObjectsConfig:
        if not sum(self.sources.values()) > 0:
            raise ValueError("sources: no weight is above zero; raise one")
        if self.draws("meshes") and not self.meshes:
            raise ValueError("sources: asks for meshes, but `meshes` lists none; add some")
        if self.draws("bank") and self.bank.folder is None:
            raise ValueError("sources: asks for the bank, but bank.folder is not set; set it")
        return self

    def draws(self, source: Source) -> bool:
        """Whether any object comes from a source."""
        return self.sources.get(source, 0.0) > 0


class MaterialsConfig(Section):
    """What things are made of."""

    select: Selection = Field(Selection(), description="material records by name")
    weights: Weights = Field({}, description="weight by record, 1 where not named")
    folder: str | None = Field(None, description="a folder of further material YAML files")


class SupportsConfig(Section):
    """What the objects lie on or in."""

    kinds: Weights = Field(
        {"table": 0.5, "tray": 0.15, "bin": 0.15, "box": 0.1, "bowl": 0.05, "shelf": 0.05},
        description="weight of each kind of support",
    )


class RoomsConfig(Section):
    """What surrounds the support."""

    kinds: Weights = Field(
        {"room": 0.5, "backdrop": 0.25, "open": 0.25},
        description="weight of each kind of surroundings",
    )


class LightsConfig(Section):
    """Light: HDR environments and area lights."""

    environments: str = Field(
        "builtin", description="`builtin` (the eight that ship with bpy), or a folder of .exr/.hdr"
    )
    strength: tuple[Positive, Positive] = Field(
        (0.6, 1.6), description="factor on the environment's radiance"
    )
    rigs: Weights = Field(
        {"environment": 0.5, "window": 0.25, "studio": 0.25},
        description="weight of each light rig",
    )


class CameraConfig(Section):
    """Circles around the objects' geometric centre with sinusoidal perturbation.

    Where the first draw cannot be filmed, later ones relax all but field of view and distance;
    `docs/scenes.md` says how.
    """

    fov: tuple[Annotated[float, Field(gt=5, lt=150)], Annotated[float, Field(gt=5, lt=150)]] = (
        Field((35.0, 60.0), description="horizontal field of view, degrees")
    )
    distance: tuple[Positive, Positive] = Field(
        (1.0, 1.6),
        description="distance in units of the one at which all objects just fill the frame",
    )
    elevation: tuple[Elevation, Elevation] = Field(
        (12.0, 60.0), description="angle above the horizon, degrees"
    )
    arc: tuple[NotNegative, NotNegative] = Field(
        (60.0, 360.0), description="degrees travelled over the sequence"
    )
    radius_wobble: tuple[Fraction, Fraction] = Field(
        (0.0, 0.12), description="amplitude, share of the radius"
    )
    height_wobble: tuple[Fraction, Fraction] = Field(
        (0.0, 0.15), description="amplitude, share of the height"
    )
    look_wobble: tuple[NotNegative, NotNegative] = Field(
        (0.0, 0.08), description="amplitude, share of the objects' radius"
    )
    cycles: tuple[NotNegative, NotNegative] = Field(
        (0.5, 3.0), description="cycles of a perturbation over the sequence"
    )


class PhysicsConfig(Section):
    """Dropping and checking."""

    max_seconds: Annotated[float, Field(gt=0)] = Field(
        8.0, description="simulated seconds after which an unsettled scene is rejected"
    )
    max_penetration: Annotated[float, Field(gt=0)] = Field(
        0.0005, description="metres that two bodies may overlap at rest"
    )
    max_speed: Annotated[float, Field(gt=0)] = Field(0.01, description="m/s that counts as rest")
    attempts: Annotated[int, Field(ge=1, le=1000)] = Field(
        20, description="scenes sampled before a sequence is given up"
    )


class RenderConfig(Section):
    """Cycles. What is not set here comes from the preset."""

    preset: Literal["preview", "standard", "reference"] = Field(
        "standard", description="sample count, bounces, clamping and caustics as one choice"
    )
    device: Literal["auto", "gpu", "cpu"] = Field(
        "auto", description="`gpu` without one is an error; `auto` says what it took"
    )
    denoiser: Literal["auto", "optix", "openimagedenoise", "none"] = Field(
        "auto", description="`auto`: OptiX on NVIDIA GPUs, Open Image Denoise elsewhere"
    )
    samples: Annotated[int, Field(ge=1, le=65536)] | None = Field(
        None, description="samples per pixel; null takes the preset's"
    )
    view_transform: Literal["AgX", "Filmic", "Standard"] = Field(
        "AgX", description="scene-linear light to display values"
    )
    exposure: Annotated[float, Field(ge=-10, le=10)] = Field(0.0, description="stops")


class OutputConfig(Section):
    """What is written."""

    channels: Annotated[list[Channel], Field(min_length=1)] = Field(
        list(CHANNELS), description="channels to store; only what they need is rendered"
    )
    sequences_per_shard: Annotated[int, Field(ge=1)] = Field(
        100, description="sequences packed into one shard"
    )
    videos: Annotated[int, Field(ge=0)] = Field(
        100, description="preview videos, evenly chosen among the sequences"
    )

    @model_validator(mode="after")
    def _channels_once(self) -> OutputConfig:
        twice = {name for name in self.channels if self.channels.count(name) > 1}
        if twice:
            raise ValueError(f"channels: {', '.join(sorted(twice))} is named twice; name it once")
        return self


class RunConfig(Section):
    """How the work is done; nothing here changes what is made."""

    workers: Annotated[int, Field(ge=0, le=1024)] = Field(
        0, description="sequences at a time on this machine; 0 takes one for each GPU, at least one"
    )
    threads: Annotated[int, Field(ge=0, le=1024)] = Field(
        0, description="per worker; 0 shares the cores among the workers"
    )
    attempts: Annotated[int, Field(ge=1)] = Field(3, description="tries before one is set aside")
    frame_timeout: Positive = Field(
        1800.0, description="seconds without a new frame after which Blender is stopped"
    )
    heartbeat: Positive = Field(
        15.0, description="seconds between a worker's signs of life in its claim"
    )
    lease: Positive = Field(
        120.0, description="seconds watched without one after which others may take its sequence"
    )
    straggler: Annotated[float, Field(gt=1)] = Field(
        20.0, description="median frame times without a new frame after which idle workers may"
    )
    standby: NotNegative = Field(
        600.0, description="seconds that a worker without work waits for what others hold"
    )
    keep_blend: bool = Field(False, description="keep each sequence's .blend for debugging")
    keep_frames: bool = Field(False, description="keep the rendered frames after publishing")

    @model_validator(mode="after")
    def _lease_outlasts_heartbeats(self) -> RunConfig:
        if self.lease < 3 * self.heartbeat:
            raise ValueError(
                f"lease: {self.lease} s is less than three heartbeats of {self.heartbeat} s; raise "
                "it or lower heartbeat"
            )
        return self


class Job(Section):
    """A data set to make."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        description="name of the data set and of its default output folder"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="0 is a seed like others")
    sequences: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="how many to make")
    frames: Annotated[int, Field(ge=1, le=100_000)] = Field(120, description="per sequence")
    fps: Annotated[float, Field(gt=0)] = Field(24.0, description="frames per second")
    width: Annotated[int, Field(ge=16, le=16384)] = Field(832, description="pixels")
    height: Annotated[int, Field(ge=16, le=16384)] = Field(480, description="pixels")
    plugins: list[str] = Field(
        [], description="Python files of your own that add families, supports, rooms or rigs"
    )
    objects: ObjectsConfig = ObjectsConfig()
    materials: MaterialsConfig = MaterialsConfig()
    supports: SupportsConfig = SupportsConfig()
    rooms: RoomsConfig = RoomsConfig()
    lights: LightsConfig = LightsConfig()
    camera: CameraConfig = CameraConfig()
    physics: PhysicsConfig = PhysicsConfig()
    render: RenderConfig = RenderConfig()
    output: OutputConfig = OutputConfig()
    run: RunConfig = RunConfig()
