"""The cache of encoded clips: exact, resumable, shared, and never used for other data."""

import errno
import shutil

import dkt_run
import h5py
import numpy as np
import pytest
import set_fixtures
import tiny_dkt
import torch
from synthetic import make

from transphy3d.cli.dkt import training
from transphy3d.dkt.config import load_training_job
from transphy3d.dkt.training import cache as cache_module
from transphy3d.dkt.training.data import known, open_clips, picture, target
from transphy3d.dkt.training.latents import (
    LatentClips,
    cached_sources,
    encode_pixels,
    fill_cache,
    open_latents,
)
from transphy3d.dkt.training.log import read_log
from transphy3d.dkt.training.prepare import prepare_clips
from transphy3d.dkt.training.train import train
from transphy3d.errors import DiskFull, JobError, ShardError
from transphy3d.progress import make_progress
from transphy3d.shards.draws import Draw
from transphy3d.shards.framing import covering
from transphy3d.shards.reader import open_dataset
from transphy3d.shards.torch_clips import clip_item
from transphy3d.wording import file_size

QUIET = make_progress("json")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return dkt_run.lay_out(tmp_path_factory.mktemp("latents"))


def job(root, name, *changes):
    """The tiny job of two steps on whole pictures, unvalidated; changes : (old, new) text."""
    lines = dkt_run.JOB.format(steps=2, ema=0).splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("validation"))
    for old, new in (("flip: 0.5", "flip: 0.5, shifts: false"), *changes):
        assert old in text
        text = text.replace(old, new)
    path = root / f"{name}.yaml"
    path.write_text(text)
    return load_training_job(path)


def cached(root, folder="cache", *changes, every=3):
    """The same from a cache."""
    cache = ("shifts: false", f"shifts: false, cache: {folder}, cache_every: {every}")
    return job(root, f"from-{folder}", cache, *changes)


@pytest.fixture(scope="module")
def filled(root):
    """The folder of a whole cache."""
    sources = cached_sources(cached(root), tiny_dkt.vae())
    assert list(fill_cache(sources, tiny_dkt.vae())) == [(1, 2), (2, 2)]
    return sources[0].cache.folder


def test_entries_equal_encoding_while_training(root, filled):
    recording = open_dataset(root / "shards")[0]
    path = next(filled.glob(f"{recording.name}-*.h5"))
    with h5py.File(path) as file:
        assert file["first_frame"][:].tolist() == [0, 0, 3, 3, 6, 6, 9, 9]
        assert not file["picture"][6][:, 1].any()  # of one latent: only the last frame is left
        for entry, flip in ((2, False), (3, True)):
            assert file["flipped"][entry] == flip
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


def test_a_short_clip_is_the_start_of_a_long_entry():
    vae = tiny_dkt.vae()
    video = torch.rand(1, 3, 9, 32, 48) * 2 - 1
    assert torch.equal(encode_pixels(video, vae)[:, :, :2], encode_pixels(video[:, :, :5], vae))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 0)])
def test_training_from_a_cache_has_the_losses_of_encoding_while_training(root, dtype, tolerance):
    """In bfloat16 bit by bit: its eight digits fit into the cache's float16."""
    change = ("dtype: float32", f"dtype: {dtype}")
    jobs = {
        "online": job(root, "online", change),
        "cached": cached(root, f"dense-{dtype}", change, every=1),
    }
    prepare_clips(jobs["cached"], (0, 1), "cpu", QUIET)
    losses = {}
    for name, each in jobs.items():
        run = root / f"{name}-{dtype}"
        train(each, run, QUIET)
        losses[name] = [line["loss"] for line in read_log(run) if "loss" in line]
    assert len(losses["online"]) == 2 and losses["online"][0] != losses["online"][1]
    np.testing.assert_allclose(losses["cached"], losses["online"], rtol=tolerance)


def test_every_draw_is_the_one_of_pictures(root):
    """Same recording, same first frame, same side, whatever the length."""
    dense = cached(root, "dense-float32", every=1)
    prepare_clips(dense, (0, 1), "cpu", QUIET)
    latents, pictures = open_latents(dense, tiny_dkt.vae()), open_clips(dense)
    for number in range(6):
        draw = Draw(number, 5 if number % 2 else 1)
        batch = {name: value[None] for name, value in pictures[draw].items()}
        expected = encode_pixels(target(batch, "depth"), tiny_dkt.vae())[0]
        torch.testing.assert_close(latents[draw]["target"], expected, atol=2e-3, rtol=1e-3)


