"""The recall probe compares what was asked with exact search, out of the way."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams
from gleann.index.evaluate import recall_at_k
from gleann.index.filters.condition import Condition
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.config.probe import ProbeSettings
from gleann.service.local import application_stubs
from gleann.service.monitoring import probe as module
from gleann.service.monitoring.probe import Compared, RecallProbe, Sample
from gleann.service.telemetry.telemetry import Telemetry

N, DIM, K = 4000, 16, 10
EAGER = ProbeSettings(share=0.5, one_in=1)
ROUGH = SearchParams(k=K, nprobe=1)
OFFER = RecallProbe.offer


@pytest.fixture(autouse=True)
def sampling(nothing_by_itself: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecallProbe, "offer", OFFER)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(N, DIM)).astype(np.float32)


def opened(folder: Path, probe: ProbeSettings) -> Application:
    return Application(Config(data_dir=folder, probe=probe))


@pytest.fixture
def application(tmp_path: Path, vectors: np.ndarray) -> Application:
    """With an index of which a tenth is newer than its lists, and some are removed."""
    application = opened(tmp_path / "data", EAGER)
    client = gleann.Client.of_stubs(application_stubs(application))
    client.create_index("words", dim=DIM, metric="l2", columns={"n": "int64"})
    most = N * 9 // 10
    client.upsert("words", range(most), vectors[:most], {"n": range(most)})
    params = BuildParams(metric="l2", nlist=64, spill="none", tune_queries=0)
    client.build("words", params).wait()
    client.upsert("words", range(most, N), vectors[most:], {"n": range(most, N)})
    client.delete_vectors("words", range(100))
    return application


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)
    assert condition()


def compared(probe: RecallProbe, sample: Sample) -> tuple[int, int]:
    found = probe.compare(sample)
    return found.hits, found.places


def test_recall_is_that_of_the_searches(
    application: Application, vectors: np.ndarray
) -> None:
    """One query at a time, so that each is repeated; the mean is theirs."""
    queries = vectors[1000:1040] + 0.1
    truth, found = [], []
    counts = application.telemetry.index_counts
    for at, query in enumerate(queries):
        near, _ = application.search("words", query[None], ROUGH)
        exact, _ = application.search(
            "words", query[None], SearchParams(k=K, exact=True)
        )
        truth.append(exact.distances[0])
        found.append(near.distances[0])
        until(lambda at=at: counts("words").probed == at + 1)
    expected = recall_at_k(np.array(found), np.array(truth))
    assert 0.1 < expected < 0.95
    assert counts("words").probed_recall == pytest.approx(expected)
    [status] = application.monitor.status(["indexes"]).indexes
    assert status.probed_recall == pytest.approx(expected)
    assert status.probed_queries == len(queries)
    application.close()


def test_a_filter_holds_in_the_probe_too(
    application: Application, vectors: np.ndarray
) -> None:
    condition = Condition("n >= 2000")
    view = application.registry.view("words")
    exact, _ = application.search(
        "words", vectors[:1], SearchParams(k=K, exact=True), condition=condition
    )
    probe = RecallProbe(EAGER, Telemetry(), is_busy=lambda: False)
    query = vectors[:1]
    assert compared(probe, Sample(view, query, condition, exact.distances)) == (K, K)
    # Without the filter nearer ones are missed.
    hits, places = compared(probe, Sample(view, query, None, exact.distances))
    assert places == K
    assert hits < K
    application.close()


def test_few_rows_are_fewer_places(application: Application) -> None:
    view = application.registry.view("words")
    probe = RecallProbe(EAGER, Telemetry(), is_busy=lambda: False)
    query = np.zeros((1, DIM), np.float32)
    none = np.full((1, K), np.inf, np.float32)
    three = Condition("n IN (500, 501, 502)")
    assert compared(probe, Sample(view, query, three, none)) == (0, 3)
    assert compared(probe, Sample(view, query, Condition("n < 0"), none)) == (0, 0)
    application.close()


def test_exact_searches_are_no_sample(
    application: Application, vectors: np.ndarray
) -> None:
    for _ in range(5):
        application.search("words", vectors[:1], SearchParams(k=K, exact=True))
    time.sleep(0.3)
    assert application.telemetry.index_counts("words").probed == 0
    application.close()


def test_it_is_off_by_its_share(tmp_path: Path, vectors: np.ndarray) -> None:
    application = opened(tmp_path / "off", ProbeSettings(share=0.0, one_in=1))
    client = gleann.Client.of_stubs(application_stubs(application))
    client.create_index("words", dim=DIM, metric="l2")
    client.upsert("words", range(100), vectors[:100])
    client.build("words").wait()
    for _ in range(5):
        client.search("words", vectors[:1], ROUGH)
    time.sleep(0.3)
    assert client.server_status(["indexes"]).indexes[0].probed_recall is None
    client.close()


def test_it_waits_while_searches_run(
    application: Application, vectors: np.ndarray
) -> None:
    busy = threading.Event()
    busy.set()
    telemetry = Telemetry()
    probe = RecallProbe(EAGER, telemetry, is_busy=busy.is_set)
    probe.open()
    view = application.registry.view("words")
    probe.offer(view, vectors[:1], None, np.zeros((1, K), np.float32))
    time.sleep(0.5)
    assert telemetry.index_counts("words").probed == 0
    busy.clear()
    until(lambda: telemetry.index_counts("words").probed == 1)
    busy.set()
    probe.offer(view, vectors[:1], None, np.zeros((1, K), np.float32))
    began = time.monotonic()
    probe.close()
    assert time.monotonic() - began < 60
    application.close()


def test_its_share_of_the_time_is_kept(
    application: Application, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each comparison takes 20 ms here, so at 5 % there is one in 400 ms."""

    def slow(_: RecallProbe, sample: Sample) -> Compared:
        ends = time.thread_time() + 0.02
        while time.thread_time() < ends:
            pass
        return Compared(1, 1, sample.query, None, sample.distances)

    monkeypatch.setattr(RecallProbe, "compare", slow)
    telemetry = Telemetry()
    settings = ProbeSettings(share=0.05, one_in=1)
    probe = RecallProbe(settings, telemetry, is_busy=lambda: False)
    probe.open()
    view = application.registry.view("words")
    counts, began = telemetry.index_counts("words"), time.monotonic()

    def has_gone_on() -> bool:
        """Whether a while is over, and the thread, of low priority, had its turn."""
        probe.offer(view, vectors[:1], None, np.zeros((1, K), np.float32))
        return time.monotonic() >= began + 1.5 and counts.probed >= 1

    until(has_gone_on)
    probe.close()
    took = time.monotonic() - began
    assert 1 <= counts.probed <= 2 + took / 0.4
    application.close()


