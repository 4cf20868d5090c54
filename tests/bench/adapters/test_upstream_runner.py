"""The ann-benchmarks class under upstream's own runner, where a checkout is given.

GLEANN_ANN_BENCHMARKS names the folder of a checkout. Its runner imports docker and
ansicolors, and with `--local` needs no Docker.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import exact_search

CHECKOUT = os.environ.get("GLEANN_ANN_BENCHMARKS", "")
FOLDER = Path(__file__).resolve().parents[3] / "bench" / "adapters" / "ann_benchmarks"
NEEDED = ("docker", "colors", "h5py", "yaml", "psutil")
MISSING = [name for name in NEEDED if not find_spec(name)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHECKOUT, reason="GLEANN_ANN_BENCHMARKS names no checkout"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

NAME = "random-xs-20-angular"
"""A data set that upstream knows; a file of that name is not made anew."""


@pytest.fixture
def home(tmp_path, clustered):
    """A copy of the checkout with our folder, and a small file of data."""
    import h5py

    for part in ("ann_benchmarks", "run.py", "logging.conf"):
        source = Path(CHECKOUT) / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / part)
    ours = tmp_path / "ann_benchmarks" / "algorithms" / "gleann"
    shutil.copytree(FOLDER, ours)
    train, test = clustered(2000, 20, seed=3), clustered(40, 20, seed=4)
    rows, near = exact_search(test, train, metric="cosine", k=100)
    (tmp_path / "data").mkdir()
    with h5py.File(tmp_path / "data" / f"{NAME}.hdf5", "w") as file:
        file.attrs.update(
            type="dense", distance="angular", dimension=20, point_type="float"
        )
        file["train"], file["test"] = train, test
        file["neighbors"], file["distances"] = rows.astype(np.int32), near
    return tmp_path


def run(home, folder, *options):
    """The result files of a run; up to three runs.

    Its worker asks whether the queue is empty before the queue has been filled, and may
    end with nothing done.
    """
    for _ in range(3):
        done = subprocess.run(
            [
                *(sys.executable, "run.py", "--local", "--algorithm", "gleann"),
                *("--dataset", NAME, "--runs", "1", *options),
            ],
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(Path(gleann.__file__).parents[1])},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        if files := sorted((home / "results" / NAME / "10" / folder).glob("*.hdf5")):
            return files
    pytest.fail(f"no results in three runs: {done.stdout[-2000:]}")


@pytest.mark.parametrize("batch", [False, True])
def test_its_runner_builds_searches_and_stores_results(home, batch):
    import h5py

    options = ["--batch"] if batch else []
    files = run(home, "gleann-batch" if batch else "gleann", *options)
    assert len(files) == 2 * 2 * 16 * 3
    with h5py.File(home / "data" / f"{NAME}.hdf5") as file:
        true = file["neighbors"][:, :10]
    recalls = []
    for path in files:
        with h5py.File(path) as file:
            found = file["neighbors"][:]
            recalls.append((found[:, :, None] == true[:, None, :]).any(axis=2).mean())
            assert file.attrs["algo"] == "gleann"
            assert file.attrs["batch_mode"] == batch
    assert max(recalls) == 1.0
    assert min(recalls) < 0.9
