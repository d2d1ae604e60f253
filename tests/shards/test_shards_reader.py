"""The reader gives back what was written, lazily, in any process."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import synthetic

from transphy3d import open_dataset
from transphy3d.errors import ShardError
from transphy3d.shards.pack import pack

FRAMES = 6


@pytest.fixture(scope="module")
def record():
    return synthetic.meta(FRAMES)


@pytest.fixture(scope="module")
def frames(record):
    return synthetic.render(record)


@pytest.fixture(scope="module")
def path(tmp_path_factory, record, frames):
    return synthetic.write(tmp_path_factory.mktemp("reader") / "sequence.h5", record, frames)


@pytest.fixture
def sequence(path):
    return open_dataset(path)[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    for index in range(3):
        synthetic.make(folder / f"{index:06d}" / "sequence.h5", 2, (24, 32), index)
    return folder


def stack(frames, name):
    return np.stack([frame[name] for frame in frames])


@pytest.mark.parametrize("name", ["rgb", "instance"])
def test_integers_come_back_exactly(sequence, frames, name):
    assert np.array_equal(sequence[name][:], stack(frames, name))


@pytest.mark.parametrize("name", ["depth", "depth_behind"])
def test_depth_comes_back_within_its_rounding(sequence, frames, name):
    assert np.allclose(sequence[name][:], stack(frames, name), rtol=2**-16, atol=0)


def test_normals_come_back_within_their_rounding(sequence, frames):
    assert np.abs(sequence["normal"][:] - stack(frames, "normal")).max() < 3e-4


@pytest.mark.parametrize("name", synthetic.CHANNELS)
def test_shape_and_dtype_are_known_before_reading(sequence, name):
    values = sequence[name][:]
    assert (sequence[name].shape, sequence[name].dtype) == (values.shape, values.dtype)


@pytest.mark.parametrize(
    "frames_asked", [0, -1, 3, slice(1, 5, 2), slice(None, None, -1), [4, 0, -2], slice(9, 9)]
)
def test_frames_are_indexed_as_numpy_does(sequence, frames_asked):
    everything = sequence["rgb"][:]
    assert np.array_equal(sequence["rgb"][frames_asked], everything[frames_asked])


@pytest.mark.parametrize("number", [FRAMES, -FRAMES - 1])
def test_a_frame_out_of_range_is_an_index_error(sequence, number):
    with pytest.raises(IndexError, match=f"of {FRAMES}"):
        sequence["rgb"][number]


def test_read_gives_the_channels_asked_for(sequence):
    values = sequence.read("rgb", "depth", frames=slice(0, 2))
    assert {name: array.shape for name, array in values.items()} == {
        "rgb": (2, 72, 96, 3),
        "depth": (2, 72, 96),
    }


def test_the_record_comes_back_without_losing_a_bit(sequence, record):
    assert sequence.meta == record


def test_an_unknown_channel_names_the_nearest(sequence):
    with pytest.raises(ShardError, match="did you mean 'normal'"):
        sequence["normals"]


def test_poses_and_objects_are_arrays(sequence):
    assert sequence.world_to_camera.shape == (FRAMES, 4, 4)
    assert sequence.intrinsics.shape == (3, 3)
    assert sequence.object_table["optical_class"].tolist()[0] == b"transparent"


def test_a_run_folder_is_read_in_the_order_of_names(run):
    assert [sequence.index for sequence in open_dataset(run)] == [0, 1, 2]


def test_a_run_folder_with_shards_gives_each_sequence_once(run, tmp_path):
    pack(run, tmp_path / "shards", name="balls")
    assert len(open_dataset(tmp_path)) == 3
    synthetic.make(tmp_path / "sequences" / "000007" / "sequence.h5", 1, (24, 32), 7)
    assert [sequence.index for sequence in open_dataset(tmp_path)] == [7]


def test_a_list_of_files_keeps_its_order(run):
    files = sorted(run.rglob("*.h5"), reverse=True)
    assert [sequence.name for sequence in open_dataset(files)] == ["000002", "000001", "000000"]


def test_scratch_files_are_not_data(run):
    (run / ".sequence.h5.host.1.part").write_bytes(b"half")
    (run / ".half.h5").write_bytes(b"half")
    assert len(open_dataset(run)) == 3


def test_a_slice_of_a_dataset_is_a_dataset(run):
    assert [sequence.index for sequence in open_dataset(run)[1:]] == [1, 2]


def test_few_files_stay_open(run):
    dataset = open_dataset(run, open_files=1)
    for sequence in dataset:
        sequence["rgb"][0]
    assert len(open_descriptors(run)) == 1


def open_descriptors(folder):
    links = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    return [link for link in links if folder in link.parents]


def test_close_leaves_no_file_open(run):
    dataset = open_dataset(run)
    for sequence in dataset:
        sequence["rgb"][0]
    dataset.close()
    assert open_descriptors(run) == []


@pytest.mark.parametrize("content", [None, b"no HDF5"])
def test_a_file_that_cannot_be_opened_is_named(tmp_path, content):
    path = tmp_path / "broken.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ShardError, match=r"broken\.h5"):
        open_dataset(path)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ShardError, match="no sequences found"):
        open_dataset(tmp_path)


def total(sequence):
    return int(sequence["rgb"][:].sum(dtype=np.int64))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_what_the_parent_has_open(sequence, method):
    here = total(sequence)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_total_of_pickle, [pickle.dumps(sequence)] * 4) == [here] * 4


def _total_of_pickle(data):
    return total(pickle.loads(data))


def test_a_forked_child_reads_through_the_parents_object(sequence):
    here = total(sequence)
    child = os.fork()
    if child == 0:
        os._exit(0 if total(sequence) == here else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert total(sequence) == here


def test_threads_may_share_a_dataset(run):
    dataset = open_dataset(run, open_files=1)
    expected = [total(sequence) for sequence in dataset]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(total, list(dataset) * 10)) == expected * 10


def test_reading_needs_neither_blender_nor_torch(path):
    code = (
        "import sys; sys.modules.update(bpy=None, torch=None, pybullet=None);"
        "from transphy3d import open_dataset; open_dataset(sys.argv[1])[0].read()"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_packed_sequences_read_as_single_ones(run, tmp_path):
    pack(run, tmp_path, name="balls", per_shard=2)
    for single, packed in zip(open_dataset(run), open_dataset(tmp_path), strict=True):
        assert packed.meta == single.meta
        for name in single.channels:
            assert np.array_equal(packed[name][:], single[name][:])
