"""A search recorded as one step a block: coarse step, both passes, packed answers."""

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

    A query is left unanswered where its lists tie at the cut, or where more pairs are
    flagged than there is room for.

    Args:
        queries: float32 (nq, d), prepared.
        nprobe: lists a query.
        ranking: of the lists.
        parts: what to search with.
        task: what is wanted, for blocks of a padded size.
        recordings: of the engine.

    Yields:
        `packed` answers, overwritten by the next, and how many queries of them count.
    """

    def step(block: Tensor, live: Tensor) -> Outputs:
        best, doubted = parts.scanner.likely(ranking, block, nprobe=nprobe)
        counts = torch.arange(len(block), device=block.device) < live
        list_nos = torch.where(counts[:, None], best, -1)
        passed = first_pass(block, list_nos, parts=parts, task=task)
        unanswered = doubted & counts
        if task.request.certain:
            # A last block that is smaller needs less.
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
