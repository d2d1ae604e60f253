"""Where the weights of the vision-language judge lie, and which they are; needs no torch.

Nothing is fetched here: 17 GB are a decision that a user takes with the command that the error
message prints.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transphy3d.errors import ModelError, PackageMissing

Precision = Literal["full", "8bit", "4bit"]

MODEL_TYPE = "qwen2_5_vl"
FINGERPRINT_BYTES = 1 << 20  # read of each end of a large file
INSTALL = "pip install 'transphy3d[filter]'"


@dataclass(frozen=True)
class Known:
    """A model by its short name: repository on huggingface.co, commit, size and terms of use."""

    repository: str
    revision: str
    size: str
    licence: str


APACHE = "Apache-2.0"
RESEARCH = "Qwen Research Licence: not for commercial use"
# An empty revision is that of the copy on the disk, which the answers name.
KNOWN = {
    "7b": Known(
        "Qwen/Qwen2.5-VL-7B-Instruct", "cc594898137f460bfe9f0759e9844b3ce807cfb5", "17 GB", APACHE
    ),
    "3b": Known(
        "Qwen/Qwen2.5-VL-3B-Instruct",
        "66285546d2b821cf421d4f5eb2576359d3770cd3",
        "7.5 GB",
        RESEARCH,
    ),
    "7b-awq": Known("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "", "7 GB", APACHE),
    "3b-awq": Known("Qwen/Qwen2.5-VL-3B-Instruct-AWQ", "", "3.4 GB", RESEARCH),
}
DEFAULT_MODEL = "7b"


@dataclass(frozen=True)
class Weights:
    """Weights on this disk.

    identity : repository@commit, or folder@fingerprint, with the precision where it is not full
    quantised : whether the files themselves hold quantised weights
    """

    folder: Path
    identity: str
    precision: Precision
    quantised: bool


def locate(model: str, revision: str = "", precision: Precision = "full") -> Weights:
    """The weights of a short name, a repository on huggingface.co or a local folder.

    revision : commit or branch, "" for the pinned one; a local folder has none
    Raises ModelError if they are not on this disk, or are incomplete.
    """
    local = Path(model).expanduser()
    if local.is_dir():
        folder, identity = local, f"{local.resolve().name}@{fingerprint(_checked(local))}"
    elif model in KNOWN or _is_repository(model):
        known = KNOWN.get(model, Known(model, "", "", "see its page"))
        folder = _checked(_cached(known, revision or known.revision))
        identity = f"{known.repository}@{folder.name}"
    else:
        raise ModelError(
            f"--model {model!r} is no folder, no repository as owner/name and none of "
            f"{', '.join(KNOWN)}; correct it"
        )
    suffix = "" if precision == "full" else f" {precision}"
    return Weights(folder, identity + suffix, precision, "quantization_config" in _config(folder))


def _is_repository(model: str) -> bool:
    return model.count("/") == 1 and not model.startswith(("/", ".", "~")) and model[-1] != "/"


def _cached(known: Known, revision: str) -> Path:
    """The snapshot in Hugging Face's cache on this disk."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ModuleNotFoundError as error:
        raise PackageMissing(f"{error}; the vision-language judge needs: {INSTALL}") from None
    try:
        found = snapshot_download(
            known.repository, revision=revision or None, local_files_only=True
        )
    except (LocalEntryNotFoundError, HFValidationError):
        raise ModelError(_how_to_get(known, revision)) from None
    return Path(found)


def _how_to_get(known: Known, revision: str) -> str:
    pinned = f" --revision {revision}" if revision else ""
    size = f" ({known.size})" if known.size else ""
    return (
        f"the weights of {known.repository} are not on this disk; get them{size} with "
        f"`hf download {known.repository}{pinned}`, or name a folder that holds them with "
        f"--model FOLDER (licence: {known.licence})"
    )


def _checked(folder: Path) -> Path:
    """The folder itself. Raises ModelError unless all that a model needs is there."""
    wanted = ("config.json", "tokenizer_config.json", "preprocessor_config.json")
    missing = [name for name in wanted if not (folder / name).is_file()]
    if "preprocessor_config.json" in missing and (folder / "processor_config.json").is_file():
        missing.remove("preprocessor_config.json")  # where newer versions of the library put it
    missing += [name for name in _weight_files(folder) if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"{folder}: holds no whole Qwen2.5-VL model, for {', '.join(missing[:4])} "
            "are missing; download it again"
        )
    return folder


def _weight_files(folder: Path) -> list[str]:
    """The names of the files that hold the tensors, as the index lists them."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return ["model.safetensors"]
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{index}: is damaged ({error}); download it again") from None


def _config(folder: Path) -> dict[str, Any]:
    """The model's description. Raises ModelError for one that is not of Qwen2.5-VL.

    With another's, the library would make up eight billion random weights for what is missing.
    """
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: is damaged ({error}); download it again") from None
    kind = found.get("model_type") if isinstance(found, dict) else None
    if kind != MODEL_TYPE:
        raise ModelError(f"{path}: model_type is {kind!r}, not {MODEL_TYPE!r}; name a Qwen2.5-VL")
    description: dict[str, Any] = found
    return description


def fingerprint(folder: Path) -> str:
    """A hash of a model's files: names, sizes, and 1 MiB at each end of every one."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in {".json", ".safetensors", ".jinja", ".txt"}:
            size = path.stat().st_size
            digest.update(f"{path.name}:{size}\n".encode())
            with path.open("rb") as stream:
                digest.update(stream.read(FINGERPRINT_BYTES))
                stream.seek(max(size - FINGERPRINT_BYTES, 0))
                digest.update(stream.read())
    return digest.hexdigest()[:12]
