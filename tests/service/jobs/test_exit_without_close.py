"""A process that ends while a build is under way, without closing its client."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gleann

LEAVES = """
import sys, time
import numpy as np
import gleann
client = gleann.Client(sys.argv[1])
rows = np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32)
client.create_index("words", dim=32, metric="l2")
client.upsert("words", np.arange(len(rows)), rows)
client.build("words")
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.1, 0.3, 0.6, 0.9])
def test_the_process_ends_well_and_the_build_goes_on(
    tmp_path: Path, pause: float
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVES, str(tmp_path / "data"), str(pause)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    with gleann.Client(tmp_path / "data") as client:
        [operation] = client.list_operations()
        operation.wait()
        assert client.get_index("words").version >= 1
        found = client.search("words", np.zeros((1, 32)))
        assert len(found.ids[0]) == 10


# What a build meets that starts threads for a step in NumPy.
NO_MORE_THREADS = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
from gleann.service.jobs import building

def late(view):
    while threading.main_thread().is_alive():
        time.sleep(0.001)
    ThreadPoolExecutor(1).submit(int)

building.require_not_empty_since = late
"""


@pytest.mark.slow
def test_work_that_gets_no_more_threads_is_no_failure(tmp_path: Path) -> None:
    code = NO_MORE_THREADS + LEAVES
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data"), "0.1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    with gleann.Client(tmp_path / "data") as client:
        [operation] = client.list_operations()
        operation.wait()
        assert client.get_index("words").version >= 1
