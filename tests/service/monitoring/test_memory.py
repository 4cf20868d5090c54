"""Memory by part adds up to that of the process, as the kernel counts it."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams
from gleann.selection.active import ActiveParams
from gleann.service.monitoring import monitor
from gleann.service.monitoring.memory import memory_of

BUILD = """
import sys
import numpy as np
import gleann
from gleann.index import BuildParams

rng = np.random.default_rng(0)
with gleann.Client(sys.argv[1]) as client:
    columns = {"n": "int64", "word": "string"}
    client.create_index("words", dim=128, metric="l2", columns=columns)
    for first in range(0, 240_000, 20_000):
        ids = range(first, first + 20_000)
        payload = {"n": ids, "word": [f"word {at % 999}" for at in ids]}
        client.upsert("words", ids, rng.normal(size=(20_000, 128)), payload)
    params = BuildParams(metric="l2", nlist=256, tune_queries=50)
    client.build("words", params).wait()
    more = range(240_000, 280_000)
    payload = {"n": more, "word": ["new"] * len(more)}
    client.upsert("words", more, rng.normal(size=(len(more), 128)), payload)
"""

MEASURE = """
import ctypes, json, sys
import numpy as np
import gleann
from gleann.index import SearchParams
from gleann.service.monitoring.process import resident_bytes

class Probe: pass

def now():
    ctypes.CDLL(None).malloc_trim(0)
    return sum(resident_bytes())

with gleann.Client(sys.argv[2]) as client:  # all modules, and an index that is small
    client.create_index("a", dim=128, metric="l2", columns={"n": "int64"})
    client.upsert("a", range(100), np.eye(128)[:100], {"n": range(100)})
    client.build("a").wait()
    client.search("a", np.eye(128)[:5], SearchParams(k=3), where="n > 7")
base = now()
with gleann.Client(sys.argv[1]) as client:
    queries = np.random.default_rng(1).normal(size=(200, 128))
    for exact in (False, True):
        client.search("words", queries, SearchParams(k=10, exact=exact))
    client.search("words", queries, SearchParams(k=10), where="n < 200000")
    client.get_vectors("words", range(0, 240_000, 16))
    [status] = client.server_status(["indexes"]).indexes
    print(json.dumps({"base": base, "now": now(), "parts": status.memory_bytes}))
"""


def ran(code: str, *arguments: Path) -> str:
    environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, check=False, env=os.environ | environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.alone
def test_the_parts_add_up_to_the_memory_of_the_process(tmp_path: Path) -> None:
    """What the process took before it opened the index is no part of it."""
    ran(BUILD, tmp_path / "data")
    found = json.loads(ran(MEASURE, tmp_path / "data", tmp_path / "small"))
    total = found["base"] + sum(found["parts"].values())
    assert found["now"] - found["base"] > 150e6  # most of it is the index
    assert total == pytest.approx(found["now"], rel=0.1)


def parts(client: gleann.Client) -> dict[str, int]:
    return dict(client.server_status(["indexes"]).indexes[0].memory_bytes)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made again each time."""
    for name in ("KEPT_SECONDS", "SECONDS_AN_INDEX"):
        monkeypatch.setattr(f"gleann.service.monitoring.monitor.{name}", 0.0)


@pytest.mark.usefixtures("fresh")
def test_each_part_grows_with_what_it_holds(tmp_path: Path) -> None:
    rows = np.random.default_rng(2).normal(size=(5000, 32)).astype(np.float32)
    with gleann.Client(tmp_path) as client:
        client.create_index("words", dim=32, metric="l2", columns={"n": "int64"})
        assert sum(parts(client).values()) < 10_000
        client.upsert("words", range(5000), rows, {"n": range(5000)})
        newer = parts(client)
        assert rows.nbytes <= newer["newer"] <= 4 * rows.nbytes
        assert newer["payload"] >= 8 * 5000
        client.build("words", BuildParams(metric="l2", nlist=16, tune_queries=0)).wait()
        client.search("words", rows[:5], SearchParams(k=3))
        client.get_vectors("words", range(5000))
        built = parts(client)
        assert built.get("newer", 0) < 20_000
        assert rows.nbytes <= built["rows"] <= 1.1 * rows.nbytes + 16_384
        entries = 5000
        assert entries * 32 <= built["codes"] <= 8 * entries * 32
        assert built["lists"] > 4 * entries
        client.search("words", rows[:5], SearchParams(k=3), where="n < 3000")
        assert parts(client)["filters"] > built.get("filters", 0) + 5000 / 8
        params = ActiveParams(pool="classifier")
        ids, labels = list(range(20)), [0, 1] * 10
        client.active.start("words", ids=ids, labels=labels, params=params)
        assert parts(client)["sessions"] > 0


def test_many_indexes_are_measured_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status takes seconds at most, and after a few all have their figures."""

    def slow(*arguments: Any) -> Counter[str]:
        time.sleep(0.05)
        return memory_of(*arguments)

    monkeypatch.setattr(monitor, "memory_of", slow)
    monkeypatch.setattr(monitor, "MEASURING_SECONDS", 0.4)
    with gleann.Client(tmp_path) as client:
        for number in range(20):
            client.create_index(f"i{number}", dim=4)
            client.upsert(f"i{number}", [1], np.ones((1, 4)))

        def measured() -> int:
            status = client.server_status(["indexes"])
            assert len(status.indexes) == 20
            assert {one.count for one in status.indexes} == {1}
            return sum(bool(one.memory_bytes) for one in status.indexes)

        counts = [measured()]
        assert 1 <= counts[0] <= 9
        while counts[-1] < 20:
            counts.append(measured())
            assert counts[-1] > counts[-2]
