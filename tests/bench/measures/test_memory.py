"""`python -m bench memory` on a small folder: every layout, and its table."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures.memory import HALF, LAYOUTS, memory_table, spread
from gleann.index.engines import native
from tests.support.keeps import rows_of


@pytest.mark.slow
@pytest.mark.skipif(not native.available(), reason=native.unavailable_reason())
def test_every_layout_is_measured_at_every_recall(tmp_path: Path) -> None:
    rows = rows_of(3000)
    np.save(tmp_path / "base.npy", rows)
    np.save(tmp_path / "queries.npy", rows_of(220, seed=6))
    (tmp_path / "meta.json").write_text(json.dumps({"metric": "l2"}))
    out = tmp_path / "out.json"
    given = ["memory", "--data", str(tmp_path), "--rounds", "2", "--out", str(out)]
    args = make_parser().parse_args([*given, "--recall", "0.9"])
    assert args.run(args) == 0
    result = json.loads(out.read_text())
    found = {row["layout"]: row for row in result["rows"]}
    assert set(found) == {*LAYOUTS, *HALF, "disk, none", "half, disk, none"}
    assert all(row["found"] >= 0.88 for row in found.values())
    assert found["f32"]["batch"] == "1.00 (1.00..1.00)"
    dim = rows.shape[1]
    apart = found["f32"]["bytes_a_row"] - found["disk"]["bytes_a_row"]
    assert apart == pytest.approx(4 * dim, abs=0.2)
    assert found["disk, shared"]["bytes_a_row"] < found["disk"]["bytes_a_row"]
    assert len(memory_table(result).splitlines()) == 2 + len(found)


def test_a_ratio_is_that_of_each_round() -> None:
    assert spread([1.0, 2.0, 9.0], [1.0, 1.0, 3.0]) == "2.00 (1.00..3.00)"
