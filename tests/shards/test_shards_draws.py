"""Draws: the same everywhere, each sequence once an epoch, shares as the weights say."""

from collections import Counter

import numpy as np
import pytest

from transphy3d.shards.draws import MIX_PERIOD, Batches, Draw, Shares, place


def test_every_item_comes_once_an_epoch_in_a_new_order():
    epochs = [[place(n + 7 * epoch, 7, seed=3) for n in range(7)] for epoch in range(5)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_seeds_give_other_orders_and_zero_is_a_seed():
    orders = {tuple(place(n, 9, seed) for n in range(9)) for seed in range(4)}
    assert len(orders) == 4


def test_shares_are_exact_over_a_period_and_even_within():
    shares = Shares.of([1, 2, 5])
    taken = [shares.member(n)[0] for n in range(MIX_PERIOD)]
    assert Counter(taken) == {0: 125, 1: 250, 2: 625}
    for end in range(1, MIX_PERIOD, 13):
        drawn = np.bincount(taken[:end], minlength=3)
        assert np.abs(drawn - np.array([1, 2, 5]) / 8 * end).max() <= 1


def test_each_member_counts_its_own_draws_without_gap():
    shares = Shares.of([0.3, 0.7])
    counted = {0: [], 1: []}
    for number in range(3 * MIX_PERIOD):
        member, mine = shares.member(number)
        counted[member].append(mine)
    assert all(numbers == list(range(len(numbers))) for numbers in counted.values())


def test_a_member_without_weight_is_never_drawn():
    shares = Shares.of([0.0, 1.0])
    assert {shares.member(n)[0] for n in range(2 * MIX_PERIOD)} == {1}


SIZES = {1: 6, 5: 3, 9: 2}


def test_ranks_take_the_same_lengths_and_share_the_clips_of_one_rank():
    ranks = [list(Batches(SIZES, steps=20, rank=r, ranks=2)) for r in range(2)]
    for left, right in zip(*ranks, strict=True):
        assert {d.frames for d in left} == {d.frames for d in right}
        assert len(left) == SIZES[left[0].frames]
    numbers = sorted(d.number for batches in ranks for batch in batches for d in batch)
    assert numbers == list(range(len(numbers)))


def test_a_resumed_run_goes_on_with_the_batches_that_were_left():
    whole = list(Batches(SIZES, steps=12, seed=4))
    assert list(Batches(SIZES, steps=12, seed=4, start=5)) == whole[5:]
    assert len(Batches(SIZES, steps=12, start=5)) == 7


def test_lengths_are_drawn_evenly():
    batches = Batches(SIZES, steps=600, seed=1)
    counts = Counter(batches.frames(step) for step in range(600))
    assert set(counts) == set(SIZES)
    assert min(counts.values()) > 150


@pytest.mark.parametrize("seed", [0, 1])
def test_batches_differ_between_seeds_only(seed):
    first = list(Batches(SIZES, steps=8, seed=seed))
    assert first == list(Batches(SIZES, steps=8, seed=seed))
    assert first != list(Batches(SIZES, steps=8, seed=seed + 1))
    assert isinstance(first[0][0], Draw)
