"""Connections that break anywhere: all that is acknowledged is there, and once."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from cutting_proxy import cutting_proxy

import gleann

ROWS, BATCHES = 50, 80


def batches(writer: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of a writer; the values of each are its number."""
    for number in range(BATCHES):
        yield _batch(writer, number)


def _batch(writer: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    first = ROWS * (writer * BATCHES + number)
    values = np.full((ROWS, 8), writer * BATCHES + number, np.float32)
    return np.arange(first, first + ROWS), values


def blocking(target: str, writer: int) -> int:
    with gleann.Client(target, timeout=60) as client:
        return client.upload("w", batches(writer), stream_id=f"s{writer}")


def awaited(target: str, writer: int) -> int:
    async def script() -> int:
        async with gleann.AsyncClient(target, timeout=60) as client:
            return await client.upload("w", batches(writer))

    return asyncio.run(script())


def unary(target: str, writer: int) -> int:
    with gleann.Client(target, timeout=60) as client:
        return sum(client.upsert("w", *batch) for batch in batches(writer))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_lost_or_stored_twice(serve_index: Any, seed: int) -> None:
    server, client = serve_index()
    works = [blocking, awaited, unary] * 2
    with cutting_proxy(server.port, seed=seed) as proxy:
        with ThreadPoolExecutor(len(works)) as writers:
            target = f"grpc://{proxy.address}"
            ends = [
                writers.submit(work, target, writer)
                for writer, work in enumerate(works)
            ]
            stored = [end.result(240) for end in ends]
        assert proxy.cuts >= 5
    assert stored == [ROWS * BATCHES] * len(works)
    # Each batch is one change: none was made twice.
    assert client.get_index("w").sequence == len(works) * BATCHES
    ids = np.arange(len(works) * BATCHES * ROWS)
    assert np.array_equal(client.get_vectors("w", ids)[:, 0], ids // ROWS)
