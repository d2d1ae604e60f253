"""The cache of encoded clips: exact, resumable, shared, and never used for other data."""

import dkt_run
import h5py
import numpy as np
import pytest
import tiny_dkt
import torch

from transphy3d.dkt.data import known, picture, target
from transphy3d.dkt.latents import (
    CachePlan,
    LatentClips,
    cache_folder,
    encode_pixels,
    fill_cache,
    fingerprint,
)
from transphy3d.dkt.log import read_log
from transphy3d.dkt.train import train
from transphy3d.errors import JobError, ShardError
from transphy3d.progress import make_progress
from transphy3d.shards.draws import Draw
from transphy3d.shards.framing import covering
from transphy3d.shards.reader import open_dataset
from transphy3d.shards.torch_clips import clip_item

PLAN = CachePlan("depth", (32, 48), latents=2, every=3, flips=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return dkt_run.lay_out(tmp_path_factory.mktemp("latents"))


@pytest.fixture(scope="module")
def filled(root):
    source, vae = open_dataset(root / "shards"), tiny_dkt.vae()
    assert list(fill_cache(root / "cache", source, vae, PLAN, (0, 1))) == [(1, 2), (2, 2)]
    return cache_folder(root / "cache", fingerprint(PLAN, vae, source))


def test_entries_equal_encoding_while_training(root, filled):
    recording = open_dataset(root / "shards")[0]
    with h5py.File(filled / f"{recording.name}.h5") as file:
        assert file["first_frame"][:].tolist() == [0, 0, 3, 3]
        for entry, flip in ((2, False), (3, True)):
            framing = covering((72, 96), (32, 48), flip=flip)
            item = clip_item(recording, np.arange(3, 8), framing, ("rgb", "disparity"))
            batch = {name: value[None] for name, value in item.items()}
            online = {
                "picture": encode_pixels(picture(batch), tiny_dkt.vae())[0],
                "target": encode_pixels(target(batch, "depth"), tiny_dkt.vae())[0],
                "known": known(batch, "depth")[0, 0],
            }
            for name, value in online.items():
                stored = torch.from_numpy(file[name][entry].astype(np.float32))
                torch.testing.assert_close(stored, value, atol=2e-3, rtol=1e-3)


def test_a_short_clip_is_the_start_of_a_long_entry(root):
    vae = tiny_dkt.vae()
    video = torch.rand(1, 3, 9, 32, 48) * 2 - 1
    assert torch.equal(encode_pixels(video, vae)[:, :, :2], encode_pixels(video[:, :, :5], vae))


def test_filling_again_encodes_nothing(root, filled):
    before = {path.name: path.stat().st_mtime_ns for path in filled.glob("*.h5")}
    source = open_dataset(root / "shards")
    list(fill_cache(root / "cache", source, tiny_dkt.vae(), PLAN, (0, 1)))
    assert {path.name: path.stat().st_mtime_ns for path in filled.glob("*.h5")} == before


def test_shares_fill_one_cache_together(root, filled):
    source = open_dataset(root / "shards")
    for share in ((1, 2), (0, 2)):
        list(fill_cache(root / "shared", source, tiny_dkt.vae(), PLAN, share))
    assert sorted(p.name for p in (root / "shared" / filled.name).iterdir()) == sorted(
        p.name for p in filled.iterdir()
    )


@pytest.mark.parametrize("what", ["vae", "size", "task"])
def test_other_weights_sizes_and_tasks_have_another_cache(root, filled, what):
    vae = tiny_dkt.vae(seed=1 if what == "vae" else 0)
    changes = {"size": {"size": (48, 48)}, "task": {"task": "normal"}}.get(what, {})
    plan = CachePlan(**(vars(PLAN) | changes))
    facts = fingerprint(plan, vae, open_dataset(root / "shards"))
    assert cache_folder(root / "cache", facts) != filled
    with pytest.raises(ShardError, match="dkt prepare"):
        LatentClips(root / "cache", facts, flip=0.5, seed=0)


def test_clips_are_drawn_by_number_alone(root, filled):
    facts = fingerprint(PLAN, tiny_dkt.vae(), open_dataset(root / "shards"))
    clips = LatentClips(root / "cache", facts, flip=0.5, seed=0)
    item = clips[Draw(3, 5)]
    assert item["picture"].shape == (16, 2, 4, 6) and item["known"].shape == (1, 2, 4, 6)
    assert clips[Draw(3, 1)]["target"].shape == (16, 1, 4, 6)
    assert torch.equal(clips[Draw(3, 1)]["target"], item["target"][:, :1])


def cached_job(root, shifts="false"):
    path = root / "cached.yaml"
    text = dkt_run.JOB.format(steps=2, ema=0)
    path.write_text(
        text.replace("flip: 0.5", f"flip: 0.5, shifts: {shifts}, cache: trained-on, cache_every: 3")
    )
    return dkt_run.load_training_job(path)


def test_training_goes_from_a_cache(root):
    job = cached_job(root)
    source = open_dataset(root / "shards")
    with pytest.raises(ShardError, match="dkt prepare"):
        train(job, root / "too-early", make_progress("json"))
    list(fill_cache(root / "trained-on", source, tiny_dkt.vae(), CachePlan.of(job), (0, 1)))
    train(job, root / "from-cache", make_progress("json"))
    assert [line["step"] for line in read_log(root / "from-cache") if "loss" in line] == [1, 2]


def test_a_cache_cannot_hold_what_is_cut_anywhere(root):
    with pytest.raises(JobError, match="shifts: false"):
        cached_job(root, shifts="true")
