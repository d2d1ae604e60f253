"""Inference: streams equal wholes, windows agree with one, sizes and turns come out right."""

import dataclasses

import numpy as np
import pytest
import tiny_dkt
import torch

from transphy3d.dkt.inference.infer import Settings, estimate
from transphy3d.dkt.inference.video import open_video
from transphy3d.dkt.model import vae as codec
from transphy3d.dkt.model.flow import sampling_sigmas
from transphy3d.dkt.model.sampler import sample
from transphy3d.dkt.model.wan import denormalise, normalise
from transphy3d.dkt.model.windows import Windows
from transphy3d.errors import ShardError

SMALL = Settings(size=(32, 48), windows=Windows(4, 2), steps=2)


def clip(frames, height=32, width=48):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    return tiny_dkt.model()


@pytest.mark.parametrize("frames", [1, 5, 13])
def test_streamed_coding_equals_the_whole_video_bit_by_bit(model, frames):
    video = torch.rand(3, frames, 32, 48) * 2 - 1
    with torch.no_grad():
        whole = normalise(model.vae.encode(video[None]).latent_dist.mode(), model.vae)
        back = model.vae.decode(denormalise(whole, model.vae)).sample
    streamed = torch.cat(list(codec.encode(video.unbind(1), model.vae)), 2)
    assert torch.equal(streamed, whole)
    assert torch.equal(torch.cat(list(codec.decode(whole.split(1, 2), model.vae)), 2), back)


def test_left_over_frames_are_an_error(model):
    with pytest.raises(ValueError, match="2 are left over"):
        list(codec.encode(torch.zeros(7, 3, 32, 48).unbind(0), model.vae))


def test_sampling_in_one_window_equals_a_plain_loop(model):
    torch.manual_seed(0)
    picture, noise = torch.randn(2, 1, 16, 3, 4, 6)
    x = noise.clone()
    sample(model.predict, picture, x, steps=3)
    expected = noise
    sigmas = sampling_sigmas(3)
    with torch.no_grad():
        for step in range(3):
            v = model.predict(expected, picture, torch.tensor([sigmas[step]]))
            expected = expected + (sigmas[step + 1] - sigmas[step]) * v
    torch.testing.assert_close(x, expected.float(), atol=1e-5, rtol=1e-5)


def test_windows_blend_at_every_step(model):
    torch.manual_seed(0)
    picture, noise = torch.randn(2, 1, 16, 9, 4, 6)
    one, several = noise.clone(), noise.clone()
    local = lambda x, p, s: torch.tanh(x + p) * s  # sees no further than its latent  # noqa: E731
    sample(local, picture, one, windows=Windows(21, 3))
    sample(local, picture, several, windows=Windows(4, 2))
    torch.testing.assert_close(one, several)


def test_the_released_times_are_rounded(model):
    told = []

    def predict(x, p, sigma):
        told.append(float(sigma) * 1000)
        return x

    sample(predict, torch.zeros(1, 16, 1, 2, 2), torch.zeros(1, 16, 1, 2, 2), rounded_times=True)
    assert np.round(told).tolist() == [1000, 952, 884, 768, 556]


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 40, 64), (6, 31, 57), (9, 64, 36)])
def test_any_length_size_and_orientation_comes_back(model, frames, height, width):
    found = list(estimate(model, open_video(clip(frames, height, width)), SMALL))
    assert len(found) == frames
    assert all(frame.shape == (height, width) and frame.dtype == np.float32 for frame in found)
    assert np.min(found) >= 0 and np.max(found) <= 1
    assert np.std(found) > 0


def test_a_portrait_video_is_the_turned_landscape_one(model):
    lying = clip(5, 32, 48)
    standing = np.ascontiguousarray(np.rot90(lying, -1, (1, 2)))
    flat = np.stack(list(estimate(model, open_video(lying), SMALL)))
    upright = np.stack(list(estimate(model, open_video(standing), SMALL)))
    np.testing.assert_allclose(np.rot90(upright, 1, (1, 2)), flat, atol=1e-6)


def test_normals_turn_with_a_portrait_picture(model):
    settings = dataclasses.replace(SMALL, task="normal")
    lying = clip(1, 32, 48)
    standing = np.ascontiguousarray(np.rot90(lying, -1, (1, 2)))
    flat = next(estimate(model, open_video(lying), settings))
    upright = next(estimate(model, open_video(standing), settings))
    turned = np.rot90(upright)
    # A quarter turn against the clock takes right to up and down to right.
    expected = np.stack([turned[..., 1], -turned[..., 0], turned[..., 2]], -1)
    np.testing.assert_allclose(expected, flat, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(flat, axis=-1), 1, atol=1e-5)


def test_the_same_seed_gives_the_same_and_another_seed_another(model):
    video = open_video(clip(2))
    first, again = (next(estimate(model, video, SMALL)) for _ in range(2))
    other = next(estimate(model, video, dataclasses.replace(SMALL, seed=1)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_progress_is_told_by_stage(model):
    told = []
    list(estimate(model, open_video(clip(5)), SMALL, lambda *facts: told.append(facts)))
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["encode", "denoise", "decode"]
    assert told[-1] == ("decode", 5, 5)


def test_videos_that_cannot_be_read_say_why(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/0.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ShardError, match=r"broken.mp4: cannot be decoded"):
        open_video(tmp_path / "broken.mp4")
    with pytest.raises(ShardError, match="empty: holds no picture"):
        open_video(tmp_path / "empty")
    with pytest.raises(ShardError, match=r"0.png: cannot be decoded"):
        open_video(tmp_path / "bad")
    with pytest.raises(ShardError, match="there is no such video"):
        open_video(tmp_path / "none.mp4")
    with pytest.raises(ShardError, match="float64"):
        open_video(np.zeros((2, 4, 4, 3)))
