"""Long native calls: other threads run, a cancel and Ctrl-C are noticed."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from gleann.index import (
    BuildParams,
    SearchParams,
    SoarIndex,
    errors,
    extension,
    heartbeat,
)
from gleann.index.build.kmeans import train_centroids
from gleann.index.engines import native
from gleann.index.exact import exact_search
from gleann.index.heartbeat import beat, repeating, stopping
from gleann.index.search.within import find_within
from gleann.selection.coreset.distance.choose import make_points

pytestmark = pytest.mark.skipif(
    not native.available(), reason=native.unavailable_reason() or "the kernels"
)


def gaussian(n, d):
    return np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)


def longest_pause(work):
    """Seconds `work` took, and the longest that another thread stood still."""
    pauses, stop = [], threading.Event()

    def tick():
        last = time.perf_counter()
        while not stop.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            pauses.append(now - last)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    begun = time.perf_counter()
    work()
    took = time.perf_counter() - begun
    stop.set()
    thread.join()
    return took, max(pauses)


@pytest.mark.alone
def test_the_lock_is_not_held_while_things_are_made():
    rows = gaussian(40_000, 256)
    params = BuildParams(metric="ip", nlist=64, tune_queries=0, kmeans_iterations=1)
    index = SoarIndex.build(rows, params, engine="reference")
    centroids = gaussian(20_000, 256)
    for work in (
        lambda: index.with_engine("native", threads=1),
        lambda: native.NativeAssigner(centroids, threads=1),
        lambda: make_points(rows).covering(),
    ):
        shares = []
        for _ in range(3):
            took, pause = longest_pause(work)
            shares.append(pause / took)
        assert min(shares) < 0.7, shares


@pytest.fixture
def slow_training():
    """k-means of which one pass takes many seconds."""
    rows = np.random.default_rng(0).random((150_000, 256), dtype=np.float32)

    def train(progress):
        with repeating(progress) as told:
            train_centroids(
                rows, nlist=12_000, metric="l2", iterations=3, seed=0, progress=told
            )

    return train


class Cancelled(Exception):
    """Raised by a listener."""


@pytest.mark.slow
@pytest.mark.alone
def test_a_cancel_is_noticed_within_a_pass_of_kmeans(slow_training):
    asked = threading.Event()
    threading.Timer(1.0, asked.set).start()
    heard = []

    def progress(done):
        heard.append(done)
        if asked.is_set():
            raise Cancelled

    begun = time.monotonic()
    with pytest.raises(Cancelled):
        slow_training(progress)
    assert time.monotonic() - begun < 3.5
    assert heard.count(0) > 2  # it was told again while nothing was done


INTERRUPTED = """
import signal
import numpy as np
# Who starts the tests in the background may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from gleann.index import BuildParams, SoarIndex
rows = np.random.default_rng(0).standard_normal((400_000, 128)).astype(np.float32)
print("begins", flush=True)
SoarIndex.build(rows, BuildParams(metric="l2", nlist=20_000))
"""


@pytest.mark.slow
@pytest.mark.alone
def test_ctrl_c_is_noticed_within_a_build():
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begins\n"
    time.sleep(1.5)
    begun = time.monotonic()
    child.send_signal(signal.SIGINT)
    try:
        _, said = child.communicate(timeout=60)
    finally:
        child.kill()
    assert time.monotonic() - begun < 2.5
    assert "KeyboardInterrupt" in said


def test_an_exception_of_the_watcher_ends_the_call_and_nothing_else():
    rows, centroids = gaussian(30_000, 128), gaussian(4000, 128)
    assigner = native.NativeAssigner(centroids, threads=2)
    want = assigner.nearest(rows[:500])

    def refuse():
        raise errors.CancelledError("enough")

    def work():
        for _ in range(1000):
            assigner.nearest(rows)

    extension.watch(refuse)
    try:
        with pytest.raises(errors.CancelledError, match="enough"):
            work()
    finally:
        extension.watch(None)
    np.testing.assert_array_equal(assigner.nearest(rows[:500]), want)


def test_another_thread_hears_nothing():
    heard = []
    assigner = native.NativeAssigner(gaussian(4000, 128), threads=1)
    with repeating(heard.append) as told:
        told("here")
        thread = threading.Thread(
            target=assigner.nearest, args=(gaussian(20_000, 128),)
        )
        thread.start()
        thread.join()
    assert heard == ["here"]


def test_listeners_within_listeners():
    outer, inner = [], []
    with repeating(outer.append) as first:
        first("a")
        with repeating(inner.append) as second:
            second("b")
            time.sleep(0.11)
            beat()
        time.sleep(0.11)
        beat()
    beat()
    assert (outer, inner) == (["a", "a"], ["b", "b"])


class LeftError(Exception):
    """Raised by a `stop`."""


def leave():
    raise LeftError


@pytest.mark.alone
def test_a_search_of_lists_is_stopped_while_the_kernels_run():
    rows = gaussian(20_000, 128)
    params = BuildParams(metric="l2", nlist=16, tune_queries=0, kmeans_iterations=1)
    index = SoarIndex.build(rows, params, engine="native")
    search = SearchParams(k=10, nprobe=16)
    index.search(rows[:64], search)
    with stopping(lambda: None):
        index.search(rows[:64], search)
    queries = np.repeat(rows, 4, axis=0)
    begun = time.perf_counter()
    with pytest.raises(LeftError), stopping(leave):
        index.search(queries, search)
    stopped = time.perf_counter() - begun
    index.search(queries[:4000], search)
    assert stopped < (time.perf_counter() - begun - stopped) * len(queries) / 4000


def test_stops_are_asked_ten_times_a_second_and_only_inside(monkeypatch):
    asked, now = [], 0.0
    monkeypatch.setattr(heartbeat, "monotonic", lambda: now)
    with stopping(lambda: asked.append(now)):
        for now in np.arange(0, 0.35, 0.01):  # noqa: B007  the clock reads it
            beat()
        assert asked == pytest.approx([0.1, 0.2, 0.3], abs=0.011)
        with stopping(None):
            now += 0.11
            beat()
        assert len(asked) == 3
        beat()
        assert len(asked) == 4
    now += 0.11
    beat()
    assert len(asked) == 4


@pytest.mark.parametrize("work", ["exact", "within"])
def test_scans_of_all_rows_beat_between_blocks(monkeypatch, work):
    monkeypatch.setattr(heartbeat, "BETWEEN_BEATS", 0.0)
    rows, asked = gaussian(600, 8), []

    def stop():
        asked.append(1)
        if len(asked) == 2:
            raise LeftError

    works = {
        "exact": lambda: exact_search(rows, rows, metric="l2", k=3),
        "within": lambda: find_within(rows, rows, metric="l2", radius=1.0),
    }
    with pytest.raises(LeftError), stopping(stop):
        works[work]()
    assert len(asked) == 2
