"""Answers from a finite set, token by token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Branch = dict[int, "Branch"]


class Trie:
    """Sequences of token ids, and what may follow each beginning of one.

    sequences : at least one, none empty; end : the token that closes every answer
    """

    def __init__(self, sequences: Iterable[Sequence[int]], end: int) -> None:
        self._root: Branch = {}
        self._end = end
        self.longest = 0
        for sequence in sequences:
            branch = self._root
            for token in (*sequence, end):
                branch = branch.setdefault(token, {})
            self.longest = max(self.longest, len(sequence) + 1)
        if not self._root:
            raise ValueError("no answers to choose from")

    def after(self, tokens: Iterable[int]) -> list[int]:
        """The tokens that may follow; the end alone after a whole answer.

        Raises KeyError for tokens that begin none of the sequences.
        """
        branch = self._root
        for token in tokens:
            if token == self._end:
                return [self._end]
            branch = branch[token]
        return list(branch)
