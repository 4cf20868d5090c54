"""`bench.measures.effort`: sides alternate, and a run is recorded."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures.effort import effort_table, least_lists, paired
from gleann.index.engines.native import available


def test_sides_alternate():
    calls = []
    times = paired(lambda: calls.append("a"), lambda: calls.append("b"), rounds=4)
    assert times.shape == (4, 2)
    assert (times > 0).all()
    # One round to warm up, and who begins changes.
    assert calls == list("abbaabbaab")


@pytest.mark.parametrize("first", [1, 15, 60, 100])
def test_the_least_number_of_lists_is_found_from_wherever_it_begins(first):
    """Else an effort that saves nothing would be compared with too many lists."""

    def found(nprobe):
        return {"nprobe": nprobe, "recall": nprobe / 100, "entries": 10 * nprobe}

    least = least_lists(found, 0.2, first=first, nlist=100)
    assert least["nprobe"] == 20
    assert least["entries_at_recall"] == pytest.approx(200)


@pytest.mark.slow
def test_a_run_is_recorded(tmp_path, mixed, capsys):
    if not available():
        pytest.skip("the native kernels are not built")
    np.save(tmp_path / "base.npy", mixed(30_000))
    np.save(tmp_path / "queries.npy", mixed(400))
    (tmp_path / "meta.json").write_text('{"name": "mixed", "metric": "l2"}')
    out = tmp_path / "out.json"
    line = f"effort --data {tmp_path} --rounds 3 --batch 1 150 --out {out}"
    arguments = make_parser().parse_args(line.split())
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    assert result["settings"] > 0
    assert result["queries"] == 400
    assert [one["target"] for one in result["targets"]] == [0.95, 0.99]
    for one in result["targets"]:
        plain = one["plain"]
        assert one["recall_low"] >= one["target"]
        assert plain["recall"] >= one["recall"] - 0.0003
        assert one["fewer_entries"] == plain["entries_at_recall"] / one["entries"]
        assert [timed["batch"] for timed in one["times"]] == [1, 150]
        assert all(len(timed["seconds"]) == 3 for timed in one["times"])
    assert max(one["fewer_entries"] for one in result["targets"]) > 1.05
    assert effort_table(result) in capsys.readouterr().out
