"""Blocks of rows on as many threads as are asked for."""

from threading import Barrier, get_ident

import pytest

from gleann.index.parallel import blocks
from gleann.index.parallel.blocks import block_slices, map_blocks


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_run_on_as_many_threads_as_are_asked_for(threads: int) -> None:
    together = Barrier(threads)

    def work(block: slice) -> int:
        together.wait(60)  # broken unless so many run at a time
        return get_ident()

    cut = block_slices(3 * threads, 1)
    answers = list(map_blocks(work, cut, threads=threads))
    assert [block for block, _ in answers] == cut
    assert len({ident for _, ident in answers}) == threads


def test_every_core_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "usable_cores", lambda: 2)
    together = Barrier(2)
    waited = list(map_blocks(lambda block: together.wait(60), block_slices(4, 1)))
    assert sorted(place for _, place in waited) == [0, 0, 1, 1]
