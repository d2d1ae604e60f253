"""Files of tensors: safetensors, whole or in shards, and torch's pickles of nothing but tensors."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from transphy3d.errors import ModelError


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file. Raises ModelError if it cannot be read."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path}: cannot be read as safetensors ({error}); fetch it again"
        ) from None


def read_metadata(path: Path) -> dict[str, str]:
    """What a .safetensors file that can be read says of itself."""
    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})


def read_pickle(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .pth file; no code that it may hold is run.

    Raises ModelError if it cannot be read or holds anything else.
    """
    try:
        # Only the archives that torch has written since 1.6 can be mapped into memory.
        stored = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{path}: cannot be read as a file of tensors ({reason}); fetch it again"
        ) from None
    if isinstance(stored, dict) and all(isinstance(v, torch.Tensor) for v in stored.values()):
        return dict(stored)
    raise ModelError(f"{path}: holds more than named tensors; take the file that its authors offer")


def weight_files(folder: Path, stem: str) -> list[Path]:
    """The files of one model: those of an index, one file, or shards without an index.

    Raises ModelError if there are none, or not all that the index lists.
    """
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        return _indexed(index)
    for name in (f"{stem}.safetensors", f"{stem}.pth"):
        if (folder / name).is_file():
            return [folder / name]
    if shards := sorted(folder.glob(f"{stem}-*-of-*.safetensors")):
        return shards
    raise ModelError(f"{folder}: holds no {stem}.safetensors or .pth; name the downloaded folder")


def _indexed(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index}: is no index of shards ({error!r}); fetch it again") from None
    files = [index.parent / Path(str(name)).name for name in names]
    if missing := [file.name for file in files if not file.is_file()]:
        raise ModelError(
            f"{index.parent}: {len(missing)} of {len(files)} shards are missing, the first is "
            f"{missing[0]}; fetch them"
        )
    return files


def read_weights(folder: Path, stem: str) -> dict[str, torch.Tensor]:
    """The tensors of one model in a folder, by name. Raises ModelError as the above do."""
    stored: dict[str, torch.Tensor] = {}
    for path in weight_files(folder, stem):
        stored |= read_pickle(path) if path.suffix == ".pth" else read_tensors(path)
    return stored
