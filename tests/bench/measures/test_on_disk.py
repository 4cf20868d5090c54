import json

import numpy as np

from bench.__main__ import make_parser
from bench.measures import on_disk


def test_peaks_of_every_phase(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(on_disk, "SAMPLE_SECONDS", 1e-4)
    line = "on-disk --rows 30000 --dim 8 --nlist 64"
    arguments = make_parser().parse_args(
        [*line.split(), "--folder", str(tmp_path), "--out", str(tmp_path / "o.json")]
    )
    assert arguments.run(arguments) == 0
    result = json.loads((tmp_path / "o.json").read_text())
    table = capsys.readouterr().out
    assert "30000 x 8 float32 (0.00 GB, l2), nlist 64" in table
    most = max(result["peak_anonymous_bytes"].values())
    assert f"| **most** | {most / 2**20:,.0f} |" in table
    assert result["data"] == {
        "n": 30_000,
        "dim": 8,
        "metric": "l2",
        "clusters": on_disk.CLUSTERS,
        "noise": on_disk.NOISE,
    }
    assert {"machine", "versions", "commit", "seed", "command"} <= result.keys()
    assert result["source_bytes"] == 30_000 * 8 * 4
    assert result["nlist"] == 64
    assert {"prepare", "train", "assign", "tune"} <= result[
        "peak_anonymous_bytes"
    ].keys()
    assert min(result["peak_anonymous_bytes"].values()) > 10e6
    assert [path.name for path in tmp_path.iterdir()] == ["o.json"]


def test_rows_are_the_seed_s(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        on_disk.write_rows(tmp_path / f"{name}.npy", (500, 4), seed=seed)
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()
