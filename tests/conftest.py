"""Fixtures that all tests share: seeded clustered data, real data sets, engines."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from threading import enumerate as enumerate_threads
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

from gleann.index import recall_at_k
from gleann.index.engines import native

ROOT = Path(__file__).resolve().parent.parent


def _reach_this_machine_without_a_proxy() -> None:
    """Servers of tests are on this machine, wherever a proxy leads."""
    for name in ("no_proxy", "NO_PROXY"):
        others = os.environ.get(name)
        here = "127.0.0.1,localhost,::1"
        os.environ[name] = f"{others},{here}" if others else here


_reach_this_machine_without_a_proxy()

ENGINES: list[Any] = ["reference", "faiss"]
ENGINES += [f"native/{tier}" for tier in native.tiers()]
if native.available() and "native/amx" not in ENGINES:
    ENGINES.append("native/amx-emulated")


def _without(name: str, *, absent: bool, reason: str) -> Any:
    return pytest.param(name, marks=pytest.mark.skipif(absent, reason=reason))


NO_TORCH = not find_spec("torch")
NO_GPU = NO_TORCH or not find_spec("triton") or not Path("/dev/nvidia0").exists()
if os.environ.get("GLEANN_REQUIRE_GPU") == "1":
    # Where a GPU is what is tested, a test without one fails.
    NO_TORCH = NO_GPU = False

ENGINES += [
    _without("torch", absent=NO_TORCH, reason="needs torch (make test-kernels)"),
    _without("triton", absent=NO_GPU, reason="needs a CUDA device, torch and triton"),
]


def make_clustered(
    n: int, d: int, *, seed: int, clusters: int = 24, spread: float = 0.6
) -> np.ndarray:
    """Rows around a few centres: uniform noise has no lists worth probing."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, d))
    rows = centres[rng.integers(clusters, size=n)]
    return (rows + spread * rng.normal(size=(n, d))).astype(np.float32)


def _at_work() -> set[Thread]:
    """Threads of gleann, but for the one of the process that assigns newer rows."""
    ours = {one for one in enumerate_threads() if one.name.startswith("gleann-")}
    return {one for one in ours if not one.name.startswith("gleann-assign")}


@pytest.fixture(scope="module", autouse=True)
def nothing_goes_on() -> Iterator[None]:
    """Threads of servers and open directories end with the module that began them.

    Else they would go on beside the tests of other modules, and be seen there.
    """
    before = _at_work()
    yield
    ends = monotonic() + 60
    while (left := _at_work() - before) and monotonic() < ends:
        sleep(0.05)
    names = sorted(thread.name for thread in left)
    assert not names, f"threads that this module began and did not end: {names}"


@pytest.fixture(scope="module")
def mixed() -> Callable[[int], np.ndarray]:
    """Draws rows (count, 64), others each time: half in tight groups, half spread."""
    rng = np.random.default_rng(2)
    centres = 2 * rng.normal(size=(150, 64))

    def draw(count: int) -> np.ndarray:
        tight = centres[rng.integers(150, size=count // 2)]
        tight = tight + 0.5 * rng.normal(size=tight.shape)
        spread = 1.5 * rng.normal(size=(count - count // 2, 64))
        return np.concatenate([tight, spread]).astype(np.float32)

    return draw


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what takes minutes, unless a marker expression speaks of it."""
    if "long" in config.getoption("-m"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture
def clustered() -> Callable[..., np.ndarray]:
    return make_clustered


@pytest.fixture
def assert_recall() -> Callable[..., None]:
    def check(found: np.ndarray, exact: np.ndarray, *, at_least: float) -> None:
        got = recall_at_k(found, exact)
        k = exact.shape[1]
        assert got >= at_least, f"recall@{k} is {got:.4f}, wanted {at_least}"

    return check


@dataclass(frozen=True)
class Dataset:
    name: str
    metric: Any
    base: np.ndarray
    queries: np.ndarray
    truth: np.ndarray


@pytest.fixture
def load_dataset() -> Callable[[str], Dataset]:
    """Load a real data set, or skip with the reason."""

    def load(name: str) -> Dataset:
        root = Path(os.environ.get("GLEANN_DATA", ROOT.parent / "shared" / "data"))
        folder = root / name
        if not (folder / "meta.json").exists():
            pytest.skip(f"no data set {name} (GLEANN_DATA points at no folder with it)")
        meta = json.loads((folder / "meta.json").read_text())
        return Dataset(
            name=name,
            metric=meta["metric"],
            base=np.load(folder / "base.npy", mmap_mode="r"),
            queries=np.load(folder / "queries.npy", mmap_mode="r"),
            truth=np.load(folder / "gt100.npy"),
        )

    return load


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each engine, and each native tier this CPU can run; returns the engine's name."""
    name, _, tier = request.param.partition("/")
    if tier:
        monkeypatch.setenv("GLEANN_NATIVE_TIER", tier)
    return name
