"""What the tests of the vision-language judge share; they need the extra `filter`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # for commands; tensors this small gain nothing from more

import torch
from tiny_vlm import build, kept_build

from transphy3d.assets import vlm
from transphy3d.assets.weights import locate

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model(pytestconfig) -> Path:
    """The folder of a small Qwen2.5-VL that has learnt a rule about flat colours."""
    return kept_build(Path(pytestconfig.rootpath) / ".cache")


@pytest.fixture(scope="session")
def untrained_model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "untrained"
    build(folder, trained=False)
    return folder


@pytest.fixture(scope="session")
def judge(tiny_model) -> vlm.Judge:
    return vlm.load(locate(str(tiny_model)), "cpu")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)
