"""Measures of the benches that need a Ray run, and have their tables."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.cluster import transport_part
from bench.cluster.transport_part import run_transport, transport_table

if TYPE_CHECKING:
    from gleann.service.cluster.session import Cluster


def test_messages_and_merge_are_measured(
    cluster: "Cluster", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_part, "QUICK_ROWS", 300)
    monkeypatch.setattr(transport_part, "TUNED", 50)
    monkeypatch.setattr(transport_part, "RECALLS", (0.9, 0.95))
    result = run_transport(Namespace(quick=True, folder=tmp_path))
    measured = result["recalls"]
    assert [one["recall"] for one in measured] == [0.9, 0.95]
    for name in ("one_core", "cluster", "besides"):
        assert all(one[name] > 0 for one in measured)
    assert "1,000 queries of 5 shards of 300 x 96" in transport_table(result)
