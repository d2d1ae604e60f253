"""The model card of an exported LoRA: what it is, what it was trained on, how good, how to use."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import transphy3d
from transphy3d.dkt.config import SHARDS
from transphy3d.dkt.evaluation.metrics import Protocol
from transphy3d.dkt.model.lora import LoadReport
from transphy3d.dkt.model.wan import HEAD_WIDTH, NETWORKS
from transphy3d.dkt.training.log import read_log
from transphy3d.errors import JobError, ShardError
from transphy3d.files import write_text
from transphy3d.shards.credits import credit, unique
from transphy3d.shards.index import INDEX_NAME, read_index
from transphy3d.shards.reader import RUN_SHARDS, open_dataset
from transphy3d.shards.schema import Attribution
from transphy3d.templates import open_templates
from transphy3d.wording import plural

CARD_NAME = "README.md"
# Stands in every card, so that no other README is ever written over.
MARK = "transphy3d-dkt"
PUBLISHED = "alibaba-pai/Wan2.1-Fun-{}-Control"
# The tasks of the Hugging Face hub that come closest.
PIPELINE_TAGS = {"depth": "depth-estimation", "normal": "image-to-image"}
FIGURES = {
    "rel": "REL",
    "rmse": "RMSE, m",
    "delta_1.05": "share within 1.05",
    "mean_angle": "mean angle, degrees",
    "validation_loss": "loss",
}


@dataclass(frozen=True)
class Exported:
    """What was written.

    name : of the file, or of the folder of a merged network; width : of the network's tokens
    weights : SHA-256 by file name; licence : as the hub abbreviates it
    """

    name: str
    layout: str
    report: LoadReport
    width: int
    weights: dict[str, str]
    licence: str


@dataclass(frozen=True)
class Source:
    """One data set of the training; licences : counts of the assets that are owed to somebody.

    credits : the lines that their licences ask for
    """

    name: str
    kind: str
    weight: float
    licences: str
    credits: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """What a run's folder says of a checkpoint; protocol : by which depth was measured."""

    job: dict[str, Any]
    step: int
    score: float | None
    figures: dict[str, float]
    protocol: str
    sources: tuple[Source, ...]


def check_place(folder: Path) -> None:
    """Raises JobError if a README.md that is no model card stands in the folder."""
    path = folder / CARD_NAME
    if path.is_file() and MARK not in path.read_text(errors="replace"):
        raise JobError(f"{path}: is no model card; export to another folder, or use --no-card")


def write_card(folder: Path, source: Path, exported: Exported) -> Path:
    """Write README.md; `source` is the checkpoint's folder, or a file that nothing is known of."""
    environment = open_templates("transphy3d.dkt", html=False)
    path = folder / CARD_NAME
    write_text(path, environment.get_template("model_card.md.j2").render(page(source, exported)))
    return path


def page(source: Path, exported: Exported) -> dict[str, Any]:
    """Everything that the template shows."""
    training = training_of(source)
    task = training.job["task"] if training else "depth"
    base = published_base(exported.width)
    return {
        "front": yaml.safe_dump(front_matter(task, base, exported), sort_keys=False),
        "task": task if training else "",
        "sees": "surface normals" if task == "normal" else "depth",
        "base": base or f"a Wan2.1-Fun-Control of width {exported.width}",
        "exported": exported,
        "training": training,
        "figure_names": FIGURES,
        "version": transphy3d.__version__,
    }


def front_matter(task: str, base: str | None, exported: Exported) -> dict[str, Any]:
    """What the Hugging Face hub reads at the top of a card."""
    relation = "merge" if exported.layout == "merged" else "adapter"
    origin = {"base_model": base, "base_model_relation": relation} if base else {}
    return {
        "license": exported.licence,
        **origin,
        "library_name": "diffusers",
        "pipeline_tag": PIPELINE_TAGS[task],
        "tags": [MARK, "video", task, "transparent-objects", *(["lora"] * (relation == "adapter"))],
    }


def published_base(width: int) -> str | None:
    """The published network of a width; None if there is none."""
    sizes = {known["num_attention_heads"] * HEAD_WIDTH: size for size, known in NETWORKS.items()}
    return PUBLISHED.format(sizes[width]) if width in sizes else None


def training_of(source: Path) -> Training | None:
    """What the run of a checkpoint's folder says; None if it lies in no run."""
    root = source.resolve().parent.parent
    try:
        state = json.loads((source / "state.json").read_text())
        job = json.loads((root / "job.json").read_text())["job"]
    except (OSError, ValueError, KeyError):
        return None
    lines = [line for line in read_log(root) if line["step"] == state["step"]]
    measured = {key: value for line in lines for key, value in line.items() if key in FIGURES}
    protocol = Protocol(max_depth=job["validation"]["max_depth"]).describe()
    sources = tuple(map(source_of, job["data"]))
    return Training(job, state["step"], state["score"], measured, protocol, sources)


def source_of(data: dict[str, Any]) -> Source:
    """A data set of a job, by its folder's name, as paths are nobody's business."""
    path = Path(data["path"])
    name = path.parent.name if path.name == RUN_SHARDS else path.name
    kind = data.get("set", SHARDS)
    if kind != SHARDS:
        return Source(name, kind, data["weight"], "as its authors say", ())
    try:
        owed = attributions(path)
    except (ShardError, OSError):
        return Source(name, kind, data["weight"], "unknown: the data are not where they were", ())
    counts = Counter(f"{each.licence} {each.version}".strip() for each in owed)
    words = ", ".join(
        f"{plural(count, 'asset')} under {licence}" for licence, count in sorted(counts.items())
    )
    return Source(name, kind, data["weight"], words or "no asset of others", _lines(owed))


def _lines(owed: list[Attribution]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(credit, owed)))


def attributions(path: Path) -> list[Attribution]:
    """Whom a data set's assets are owed to: from its index, or from every sequence."""
    if (path / INDEX_NAME).exists():
        return list(read_index(path).attributions)
    return unique(item for sequence in open_dataset(path) for item in sequence.attributions)
