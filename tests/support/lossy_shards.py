"""Shards of this process of which some do not answer."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gleann.index import SoarIndex
from gleann.index.shards.asking import Asked, LocalShards


class Lossy(LocalShards):
    """Shards of which some do not answer, after so many questions."""

    lost: frozenset[int] = frozenset()
    after = 0

    def ask_each(self, questions: Iterable[Asked]) -> Iterator[Mapping[int, Any]]:
        for asked in questions:
            lost = self.lost if self.after <= 0 else frozenset()
            there = {n: one for n, one in asked.items() if n not in lost}
            self.after -= 1
            yield from super().ask_each([there])

    def of(self, number: int) -> SoarIndex:
        return self._shards[number].index