def test_filling_again_encodes_nothing_but_what_is_damaged(root, filled):
    paths = sorted(filled.glob("*.h5"))
    before = [path.stat().st_mtime_ns for path in paths]
    sources = cached_sources(cached(root), tiny_dkt.vae())
    list(fill_cache(sources, tiny_dkt.vae()))
    assert [path.stat().st_mtime_ns for path in paths] == before
    whole = paths[0].read_bytes()
    for left in (whole[:3000], b""):
        paths[0].write_bytes(left)
        list(fill_cache(sources, tiny_dkt.vae()))
        assert paths[0].read_bytes() == whole
    assert paths[1].stat().st_mtime_ns == before[1]


def test_more_data_adds_to_a_cache(root, tmp_path):
    shutil.copytree(root / "shards", tmp_path / "shards")
    for name in ("network", "vae"):
        (tmp_path / name).symlink_to(root / name)
    prepare_clips(cached(tmp_path), (0, 1), "cpu", QUIET)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.h5")}
    make(tmp_path / "shards/000002.h5", frames=10, index=2)
    with pytest.raises(ShardError, match=r"1 of 3 recordings are not encoded, the first is 000002"):
        open_latents(cached(tmp_path), tiny_dkt.vae())
    prepare_clips(cached(tmp_path), (0, 1), "cpu", QUIET)
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    assert len(open_latents(cached(tmp_path), tiny_dkt.vae())) == len(kept) + 1 == 3


def test_shares_fill_one_cache_together_also_twice_at_once(root, filled):
    sources = cached_sources(cached(root, "shared"), tiny_dkt.vae())
    runs = [fill_cache(sources, tiny_dkt.vae(), share) for share in ((1, 2), (0, 2), (0, 2))]
    assert [next(run) for run in runs] == [(1, 1)] * 3
    assert [list(run) for run in runs] == [[], [], []]
    there = {p.name: p.read_bytes() for p in (root / "shared" / filled.name).iterdir()}
    assert there == {p.name: p.read_bytes() for p in filled.iterdir()}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([("cache_every: 3", "cache_every: 5")], r"differs in every \(3, not 5\)"),
        ([("task: depth", "task: normal")], r"differs in task \(depth, not normal\)"),
        ([("size: [32, 48]", "size: [48, 48]")], r"differs in size \(\[32, 48\], not \[48, 48\]\)"),
        ([("flip: 0.5", "flip: 0")], r"differs in flips \(True, not False\);"),
        ([], r"differs in autoencoder's weights \(\w{8}\.\.\., not \w{8}\.\.\.\);"),
    ],
)
def test_other_weights_sizes_and_tasks_have_another_cache_and_the_error_says_which(
    root, filled, changes, words
):
    vae = tiny_dkt.vae(seed=int("autoencoder" in words))
    with pytest.raises(ShardError, match=words) as caught:
        open_latents(cached(root, "cache", *changes), vae)
    assert "dkt prepare" in str(caught.value)


def test_training_does_not_start_without_its_cache(root):
    with pytest.raises(ShardError, match=r"there is none; run `transphy3d dkt prepare`"):
        train(cached(root, "nowhere"), root / "too-early", QUIET)


def test_the_autoencoders_statistics_belong_to_the_fingerprint(root, filled):
    vae = tiny_dkt.vae()
    vae.register_to_config(latents_std=[2.0] * 16)
    source = cached_sources(cached(root), vae)[0]
    assert source.cache.folder != filled


def test_sequences_that_another_job_made_are_not_taken_for_these(root, filled, tmp_path):
    for index in range(2):
        make(tmp_path / f"{index:06d}.h5", frames=10, index=index)
        with h5py.File(tmp_path / f"{index:06d}.h5", "r+") as file:
            next(iter(file.values())).attrs["job_sha256"] = "1" * 64
    other = cached(root, "cache", ("path: shards", f"path: {tmp_path}"))
    with pytest.raises(ShardError, match="2 of 2 recordings are not encoded"):
        open_latents(other, tiny_dkt.vae())


def test_damage_is_told_with_the_file(root, filled):
    source = cached_sources(cached(root), tiny_dkt.vae())[0]
    clips = LatentClips(source, flip=0.5, seed=0)
    path = clips.files[0]
    whole = path.read_bytes()
    with h5py.File(path) as file:
        place = file["target"].id.get_chunk_info(0).byte_offset
    try:
        flipped = bytearray(whole)
        flipped[place] ^= 1
        for damaged in (bytes(flipped), whole[:3000]):
            path.write_bytes(damaged)
            with pytest.raises(ShardError, match=rf"{path.name}: is missing or damaged .*remove"):
                [clips[Draw(number, 1)] for number in range(16)]
    finally:
        path.write_bytes(whole)


