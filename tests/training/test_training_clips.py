"""The torch adapter against scenes of spheres, whose every pixel is known."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import BALLS, Ball, cast, make, meta, render
from torch.utils.data import DataLoader

from transphy3d.errors import ShardError
from transphy3d.shards.draws import Batches, Draw
from transphy3d.shards.torch_clips import Clips, Mixture, disparity

ALL = ("rgb", "depth", "depth_behind", "disparity", "normal", "instance")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    for index, frames in enumerate((8, 8, 3)):
        make(root / f"{index:06d}.h5", frames, index=index)
    return root


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_an_item_has_the_documented_shapes_and_types(folder):
    item = Clips(folder, frames=5, size=(36, 48), channels=ALL)[0]
    assert item["rgb"].shape == (5, 3, 36, 48)
    assert item["rgb"].dtype == torch.float32
    assert item["rgb"].min() >= 0 and item["rgb"].max() <= 1
    for name in ("depth", "depth_behind", "disparity", "valid", "instance"):
        assert item[name].shape == (5, 1, 36, 48)
    assert item["normal"].shape == (5, 3, 36, 48)
    assert item["instance"].dtype == torch.int32
    assert item["valid"].dtype == torch.bool
    assert item["intrinsics"].shape == (3, 3)
    assert item["world_to_camera"].shape == (5, 4, 4)


def mirror(balls):
    return tuple(Ball(-b.x, b.y, b.radius, b.optical_class) for b in balls)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_clip_sees_what_its_camera_says(folder, flip):
    clips = Clips(folder, frames=2, size=(72, 60), flip=flip, shifts=True, channels=ALL)
    item = clips[Draw(5)]
    balls = mirror(BALLS) if flip else BALLS
    for t in range(2):
        pose = item["world_to_camera"][t].numpy().astype(float)
        depth, normal, instance, _ = cast(
            pose, item["intrinsics"].numpy().astype(float), (72, 60), balls
        )
        agrees = item["instance"][t, 0].numpy() == instance
        assert agrees.mean() > 0.995  # float32 poses may move an edge by a pixel
        np.testing.assert_allclose(item["depth"][t, 0].numpy()[agrees], depth[agrees], atol=2e-4)
        turned = (normal @ pose[:3, :3].T).transpose(2, 0, 1)
        assert np.abs(item["normal"][t].numpy() - turned)[:, agrees].max() < 0.02


def test_an_item_is_the_same_in_every_worker_and_after_pickling(folder):
    clips = Clips(folder, frames=3, flip=0.5, shifts=True, strides=(1, 2), size=(40, 40))
    again = pickle.loads(pickle.dumps(clips))
    draws = [Draw(number) for number in range(6)]
    loader = DataLoader(clips, batch_size=None, num_workers=2, sampler=draws)
    for draw, loaded in zip(draws, loader, strict=True):
        assert same(loaded, clips[draw])
        assert same(again[draw], clips[draw])


def test_items_differ_by_number_and_by_seed(folder):
    clips, other = Clips(folder, frames=3), Clips(folder, frames=3, seed=1)
    items = [clips[Draw(n)] for n in range(30)]
    assert len({(int(item["sequence"]), int(item["frames"][0])) for item in items}) > 8
    assert any(not same(items[n], other[Draw(n)]) for n in range(4))


def test_numbers_are_the_first_epoch_and_draws_go_on_after_it(folder):
    clips = Clips(folder, frames=5)
    mixture = Mixture({"video": (clips, 1.0)})
    assert len(list(clips)) == len(list(mixture)) == 2
    assert same(clips[np.int64(1)], clips[Draw(1)])
    for wrong in (2, -1):
        with pytest.raises(IndexError, match=f"clip {wrong} of 2"):
            clips[wrong]
        with pytest.raises(IndexError, match=f"clip {wrong} of 2"):
            mixture[wrong]
    loader = DataLoader(clips, batch_sampler=Batches({5: 2}, steps=6))
    epochs = {tuple(batch["frames"].flatten().tolist()) for batch in loader}
    assert len(epochs) > 3


def test_each_sequence_that_is_long_enough_comes_once_an_epoch(folder):
    clips = Clips(folder, frames=5)
    assert len(clips) == 2
    assert sorted(int(clips[n]["sequence"]) for n in range(2)) == [0, 1]
    assert {int(clips[Draw(n, 2)]["sequence"]) for n in range(3)} == {0, 1, 2}


def test_strides_stay_within_the_sequence(folder):
    clips = Clips(folder, frames=3, strides=(1, 3))
    steps = set()
    for number in range(40):
        item = clips[Draw(number)]
        frames = item["frames"].numpy()
        assert frames[0] >= 0 and frames[-1] < (8 if item["sequence"] < 2 else 3)
        steps |= set(np.diff(frames).tolist())
    assert steps == {1, 2, 3}


def test_disparity_is_near_bright_and_masked_where_depth_is_unknown(folder):
    item = Clips(folder, frames=2)[0]
    depth, near, valid = item["depth"], item["disparity"], item["valid"]
    assert torch.equal(valid, depth > 0)
    assert (near[~valid] == 0).all()
    assert near[valid].min() == 0 and near[valid].max() == 1
    order = depth[valid].argsort()
    assert (near[valid][order].diff() <= 1e-6).all()


def test_disparity_of_a_sequence_does_not_depend_on_the_clip(folder):
    clips = Clips(folder, frames=1)
    by_frame = {}
    for number in range(40):
        item = clips[Draw(number)]
        key = (int(item["sequence"]), int(item["frames"][0]))
        assert key not in by_frame or torch.equal(by_frame[key], item["disparity"])
        by_frame[key] = item["disparity"]


def test_disparity_formula():
    depth = torch.tensor([0.0, 1.0, 2.0, 4.0])
    near, valid = disparity(depth, (0.25, 1.0))
    torch.testing.assert_close(near, torch.tensor([0.0, 1.0, 1 / 3, 0.0]))
    assert valid.tolist() == [False, True, True, True]


def test_batches_go_through_a_loader(folder):
    loader = DataLoader(Clips(folder, size=(24, 32)), batch_sampler=Batches({1: 4, 5: 2}, steps=6))
    shapes = [tuple(batch["rgb"].shape) for batch in loader]
    assert len(shapes) == 6
    assert set(shapes) <= {(4, 1, 3, 24, 32), (2, 5, 3, 24, 32)}


def test_a_mixture_keeps_the_shares_and_pictures_out_of_clips(folder):
    parts = {"video": (Clips(folder), 1.0), "pictures": (Clips(folder, seed=5), 3.0)}
    mixture = Mixture(parts, frame_wise=["pictures"])
    single = [int(mixture[Draw(n, 1)]["part"]) for n in range(20)]
    moving = [int(mixture[Draw(n, 3)]["part"]) for n in range(20)]
    assert single.count(1) == 15
    assert moving == [0] * 20


def test_errors_say_what_to_do(folder):
    with pytest.raises(ShardError, match="clips span 99 frames and the longest sequence has 8"):
        Clips(folder, frames=99)
    with pytest.raises(ShardError, match="did you mean 'normal'"):
        Clips(folder, channels=("normals",))[0]
    with pytest.raises(ValueError, match="strides"):
        Clips(folder, strides=(0, 2))
    with pytest.raises(ValueError, match="size: the parts differ"):
        Mixture({"a": (Clips(folder), 1.0), "b": (Clips(folder, size=(8, 8)), 1.0)})
    mixture = Mixture({"video": (Clips(folder), 1.0)})
    with pytest.raises(ShardError, match="ask for fewer frames"):
        mixture[Draw(0, 99)]


def test_stored_pictures_come_unchanged(folder):
    item = Clips(folder, frames=8)[0]
    truth = render(meta(8, index=int(item["sequence"])))
    stored = torch.from_numpy(np.stack([frame["rgb"] for frame in truth]))
    assert torch.equal((item["rgb"] * 255).round().byte(), stored.permute(0, 3, 1, 2))


def test_the_examples_of_the_documentation_run(tmp_path, monkeypatch):
    for index in range(2):
        make(tmp_path / f"out/preview/shards/{index:06d}.h5", frames=20, index=index)
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    assert names["rgb"].shape == (2, 5, 3, 128, 224)
    assert len(names["batches"]) == 60
    assert "part" in next(iter(names["loader"]))
