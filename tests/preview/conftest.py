"""A small data set for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import preview_data
import pytest

from transphy3d.shards.reader import Dataset, open_dataset


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sequences in three files."""
    folder = tmp_path_factory.mktemp("balls")
    for index in range(len(preview_data.RIGS)):
        preview_data.make_sequence(folder / f"{index:06d}.h5", index)
    return folder


@pytest.fixture(scope="session")
def dataset(data_folder: Path) -> Dataset:
    return open_dataset(data_folder)