def test_a_full_disk_leaves_whole_files_and_is_gone_on_from(root, monkeypatch):
    full = cached(root, "full")
    write, written = cache_module.write_bytes, []

    def fail_second(path, data):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        write(path, data)

    monkeypatch.setattr(cache_module, "write_bytes", fail_second)
    with pytest.raises(DiskFull, match=r"no space is left, and all clips take 50\.7 kB"):
        prepare_clips(full, (0, 1), "cpu", QUIET)
    monkeypatch.undo()
    assert list((root / "full").rglob("*.h5")) == written
    before = written[0].stat().st_mtime_ns
    prepare_clips(full, (0, 1), "cpu", QUIET)
    assert written[0].stat().st_mtime_ns == before
    assert len(open_latents(full, tiny_dkt.vae())) == 2


def test_recordings_shorter_than_the_longest_clip_serve_shorter_ones(root):
    """Ten frames hold clips of two latents, and entries of two, not of five."""
    make(root / "mixed/000000.h5", frames=18, index=0)
    make(root / "mixed/000001.h5", frames=10, index=1)
    long = (
        ("latents: [1, 2], tokens: 2", "latents: [2, 5], tokens: 5"),
        ("path: shards", "path: mixed"),
    )
    mixed = cached(root, "mixed-cache", *long)
    prepare_clips(mixed, (0, 1), "cpu", QUIET)
    latents = open_latents(mixed, tiny_dkt.vae())
    assert len(latents) == 2
    assert all(latents[Draw(n, 17)]["target"].shape == (16, 5, 4, 6) for n in range(4))
    shown = [latents[Draw(n, 5)]["picture"] for n in range(4)]
    assert all(item.shape == (16, 2, 4, 6) for item in shown)
    long = (
        ("latents: [1, 2], tokens: 2", "latents: [6], tokens: 6"),
        ("path: shards", "path: mixed"),
    )
    too_long = cached(root, "mixed-cache", *long)
    with pytest.raises(
        ShardError, match="longest clips have 21 frames and the longest recording 18"
    ):
        open_latents(too_long, tiny_dkt.vae())


def test_public_sets_are_cached_too_still_ones_as_single_frames(root, tmp_path):
    set_fixtures.released(tmp_path / "tars", count=6)
    set_fixtures.hiss(tmp_path / "hiss", count=3)
    data = (
        f"- {{path: {tmp_path}/tars, set: released}}\n"
        f"  - {{path: {tmp_path}/hiss, set: hiss}}\n  - {{path: shards}}"
    )
    public = cached(root, "public", ("- {path: shards}", data))
    sources = cached_sources(public, tiny_dkt.vae())
    total = sum(len(source.numbers) for source in sources)
    assert list(fill_cache(sources, tiny_dkt.vae()))[-1] == (total, total)
    assert [source.plan.latents for source in sources] == [2, 1, 2]
    latents = open_latents(public, tiny_dkt.vae())
    still = [latents[Draw(n, 1)] for n in range(6)]
    assert {int(item["part"]) for item in still} == {0, 1, 2}
    moving = [latents[Draw(n, 5)] for n in range(6)]
    assert {int(item["part"]) for item in moving} == {0, 2}
    assert all(item["target"].shape == (16, 2, 4, 6) for item in moving)


class Told:
    """A reporter that remembers."""

    def __init__(self):
        self.said = []

    def event(self, kind, **facts):
        self.said.append((kind, facts["takes"]))

    def frames(self, done, total):
        self.said.append((done, total))


def test_it_is_told_what_a_cache_takes_and_how_far_it_is_over_all_sources(root):
    twice = "- {path: shards}\n  - {path: shards/000001.h5}\n"
    told = Told()
    prepare_clips(cached(root, "told", ("- {path: shards}", twice)), (0, 1), "cpu", told)
    three_files_of_eight_entries = 3 * 8 * (2 * 16 + 1) * 2 * 4 * 6 * 2
    assert told.said[0] == ("cache", file_size(three_files_of_eight_entries))
    assert told.said[1:] == [(1, 3), (2, 3), (3, 3)]


def test_the_command_prints_the_caches_folder(root, capsys):
    cached(root, "by-command")
    training.prepare(root / "from-by-command.yaml", share="1/2", device="cpu", progress="json")
    assert capsys.readouterr().out.strip() == str(root / "by-command")
    assert len(list((root / "by-command").rglob("*.h5"))) == 1


def test_a_cache_cannot_hold_what_is_cut_anywhere(root):
    with pytest.raises(JobError, match="set shifts: false"):
        cached(root, "cut", ("shifts: false", "shifts: true"))


def test_a_job_without_a_cache_has_nothing_to_prepare(root):
    with pytest.raises(JobError, match=r"clips\.cache: is not set"):
        prepare_clips(job(root, "none"), (0, 1), "cpu", QUIET)
