"""The recall probe moves operating points where queries do not look like the rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams
from gleann.index.evaluate import recall_at_k
from gleann.index.search.asked import LEAST_QUERIES, AskedQuery
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.config.probe import ProbeSettings
from gleann.service.local import application_stubs
from gleann.service.monitoring.learning import Learning
from gleann.service.monitoring.probe import RecallProbe, Sample

N, DIM, K = 12_000, 24, 10
ASKED = SearchParams(k=K, target_recall=0.95)
EXACT = SearchParams(k=K, exact=True)
NEVER = ProbeSettings(share=0.0, one_in=1)
"""The test takes the samples itself, one after another."""


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(2)
    centres = 2 * rng.normal(size=(150, DIM))
    noise = rng.normal(size=(N, DIM))
    return (centres[rng.integers(150, size=N)] + noise).astype(np.float32)


@pytest.fixture
def application(tmp_path: Path, vectors: np.ndarray) -> Application:
    application = Application(Config(data_dir=tmp_path / "data", probe=NEVER))
    client = gleann.Client.of_stubs(application_stubs(application))
    client.create_index("words", dim=DIM, metric="l2")
    client.upsert("words", range(N), vectors)
    client.build("words", BuildParams(metric="l2")).wait()
    return application


def averages(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Queries between the clusters."""
    chosen = np.random.default_rng(seed).integers(len(vectors), size=(count, 4))
    return vectors[chosen].mean(axis=1)


def repeat(application: Application, queries: np.ndarray) -> None:
    """Let the probe compare every one of `queries`."""
    probe = RecallProbe(NEVER, application.telemetry, is_busy=lambda: False)
    view = application.registry.view("words")
    for query in queries:
        found, _ = application.search("words", query[None], ASKED)
        probe.take(Sample(view, query[None], None, found.distances, found.stats.nprobe))


def recall_of(application: Application, queries: np.ndarray) -> float:
    found, _ = application.search("words", queries, ASKED)
    exact, _ = application.search("words", queries, EXACT)
    return recall_at_k(found.distances, exact.distances)


def test_the_recall_asked_for_is_reached_after_a_few_hundred_queries(
    application: Application, vectors: np.ndarray
) -> None:
    queries = averages(vectors, 500, seed=5)
    before = recall_of(application, queries)
    assert before < 0.93
    [status] = application.monitor.status(["indexes"]).indexes
    assert (status.learned_queries, status.learned_lists) == (0, 1)
    repeat(application, averages(vectors, 300, seed=6))
    after = recall_of(application, queries)
    assert after >= 0.945
    [status] = application.monitor.status(["indexes"]).indexes
    assert 240 <= status.learned_queries <= 300
    assert status.learned_lists > 1.2
    application.close()


def test_too_few_queries_move_nothing(
    application: Application, vectors: np.ndarray
) -> None:
    before, _ = application.search("words", vectors[:5], ASKED)
    repeat(application, averages(vectors, LEAST_QUERIES - 1, seed=6))
    after, _ = application.search("words", vectors[:5], ASKED)
    assert after.stats.nprobe == before.stats.nprobe
    application.close()


def test_a_new_version_is_learned_anew(
    application: Application, vectors: np.ndarray
) -> None:
    repeat(application, averages(vectors, 120, seed=6))
    assert application.registry.view("words").sealed.index.learned_points
    client = gleann.Client.of_stubs(application_stubs(application))
    client.build("words", BuildParams(metric="l2", seed=1)).wait()
    assert not application.registry.view("words").sealed.index.learned_points
    [status] = application.monitor.status(["indexes"]).indexes
    assert (status.learned_queries, status.learned_lists) == (0, 1)
    application.close()


def test_removed_and_newer_vectors_do_not_mislead(
    application: Application, vectors: np.ndarray
) -> None:
    """Neighbours that were removed are not looked for; newer ones are like the rows."""
    client = gleann.Client.of_stubs(application_stubs(application))
    client.delete_vectors("words", range(0, N, 2))
    client.upsert("words", range(N, N + 200), vectors[:200] + np.float32(0.1))
    queries = averages(vectors, 400, seed=5)
    repeat(application, averages(vectors, 300, seed=6))
    assert recall_of(application, queries) >= 0.94
    application.close()


def test_what_few_lists_lack_is_not_taken_for_lost_by_the_re_ranking(
    application: Application, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By effort, the statistics have the mean of the lists that queries probed."""
    taken: list[AskedQuery] = []
    monkeypatch.setattr(Learning, "take", lambda self, view, query: taken.append(query))
    probe = RecallProbe(NEVER, application.telemetry, is_busy=lambda: False)

    def offer(view, queries, condition, distances, *, nprobe) -> None:
        probe.take(Sample(view, queries[:1], condition, distances[:1], nprobe))

    monkeypatch.setattr(application.searches.probe, "offer", offer)
    for params in (ASKED, replace(ASKED, effort="by_query")):
        application.search("words", vectors[:4], params)
    even, by_effort = taken
    assert even.found is not None
    assert even.nprobe > 0
    assert by_effort.found is None
    np.testing.assert_array_equal(by_effort.rows, even.rows)
    application.close()
