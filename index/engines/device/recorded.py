"""Recorded search, one step per block: coarse step, both passes, packed answers."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from gleann.index.engines.device.recording import Outputs, Recordings, size_within
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.passes import (
    ROOM_SHARE,
    Parts,
    Task,
    first_pass,
    second_pass_within,
)
from gleann.index.parallel.blocks import block_slices


def recorded_blocks(
    queries: Tensor,
    *,
    nprobe: int,
    ranking: DeviceRanking,
    parts: Parts,
    task: Task,
    recordings: Recordings,
) -> Iterator[tuple[Tensor, int]]:
    """Replay a search, block by block.

    A query stays unanswered if its lists tie at the cut, or if more pairs are flagged
    than the capacity.

    Args:
        queries: float32 (nq, d), prepared.
        nprobe: lists per query.
        ranking: ranking of the lists.
        parts: components of the search.
        task: the task, for blocks of a padded size.
        recordings: recordings of the engine.

    Yields:
            `packed` answers, overwritten by the next block, and their number of valid
            queries.
    """

    def step(block: Tensor, live: Tensor) -> Outputs:
        best, doubted = parts.scanner.likely(ranking, block, nprobe=nprobe)
        counts = torch.arange(len(block), device=block.device) < live
        list_nos = torch.where(counts[:, None], best, -1)
        passed = first_pass(block, list_nos, parts=parts, task=task)
        unanswered = doubted & counts
        if task.request.certain:
            # A smaller last block needs less.
            mine = replace(task, room=min(task.room, len(block) // ROOM_SHARE))
            passed, left = second_pass_within(passed, block, parts=parts, task=mine)
            unanswered = unanswered | left
        return (parts.scanner.pack(passed.found, unanswered),)

    request, how = task.request, task.planned.how
    key = (
        nprobe,
        request.k,
        request.rerank,
        request.segments,
        request.certain,
        task.room,
        how,
    )
    for block in block_slices(len(queries), size_within(task.planned.block)):
        asked = queries[block]
        (answers,) = recordings.run(step, asked, key=key)
        yield answers, len(asked)
