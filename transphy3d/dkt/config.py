"""The keys of a training job, each with its range, default and meaning."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from transphy3d.config import Fraction, NotNegative, Positive, Section
from transphy3d.dkt.model.flow import SHIFT, Weighting
from transphy3d.dkt.sets import SETS
from transphy3d.job import faults, find_job, override, read_yaml
from transphy3d.library import builtin
from transphy3d.wording import suggest

Task = Literal["depth", "normal"]
SHARDS = "shards"
Count = Annotated[int, Field(ge=1)]


class BaseConfig(Section):
    """The model that is adapted."""

    network: str = Field(description="folder of Wan2.1-Fun-Control, as downloaded or of diffusers")
    vae: str = Field(description="folder of Wan2.1's autoencoder, as downloaded or of diffusers")
    prompt: str | None = Field(
        None,
        description="file of the task's embedded prompt; null: the one that `dkt convert` left "
        "beside the network, if it is there, else an empty one",
    )
    rank: Annotated[int, Field(ge=1, le=1024)] = Field(128, description="rank of the LoRA")
    dtype: Literal["bfloat16", "float32"] = Field(
        "bfloat16", description="of the frozen network; the LoRA is float32"
    )


class SourceConfig(Section):
    """One data set."""

    path: str = Field(description="shard folder, run or sequence file; or a public set's folder")
    set: str = Field(
        SHARDS, description="shards, released, hiss, dreds, cleargrasp or clearpose: what it is"
    )
    split: str | None = Field(None, description="part of a public set; null: its training part")
    weight: Positive = Field(1.0, description="share of the clips drawn from it")
    frame_wise: bool = Field(
        False, description="use it only for clips of one frame; sets of single pictures always are"
    )

    @field_validator("set")
    @classmethod
    def _known(cls, name: str) -> str:
        known = [SHARDS, *(key for key, kind in SETS.items() if kind.train)]
        if name not in known:
            raise ValueError(f"{name!r} is not a set for training; {suggest(name, known)}")
        return name


class ClipsConfig(Section):
    """What a training clip is."""

    size: tuple[Count, Count] = Field((480, 832), description="height and width, pixels")
    latents: list[Annotated[int, Field(ge=1, le=64)]] = Field(
        [1, 2, 3, 4, 5, 6],
        min_length=1,
        description="lengths drawn from, in latents: N + 1 of them are 4 N + 1 frames",
    )
    tokens: Count = Field(6, description="latents in a batch and rank: longer clips, fewer of them")
    strides: tuple[Count, Count] = Field((1, 1), description="frames from one to the next")
    flip: Fraction = Field(0.5, description="share of clips that are mirrored")
    shifts: bool = Field(True, description="cut anywhere, not in the middle")
    cache: str | None = Field(
        None,
        description="folder of encoded clips, filled by `dkt prepare`; null encodes while training",
    )
    cache_every: Count = Field(4, description="frames from one cached clip's start to the next's")

    @model_validator(mode="after")
    def _fits(self) -> ClipsConfig:
        if any(side % 16 for side in self.size):
            raise ValueError(f"size: {self.size} is not in steps of 16, as the network needs")
        if self.cache and (self.shifts or self.strides != (1, 1)):
            raise ValueError(
                "cache: holds whole pictures at stride 1; set shifts: false and strides: [1, 1]"
            )
        if max(self.latents) > self.tokens:
            raise ValueError(
                f"tokens: {self.tokens} is less than the longest clip, {max(self.latents)} latents"
            )
        return self


class OptimiserConfig(Section):
    """AdamW."""

    rate: Positive = Field(1e-5, description="learning rate")
    betas: tuple[Fraction, Fraction] = Field((0.9, 0.999), description="decay of the moments")
    weight_decay: NotNegative = Field(0.01, description="decoupled weight decay")
    warmup: Annotated[int, Field(ge=0)] = Field(0, description="steps of linear warm-up")
    clip: Positive = Field(1.0, description="largest norm of the gradient")
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="decay of the moving average of the weights; 0: none"
    )


class LossConfig(Section):
    """Flow matching."""

    weighting: Weighting = Field("bell", description="weight of the loss over noise levels")
    shift: Positive = Field(SHIFT, description="shift of the noise levels toward 1")


class ValidationConfig(Section):
    """What is measured while training."""

    path: str | None = Field(None, description="held-out shards; null: no validation")
    every: Count = Field(1000, description="steps from one validation to the next")
    clips: Count = Field(8, description="clips that are predicted and scored")
    latents: Count = Field(3, description="length of these clips")
    steps: Count = Field(5, description="sampling steps")
    max_depth: Positive | None = Field(
        None, description="metres; truth beyond is left out of the scores; null counts all"
    )


class RunConfig(Section):
    """How the work is done."""

    steps: Count = Field(70_000, description="optimiser steps")
    save_every: Count = Field(500, description="steps from one checkpoint to the next")
    keep: Count = Field(3, description="best checkpoints that are kept, beside the last two")
    workers: Annotated[int, Field(ge=0)] = Field(4, description="processes that read clips, a rank")
    checkpointing: bool = Field(True, description="recompute activations to save memory")
    sharding: Literal["none", "full"] = Field(
        "none", description="full spreads the network over all ranks (FSDP), as 14B needs"
    )
    wandb: str | None = Field(None, description="project of Weights & Biases; null: not used")
    log_every: Count = Field(10, description="steps from one line of the log to the next")


class TrainingJob(Section):
    """A training run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        description="name of the run and of its default output folder"
    )
    task: Task = Field("depth", description="what the model learns to see")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="0 is a seed like others")
    base: BaseConfig
    data: list[SourceConfig] = Field(min_length=1, description="data sets that are mixed")
    clips: ClipsConfig = ClipsConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    loss: LossConfig = LossConfig()
    validation: ValidationConfig = ValidationConfig()
    run: RunConfig = RunConfig()


def load_training_job(path: Path | str, overrides: Iterable[str] = ()) -> TrainingJob:
    """Read and check a training job.

    path : a YAML file, or the bare name of a job that ships with the package. Paths in it count
        from its folder; those of a built-in job, and of `overrides`, from where the user is
    overrides : `a.b=c` strings; the value is YAML
    Raises JobError that lists every fault with file, key, value and remedy.
    """
    found = find_job(path)
    data = read_yaml(found, "a training job needs `name`, `base` and `data`")
    if found.parent != builtin("jobs"):
        _resolve_paths(data, found.parent)
    for text in overrides:
        override(data, text)
    _resolve_paths(data, Path.cwd())
    try:
        return TrainingJob.model_validate(data)
    except ValidationError as error:
        raise faults(error, TrainingJob, str(found)) from None


PATHS = (
    ("clips", "cache"),
    ("base", "network"),
    ("base", "vae"),
    ("base", "prompt"),
    ("validation", "path"),
)


def _resolve_paths(data: dict[str, Any], folder: Path) -> None:
    places = [(data.get(section), key) for section, key in PATHS]
    sources = data.get("data")
    places += [(source, "path") for source in sources] if isinstance(sources, list) else []
    for section, key in places:
        if isinstance(section, dict) and isinstance(section.get(key), str):
            section[key] = str((folder / Path(section[key]).expanduser()).resolve())
