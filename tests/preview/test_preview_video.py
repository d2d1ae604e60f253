from __future__ import annotations

import av
import h5py
import numpy as np
import pytest
import synthetic

from transphy3d.errors import ShardError
from transphy3d.preview.panels import painter
from transphy3d.preview.video import arrange, even, grid_columns, grid_frame, write_video
from transphy3d.shards.reader import open_dataset


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return stream, np.stack(frames)


@pytest.fixture(scope="module")
def film(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    write_video(dataset[0], path)
    return path


def test_video_has_every_frame_at_the_sequences_rate(film, dataset):
    stream, frames = decode(film)
    assert frames.shape == (len(dataset[0]), 2 * 72, 2 * 96, 3)
    assert stream.average_rate == dataset[0].fps


def test_video_is_what_browsers_play_and_starts_at_once(film):
    stream, _ = decode(film)
    assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    data = film.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_every_panel_shows_its_channel_in_its_place(film, dataset):
    _, frames = decode(film)
    sequence = dataset[0]
    paint = painter(sequence)
    for slot, name in enumerate(("rgb", "depth", "normal", "instance")):
        top, left = 72 * (slot // 2), 96 * (slot % 2)
        part = frames[2, top + 20 : top + 72, left : left + 96].astype(float)
        wanted = paint.paint(name, 2)[20:].astype(float)
        assert np.abs(part.mean(axis=(0, 1)) - wanted.mean(axis=(0, 1))).max() < 4, name


def test_odd_sizes_are_padded_to_even_ones(tmp_path):
    sequence = open_dataset(synthetic.make(tmp_path / "odd.h5", 2, (41, 33)))[0]
    write_video(sequence, tmp_path / "odd.mp4")
    _, frames = decode(tmp_path / "odd.mp4")
    assert frames.shape == (2, 42, 4 * 33, 3)


def test_absent_channels_leave_no_gap(tmp_path):
    record = synthetic.meta(1, (40, 64))
    path = synthetic.write(tmp_path / "a.h5", record, synthetic.render(record), ("rgb", "depth"))
    assert grid_frame(painter(open_dataset(path)[0]), 0).shape == (40, 128, 3)


def test_wide_pictures_are_reduced(dataset):
    assert grid_frame(painter(dataset[0]), 0, width=50).shape == (72, 96, 3)


def test_a_damaged_sequence_leaves_no_video_behind(tmp_path):
    path = synthetic.make(tmp_path / "a.h5", 2, (40, 64))
    with h5py.File(path, "r+") as file:
        file["000000/normal"].id.write_direct_chunk((1, 0, 0, 0), b"not a chunk")
    with pytest.raises(ShardError, match="damaged"):
        write_video(open_dataset(path)[0], tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == [path]


def test_tall_panels_stand_in_one_row_and_wide_ones_in_a_square():
    assert grid_columns(4, 90, 160) == 4
    assert grid_columns(4, 160, 90) == 2
    assert grid_columns(3, 160, 90) == 2


def test_grid_goes_row_by_row():
    panels = [np.full((2, 3, 3), value, np.uint8) for value in (1, 2, 3)]
    assert arrange(panels, 2)[::2, ::3, 0].tolist() == [[1, 2], [3, 0]]


def test_padding_repeats_the_edge():
    assert even(np.full((3, 5, 3), 7, np.uint8)).tolist() == np.full((4, 6, 3), 7).tolist()
