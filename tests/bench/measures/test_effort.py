"""`bench.measures.effort`: sides alternate, and a run is recorded."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures.effort import effort_table, paired
from gleann.index.engines.native import available


def test_sides_alternate():
    calls = []
    times = paired(lambda: calls.append("a"), lambda: calls.append("b"), rounds=4)
    assert times.shape == (4, 2)
    assert (times > 0).all()
    # One round to warm up, and who begins changes.
    assert calls == list("abbaabbaab")


@pytest.mark.slow
def test_a_run_is_recorded(tmp_path, capsys):
    if not available():
        pytest.skip("the native kernels are not built")
    rng = np.random.default_rng(2)
    centres = 2 * rng.normal(size=(150, 64))

    def draw(count):
        tight = centres[rng.integers(150, size=count // 2)]
        tight = tight + 0.5 * rng.normal(size=tight.shape)
        spread = 1.5 * rng.normal(size=(count - count // 2, 64))
        return np.concatenate([tight, spread]).astype(np.float32)

    base, queries = draw(30_000), draw(400)
    apart = np.stack([np.square(base - query).sum(axis=1) for query in queries])
    np.save(tmp_path / "base.npy", base)
    np.save(tmp_path / "queries.npy", queries)
    np.save(tmp_path / "gt100.npy", np.argsort(apart, axis=1)[:, :100])
    (tmp_path / "meta.json").write_text('{"name": "mixed", "metric": "l2"}')
    out = tmp_path / "out.json"
    line = f"effort --data {tmp_path} --rounds 3 --batch 150 --out {out}"
    arguments = make_parser().parse_args(line.split())
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    assert result["settings"] > 0
    assert result["queries"] == 400
    for level in result["levels"]:
        plain = level["plain"]
        assert level["recall"] >= level["level"]
        assert plain["recall"] >= level["recall"] - 0.0003
        ratio = plain["entries_at_recall"] / level["entries"]
        assert level["fewer_entries"] == ratio
        assert ratio > 1
        assert len(level["seconds"]) == 3
    assert result["levels"]
    assert effort_table(result) in capsys.readouterr().out
