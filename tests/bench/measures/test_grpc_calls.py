"""What gRPC costs, measured with a real server on tiny data."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.measures import grpc_calls
from bench.recorded import tables


def test_the_share_kept_is_paired_by_round():
    assert grpc_calls.kept([1.0, 2.0, 3.0], [2.0, 2.0, 4.0]) == {
        "median": 0.75,
        "low": 0.5,
        "high": 1.0,
    }


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_a_run_records_every_way_to_call(
    tmp_path, clustered, monkeypatch, capsys, transport
):
    monkeypatch.setattr(grpc_calls, "QUERIES", 64)
    np.save(tmp_path / "base.npy", clustered(900, 8, seed=1))
    np.save(tmp_path / "queries.npy", clustered(40, 8, seed=1)[:40])
    (tmp_path / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    out = tmp_path / "out" / "grpc.json"
    line = f"grpc --data {tmp_path} --sizes 8 24 --callers 1 3 --rounds 2 --ids string"
    line += f" --transport {transport}"
    arguments = make_parser().parse_args([*line.split(), "--out", str(out)])
    assert arguments.run(arguments) == 0
    result = json.loads(out.read_text())
    assert result["same_answers"]
    assert result["transport"] == transport
    assert [one["queries"] for one in result["calls"]] == [64, 48]
    for calls in result["calls"]:
        assert list(calls["remote_seconds"]) == ["1", "3"]
        for way, seconds in calls["remote_seconds"].items():
            assert len(seconds) == len(calls["local_seconds"]) == 2
            assert calls["kept"][way] == grpc_calls.kept(
                calls["local_seconds"], seconds
            )
    for key in ("machine", "versions", "commit", "seed", "threads", "load_at_start"):
        assert key in result
    table = capsys.readouterr().out
    assert "| 24 | 3 |" in table
    assert f"over {'TCP' if transport == 'tcp' else 'a socket file'}" in table
    assert "differ" not in table
    assert dict(tables({"grpc": result}))["grpc"] in table
