"""Threads: a container's quota, one budget for all calls, and none to be had."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, extension
from gleann.index.engines import native
from gleann.index.parallel import cores

needs_kernels = pytest.mark.skipif(
    not native.available(), reason=native.unavailable_reason() or "the kernels"
)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def groups(tmp_path):
    return tmp_path / "cgroup"


def quota(groups, membership):
    write(groups.parent / "self", membership)
    return cores.read_quota(groups, groups.parent / "self")


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("200000 100000", 2.0), ("150000 100000\n", 1.5), ("max 100000", None), ("", None),
     ("50000", 0.5), ("nonsense here", None), ("1 0", None), ("-1 100000", None)],
)  # fmt: skip
def test_version_2_inside_a_container(groups, text, cpus):
    write(groups / "cpu.max", text)
    assert quota(groups, "0::/\n") == cpus


def test_version_2_takes_the_least_of_a_group_and_those_around_it(groups):
    write(groups / "a" / "cpu.max", "150000 100000")
    write(groups / "a" / "b" / "cpu.max", "400000 100000")
    write(groups / "a" / "b" / "c" / "cpu.max", "max 100000")
    assert quota(groups, "0::/a/b/c") == 1.5
    write(groups / "a" / "b" / "cpu.max", "100000 100000")
    assert quota(groups, "0::/a/b/c") == 1.0


def test_a_path_of_the_host_that_is_not_mounted_here(groups):
    write(groups / "cpu.max", "300000 100000")
    assert quota(groups, "0::/docker/0123456789") == 3.0


@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("microseconds", "cpus"), [(250_000, 2.5), (-1, None)])
def test_version_1(groups, mounted, microseconds, cpus):
    write(groups / mounted / "pod" / "cpu.cfs_quota_us", f"{microseconds}\n")
    write(groups / mounted / "pod" / "cpu.cfs_period_us", "100000\n")
    membership = "5:memory:/other\n3:cpu,cpuacct:/pod\n1:name=systemd:/x\n0::/\n"
    assert quota(groups, membership) == cpus


def test_no_control_groups(tmp_path):
    assert cores.read_quota(tmp_path / "none", tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("cpus", "usable"), [(None, 8), (1.5, 2), (0.1, 1), (3.0, 3), (64.0, 8)]
)
def test_a_share_of_a_core_counts_as_one(monkeypatch, cpus, usable):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(cores, "cpu_quota", lambda: cpus)
    assert cores.usable_cores() == usable


def test_without_an_affinity_all_cores_count(monkeypatch):
    """As on systems other than Linux."""
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr(cores, "cpu_quota", lambda: None)
    for count in (12, None):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert cores.usable_cores() == (count or 1)


@needs_kernels
def test_kernels_obey_the_quota(monkeypatch):
    most = len(os.sched_getaffinity(0))
    monkeypatch.setattr(extension, "cpu_quota", lambda: 0.5)
    try:
        extension.obey_quota()
        assert extension.compiled.usable_cores() == 1
    finally:
        extension.compiled.limit_cores(1 << 20)
    assert extension.compiled.usable_cores() == most


@pytest.fixture(scope="module")
def index():
    rows = np.random.default_rng(0).standard_normal((20_000, 64)).astype(np.float32)
    params = BuildParams(metric="l2", nlist=100, tune_queries=0, kmeans_iterations=1)
    return SoarIndex.build(rows, params, engine="native")


def threads_now():
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.alone
@needs_kernels
def test_calls_share_one_budget_of_threads(index):
    """Each brings its own thread; together they start no more than the cores need."""
    callers, queries = 4, index.vectors[:512]
    most = len(os.sched_getaffinity(0))
    params = SearchParams(k=10, nprobe=100)
    want = index.search_rows(queries, params)[0]
    stop, seen = threading.Event(), []

    def watch():
        while not stop.is_set():
            seen.append(threads_now())
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(time.sleep, [0.05] * callers))  # all of them are there
        watcher.start()
        before = threads_now()
        found = list(
            pool.map(lambda _: index.search_rows(queries, params)[0], range(24))
        )
        stop.set()
        watcher.join()
    assert max(seen) <= before + most - 1
    for rows in found:
        np.testing.assert_array_equal(rows, want)


@pytest.mark.alone
@needs_kernels
def test_a_call_alone_gets_the_threads_it_asks_for(index):
    asked = index.with_engine("native", threads=7)
    seen, stop = [], threading.Event()

    def watch():
        while not stop.is_set():
            seen.append(threads_now())

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = threads_now()
    for _ in range(20):
        asked.search_rows(index.vectors[:512], SearchParams(k=10, nprobe=100))
    stop.set()
    watcher.join()
    assert before < max(seen) <= before + 6


NO_THREADS = """
import resource, sys
import numpy as np
from gleann.index import BuildParams, SearchParams, SoarIndex
rows = np.random.default_rng(0).standard_normal((20_000, 64)).astype(np.float32)
params = BuildParams(metric="l2", nlist=100, tune_queries=0, kmeans_iterations=1)
index = SoarIndex.build(rows, params, engine="native", threads=4)
search = SearchParams(k=10, nprobe=50)
want = index.search_rows(rows[:200], search)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
# Room for what a search needs, and for no thread's stack.
resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), resource.RLIM_INFINITY))
got = index.search_rows(rows[:200], search)
assert all((a == b).all() for a, b in zip(got, want))
print("the same")
"""


@needs_kernels
def test_without_threads_to_be_had_fewer_do_the_work():
    # Thread stacks are as large as the limit of the stack is when the process starts.
    ran = subprocess.run(
        ["bash", "-c", 'ulimit -s 1000000; exec "$0" -c "$1"', sys.executable,
         NO_THREADS],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "the same\n"


@pytest.mark.alone
@needs_kernels
def test_scratch_follows_the_pool(index):
    """64 queries at once would take 64 pools, whatever their size."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((300_000, 4)).astype(np.float32)
    params = BuildParams(metric="l2", nlist=4, tune_queries=0, kmeans_iterations=1)
    large = SoarIndex.build(rows, params, engine="native", threads=1)
    script = SearchParams(k=1, nprobe=1, rerank=len(rows))
    before = peak()
    large.search_rows(rows[:64], script)
    assert peak() - before < 130 << 20  # 64 pools of 300,000 take 230 MB


def peak():
    """Most bytes that this process ever had in memory."""
    with Path("/proc/self/status").open(encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10
