"""Windows cover a video, and blend as a plain weighted mean over all of them."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from transphy3d.dkt.model.windows import Windows, blended, latents_of, padded_frames, ramps

shapes = st.tuples(st.integers(1, 9), st.integers(0, 8), st.integers(1, 40)).filter(
    lambda s: s[1] < s[0]
)


@given(shapes, st.booleans())
def test_windows_cover_every_latent_and_overlap_enough(shape, shrink):
    length, overlap, total = shape
    spans = Windows(length, overlap, shrink).spans(total)
    assert spans[0][0] == 0 and spans[-1][1] == total
    for (_, end), (start, _) in itertools.pairwise(spans):
        assert end - start >= overlap
    lengths = {end - start for start, end in spans}
    assert lengths == {min(length, total)} or shrink


@given(shapes, st.booleans())
def test_blending_equals_the_plain_weighted_mean(shape, shrink):
    length, overlap, total = shape
    spans = Windows(length, overlap, shrink).spans(total)
    generator = torch.Generator().manual_seed(total)
    said = [torch.randn(1, 2, end - start, 1, 1, generator=generator) for start, end in spans]
    top, bottom = torch.zeros(2, total), torch.zeros(total)
    for number, (start, end) in enumerate(spans):
        for k in range(end - start):
            weight = ramps(spans, number)[k]
            top[:, start + k] += weight * said[number][0, :, k, 0, 0]
            bottom[start + k] += weight
    pieces = list(blended(said, spans))
    assert [piece[0] for piece in pieces[1:]] == [piece[1] for piece in pieces[:-1]]
    joined = torch.cat([v for _, _, v in pieces], 2)[0, :, :, 0, 0]
    torch.testing.assert_close(joined, top / bottom)


def test_windows_that_agree_blend_to_what_they_say():
    truth = torch.arange(40.0).reshape(1, 1, 40, 1, 1)
    spans = Windows(9, 3).spans(40)
    pieces = blended([truth[:, :, start:end] for start, end in spans], spans)
    torch.testing.assert_close(torch.cat([v for _, _, v in pieces], 2), truth)


def test_ramps_rise_and_fall_linearly_where_windows_overlap():
    spans = [(0, 6), (4, 10)]
    torch.testing.assert_close(ramps(spans, 0), torch.tensor([1, 1, 1, 1, 0.75, 0.25]))
    torch.testing.assert_close(ramps(spans, 1), torch.tensor([0.25, 0.75, 1, 1, 1, 1]))


def test_the_released_setting():
    assert Windows().spans(40) == [(0, 21), (18, 39), (19, 40)]
    assert Windows(shrink_last=True).spans(40) == [(0, 21), (18, 39), (36, 40)]


@pytest.mark.parametrize(
    ("frames", "latents", "padded"), [(1, 1, 1), (2, 2, 5), (5, 2, 5), (6, 3, 9), (81, 21, 81)]
)
def test_lengths_are_filled_up(frames, latents, padded):
    assert (latents_of(frames), padded_frames(frames)) == (latents, padded)


def test_an_overlap_as_long_as_the_window_is_an_error():
    with pytest.raises(ValueError, match="overlap: 5 latents"):
        Windows(5, 5)
