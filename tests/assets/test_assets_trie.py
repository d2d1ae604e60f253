"""Constrained answers: whatever a model would like to say, a whole answer comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transphy3d.assets.trie import Trie

END = 9
answers = st.lists(
    st.lists(st.integers(0, 4), min_size=1, max_size=6).map(tuple), min_size=1, max_size=8
)


@given(answers, st.data())
def test_every_way_through_the_trie_is_an_answer(sequences, data):
    trie, said = Trie(sequences, END), []
    while END not in said:
        said.append(data.draw(st.sampled_from(trie.after(said))))
    assert tuple(said[:-1]) in sequences
    assert len(said) <= trie.longest
    assert trie.after([*said, END]) == [END]


@given(answers)
def test_every_answer_can_be_said(sequences):
    trie = Trie(sequences, END)
    for sequence in sequences:
        for k, token in enumerate((*sequence, END)):
            assert token in trie.after(sequence[:k])


def test_words_outside_the_set_lead_nowhere():
    with pytest.raises(KeyError):
        Trie([(1, 2)], END).after([2])


def test_a_set_without_answers_is_refused():
    with pytest.raises(ValueError, match="no answers"):
        Trie([], END)