def test_one_in_so_many_queries_is_a_sample(
    application: Application, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Sample] = []

    class Kept:
        def __init__(self, *, maxsize: int) -> None:
            assert maxsize == 1

        def put_nowait(self, sample: Sample) -> None:
            taken.append(sample)

    monkeypatch.setattr(module, "Queue", Kept)
    settings = ProbeSettings(share=0.5, one_in=10)
    probe = RecallProbe(settings, Telemetry(), is_busy=lambda: False)
    view = application.registry.view("words")
    for _ in range(100):
        probe.offer(view, vectors[:3], None, np.zeros((3, K), np.float32))
    assert 25 <= len(taken) <= 31
    assert all(one.query.shape == (1, DIM) for one in taken)
    application.close()


def test_new_settings_hold_at_once(
    application: Application, vectors: np.ndarray
) -> None:
    """While it rests for hours, and while a sample is far away."""
    client = gleann.Client.of_stubs(application_stubs(application))
    counts = application.telemetry.index_counts("words")
    application.searches.probe.settings = ProbeSettings(share=1e-9, one_in=1)
    client.search("words", vectors[:1], ROUGH)
    until(lambda: counts.probed == 1)
    application.searches.probe.settings = ProbeSettings(share=0.5, one_in=10_000)
    for _ in range(3):
        client.search("words", vectors[:1], ROUGH)
    application.searches.probe.settings = EAGER

    def goes_on() -> bool:
        client.search("words", vectors[:1], ROUGH)
        return counts.probed > 1

    until(goes_on)
    client.close()
