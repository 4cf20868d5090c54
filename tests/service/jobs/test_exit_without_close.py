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
@pytest.mark.parametrize("pause", [0.1, 0.3, 0.6])
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
