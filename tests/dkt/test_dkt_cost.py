"""The real configurations, built on meta tensors."""

import pytest

from transphy3d.dkt.model.cost import (
    codec_flops,
    flops_per_frame,
    forward_flops,
    tiny_decoder_flops,
    weights,
)
from transphy3d.dkt.model.windows import Windows

TERA = 1e12


@pytest.mark.parametrize(("size", "billions", "modules"), [("1.3B", 1.56, 300), ("14B", 16.4, 400)])
def test_real_networks_have_their_published_sizes(size, billions, modules):
    found = weights(size, rank=128)
    assert found.parameters / 1e9 == pytest.approx(billions, rel=0.01)
    assert found.lora_modules == modules


def test_the_lora_of_the_small_one_counts_as_its_shapes_say():
    dim, ffn, rank, blocks = 1536, 8960, 128, 30
    attention, feed_forward = 8 * 2 * dim * rank, 2 * (dim + ffn) * rank
    assert weights("1.3B", rank).lora_parameters == blocks * (attention + feed_forward)


def test_a_look_costs_what_its_products_add_up_to():
    """Linear layers, convolutions' patches and both attentions, counted by hand for T = 1."""
    dim, ffn, blocks, tokens, context = 1536, 8960, 30, 30 * 52, 512 + 257
    linear = 2 * tokens * (4 * dim * dim + 2 * dim * dim + 2 * dim * ffn)
    cross = 2 * context * 2 * dim * dim
    attention = 4 * tokens * tokens * dim + 4 * tokens * context * dim
    assert forward_flops("1.3B", 1) == pytest.approx(
        blocks * (linear + cross + attention), rel=0.03
    )


def test_the_tiny_decoder_costs_its_convolutions():
    """Its convolutions per latent, by hand: three stages of blocks, growth and what leads on."""
    total, cells, frames = 9 * 16 * 256 * 60 * 104, 60 * 104, 1
    for width, following, times in ((256, 128, 1), (128, 64, 2), (64, 64, 2)):
        total += frames * cells * 3 * 9 * 4 * width * width
        cells *= 4
        total += frames * cells * times * width * width
        frames *= times
        total += frames * cells * 9 * width * following
    total += frames * cells * 9 * 64 * 3
    assert tiny_decoder_flops() == pytest.approx(2 * total / 4, rel=1e-6)


def test_a_folded_context_saves_all_but_three_keys_of_cross_attention():
    dim, blocks, tokens, spared = 1536, 30, 30 * 52, 512 + 257 - 3
    saved = forward_flops("1.3B", 1) - forward_flops("1.3B", 1, folded=True)
    attention, projections = 4 * tokens * spared * dim, 2 * (spared + 3) * 2 * dim * dim
    assert saved == pytest.approx(blocks * (attention + projections), rel=0.05)


def test_a_lora_beside_the_weights_costs_its_own_products():
    dim, ffn, blocks, tokens, text = 1536, 8960, 30, 30 * 52, 512
    spent = forward_flops("1.3B", 1, rank=128) - forward_flops("1.3B", 1)
    of_tokens = 6 * 2 * dim + 2 * (dim + ffn)
    by_hand = 2 * 128 * (tokens * of_tokens + text * 2 * 2 * dim)
    assert spent == pytest.approx(blocks * by_hand, rel=0.001)


def test_cost_grows_faster_than_length():
    one, six = forward_flops("1.3B", 1), forward_flops("1.3B", 6)
    assert 6 < six / one < 12


def test_a_frame_of_a_long_video_costs_looks_and_coding():
    codec = codec_flops()
    assert codec.decode > codec.encode > 1 * TERA
    released, short = Windows(21, 3), Windows(11, 1)
    looks = 5 * forward_flops("1.3B", 21) / 72
    assert flops_per_frame("1.3B", released) == pytest.approx(looks + codec.encode + codec.decode)
    assert flops_per_frame("1.3B", short) < flops_per_frame("1.3B", released)
