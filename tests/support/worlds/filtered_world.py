"""Vectors of which some pass a filter, and what is known of them."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

import gleann
from gleann.selection.estimate import (
    EstimateParams,
    Known,
)

N = 240
IDS = np.arange(N) * 10
SPLIT = np.array(["train", "test", "pool"])[np.arange(N) % 3]
SCORE = np.arange(N) / N
WHERE, PARAMETERS = "split = $1 AND score < $2", ["pool", 0.9]
MASK = (SPLIT == "pool") & (SCORE < 0.9)
SOME = np.flatnonzero(MASK)
M = len(SOME)
AMONG = {"rows": M, "of": N, "where": WHERE, "parameters": PARAMETERS}
FILTER: Any = {"where": WHERE, "parameters": PARAMETERS}
COSTS = np.random.default_rng(3).random(N)
PROXY = np.random.default_rng(4).random(N)
GROUPS = np.array(["a", "b"])[np.arange(N) % 2]


def add_payload(client: gleann.Client, name: str = "built") -> None:
    columns = {"split": "string", "score": "float64", "seen": "timestamp"}
    client.indexes.update(name, add_columns=columns)
    seen = [datetime(2026, 1, 1 + row % 28, tzinfo=UTC) for row in range(N)]
    values = {"split": SPLIT, "score": SCORE, "seen": seen}
    client.payload.update(name, values, ids=IDS)


def spoil_payload(client: gleann.Client, name: str = "built") -> None:
    """From now on no vector passes."""
    client.payload.update(name, {"split": ["none"] * N}, ids=IDS)
    assert client.vectors.count(name, **FILTER) == 0


def held(ids: Any) -> np.ndarray:
    """Whether the predicate holds, by id."""
    return np.asarray(ids) // 10 % 4 == 0


def values_of(ids: Any) -> np.ndarray:
    return np.asarray(ids) / 100.0


def known_of(inside: bool) -> Known:
    """Some known labels, of vectors that pass only, or of others too."""
    at = SOME[:9] if inside else np.concatenate([SOME[:9], np.arange(30)])
    ids = IDS[np.unique(at)]
    return Known(ids=ids, positives=held(ids), values=values_of(ids))


def start_estimate(client: gleann.Client, kind: str, params: EstimateParams) -> Any:
    own = IDS[MASK], PROXY[MASK]  # others need no proxy
    sources: dict[str, Any] = {
        "scores": {"proxy": own},
        "candidates": {"proxy": {"p": own, "q": (IDS, 1 - PROXY)}},
        "index": {"representatives": 10},
        "examples": {"examples": (IDS[:40], held(IDS[:40]).astype(float))},
    }
    known = {} if kind == "examples" else {"known": known_of(inside=False)}
    return client.estimates.start(
        "built", params=params, **sources[kind], **known, **FILTER
    )
