"""Packing copies chunks as they are, gives the same bytes again, and says what is where."""

from __future__ import annotations

import subprocess
import time

import pytest
import synthetic

from transphy3d import open_dataset
from transphy3d.errors import ShardError
from transphy3d.shards.index import read_index
from transphy3d.shards.pack import pack

SECONDS_THAT_TIMESTAMPS_TELL_APART = 1.1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    for index in range(3):
        synthetic.make(folder / f"{index:06d}.h5", 2, (24, 32), index)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "packed"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_chunks_are_copied_byte_for_byte(run, out):
    pack(run, out, name="balls", per_shard=3)
    for single, packed in zip(open_dataset(run), open_dataset(out), strict=True):
        for name in single.channels:
            assert packed[name].chunk(1) == single[name].chunk(1)


def test_shards_hold_the_asked_number_of_sequences(run, out):
    index = pack(run, out, name="balls", per_shard=2)
    assert [entry.shard for entry in index.sequences] == [
        "balls-00000.h5",
        "balls-00000.h5",
        "balls-00001.h5",
    ]


def test_the_index_is_read_back_and_counts(run, out):
    index = pack(run, out, name="balls")
    assert read_index(out) == index
    assert (index.frames, len(index.sequences)) == (6, 3)
    assert index.sequences[0].optical == {"opaque": 1, "reflective": 1, "transparent": 1}


def test_packing_again_changes_no_byte(run, out, tmp_path):
    pack(run, out, name="balls", per_shard=2)
    time.sleep(SECONDS_THAT_TIMESTAMPS_TELL_APART)
    pack(run, tmp_path / "again", name="balls", per_shard=2)
    before = contents(out)
    pack(run, out, name="balls", per_shard=2)
    assert contents(out) == before == contents(tmp_path / "again")


def test_shards_of_an_earlier_packing_are_removed(run, out):
    pack(run, out, name="balls", per_shard=1)
    pack(run, out, name="balls", per_shard=3)
    assert set(contents(out)) == {"balls-00000.h5", "index.json", "SHA256SUMS"}


def test_sha256sum_accepts_the_sums(run, out):
    pack(run, out, name="balls", per_shard=2)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=out, check=True)


def test_channels_can_be_left_out(run, out):
    index = pack(run, out, name="balls", channels=["rgb", "depth"])
    assert index.channels == ("rgb", "depth")
    assert open_dataset(out)[2].channels == ("rgb", "depth")


def test_a_packed_folder_can_be_packed_again_with_fewer_channels(run, out, tmp_path):
    pack(run, tmp_path / "all", name="balls", per_shard=2)
    pack(tmp_path / "all", out, name="rgb", channels=["rgb"])
    assert [sequence.channels for sequence in open_dataset(out)] == [("rgb",)] * 3


def test_a_channel_that_is_not_stored_is_an_error(run, out, tmp_path):
    pack(run, tmp_path / "few", name="balls", channels=["rgb"])
    with pytest.raises(ShardError, match="no channel 'depth'"):
        pack(tmp_path / "few", out, name="balls", channels=["depth"])
    assert list(out.glob("*.h5")) == []


def test_a_sequence_that_comes_twice_is_an_error(run, out):
    with pytest.raises(ShardError, match="sequence 000001 stands in"):
        pack([run, run / "000001.h5"], out, name="balls")


def test_an_index_of_another_version_is_refused(run, out):
    pack(run, out, name="balls")
    path = out / "index.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 9'))
    with pytest.raises(ShardError, match="version 9"):
        open_dataset(out)
