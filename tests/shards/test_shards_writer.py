"""A sequence file is whole or absent, explains itself, and is read by plain h5py."""

from __future__ import annotations

import json
import time

import h5py
import hdf5plugin  # noqa: F401  registers the filter that plain h5py needs
import numpy as np
import pytest
import synthetic

from transphy3d.errors import ShardError
from transphy3d.shards.writer import SequenceWriter

SECONDS_THAT_TIMESTAMPS_TELL_APART = 1.1


@pytest.fixture(scope="module")
def record():
    return synthetic.meta(2)


@pytest.fixture(scope="module")
def frames(record):
    return synthetic.render(record)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "sequence.h5"


def test_plain_h5py_reads_every_channel(path, record, frames):
    synthetic.write(path, record, frames)
    with h5py.File(path) as file:
        group = file["000000"]
        for name in ("rgb", "instance"):
            assert np.array_equal(group[name][1], frames[1][name])
        for name in ("depth", "depth_behind"):
            assert np.allclose(group[name][1], frames[1][name], rtol=2**-16, atol=0)


def test_the_normals_attribute_says_how_to_decode_them(path, record, frames):
    synthetic.write(path, record, frames)
    with h5py.File(path) as file:
        a, b = file["000000/normal"][0].astype(float)
        assert "32768" in file["000000/normal"].attrs["decode"]
    x, y = (a - 32768) / 32764, (b - 32768) / 32764
    w = 1 - abs(x) - abs(y)
    sign_x, sign_y = np.where(x < 0, -1, 1), np.where(y < 0, -1, 1)
    folded_x = np.where(w < 0, (1 - abs(y)) * sign_x, x)
    folded_y = np.where(w < 0, (1 - abs(x)) * sign_y, y)
    normal = np.stack([folded_x, folded_y, -w], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    normal[(a == 0) & (b == 0)] = 0
    assert np.abs(normal - frames[0]["normal"]).max() < 3e-4


def test_every_dataset_states_unit_frame_and_meaning(path, record, frames):
    synthetic.write(path, record, frames)
    with h5py.File(path) as file:
        assert file.attrs["version"] == 1
        for name in synthetic.CHANNELS:
            words = file["000000"][name].attrs
            assert all(words[key] for key in ("unit", "frame", "meaning", "error", "decode"))


def test_scene_and_provenance_are_json(path, record, frames):
    synthetic.write(path, record, frames)
    with h5py.File(path) as file:
        assert json.loads(file["000000/scene"][()]) == record.scene
        assert json.loads(file["000000/provenance"][()])["host"] == "nowhere"


def test_a_chunk_is_one_frame(path, record, frames):
    synthetic.write(path, record, frames)
    with h5py.File(path) as file:
        assert file["000000/rgb"].chunks == (1, 72, 96, 3)


def test_the_same_sequence_gives_the_same_bytes_at_another_time(tmp_path, record, frames):
    first = synthetic.write(tmp_path / "a.h5", record, frames)
    time.sleep(SECONDS_THAT_TIMESTAMPS_TELL_APART)
    second = synthetic.write(tmp_path / "b.h5", record, frames)
    assert first.read_bytes() == second.read_bytes()


def test_nothing_appears_if_the_block_fails(path, record, frames):
    with pytest.raises(KeyError), SequenceWriter(path, record, ["rgb"]) as writer:
        writer.append({"rgb": frames[0]["rgb"]})
        raise KeyError
    assert list(path.parent.iterdir()) == []


def test_nothing_appears_if_frames_are_missing(path, record, frames):
    with (
        pytest.raises(ShardError, match="1 frames were appended, 2 camera"),
        SequenceWriter(path, record, ["rgb"]) as writer,
    ):
        writer.append({"rgb": frames[0]["rgb"]})
    assert list(path.parent.iterdir()) == []


def test_a_failed_rewrite_leaves_the_old_file(path, record, frames):
    synthetic.write(path, record, frames)
    before = path.read_bytes()
    with pytest.raises(ShardError):
        synthetic.write(path, record, frames[:1])
    assert path.read_bytes() == before


def wrong_shape(frame):
    return {**frame, "depth": frame["depth"][:-1]}


def integer_depth(frame):
    return {**frame, "depth": frame["depth"].astype(int)}


def great_instance(frame):
    return {**frame, "instance": frame["instance"].astype(int) + 70_000}


def no_rgb(frame):
    return {name: values for name, values in frame.items() if name != "rgb"}


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (wrong_shape, "depth"),
        (integer_depth, "depth"),
        (great_instance, "0 to 65535"),
        (no_rgb, "rgb"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(path, record, frames, damage, named):
    writer = SequenceWriter(path, record, synthetic.CHANNELS)
    with pytest.raises(ShardError, match=named), writer:
        writer.append(damage(frames[0]))


def test_more_frames_than_poses_are_refused(path, record, frames):
    with pytest.raises(ShardError, match="more frames"):
        synthetic.write(path, record, [*frames, frames[0]])


def test_an_unknown_channel_is_refused_with_the_nearest_name(path, record):
    with pytest.raises(ShardError, match="did you mean 'depth'"):
        SequenceWriter(path, record, ["dept"])
