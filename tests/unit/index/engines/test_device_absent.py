"""What the torch and triton engines say where they cannot work."""

import sys

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.engines.choose import best_engine
from gleann.index.errors import EngineUnavailableError


@pytest.fixture
def rows():
    return np.eye(8, dtype=np.float32)


@pytest.mark.parametrize("engine", ["torch", "triton"])
def test_missing_torch_is_said_plainly(monkeypatch, rows, engine):
    monkeypatch.setitem(sys.modules, "torch", None)
    params = BuildParams(nlist=1, tune_queries=0)
    with pytest.raises(EngineUnavailableError, match=r"torch is not.*install torch"):
        SoarIndex.build(rows, params, engine=engine)


def test_missing_triton_is_said_plainly(monkeypatch, rows):
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setitem(sys.modules, "triton", None)
    params = BuildParams(nlist=1, tune_queries=0)
    with pytest.raises(EngineUnavailableError, match=r"triton is not.*install torch"):
        SoarIndex.build(rows, params, engine="triton")


def test_the_triton_engine_wants_a_gpu(rows):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("triton", reason="triton is not installed")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    params = BuildParams(nlist=1, tune_queries=0)
    with pytest.raises(EngineUnavailableError, match="sees 0 CUDA devices"):
        SoarIndex.build(rows, params, engine="triton")


def test_auto_never_takes_them():
    assert best_engine()[0] in {"native", "faiss", "reference"}
