"""`python -m bench growth` at toy size: cells are written one by one and resumed."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.scale import growth
from bench.scale.growth_table import growth_table
from gleann.index import SoarIndex


@pytest.fixture
def run(tmp_path):
    def run_line(line: str) -> dict:
        out = tmp_path / "out.json"
        given = f"growth --folder {tmp_path / 'big'} --out {out} --queries 60"
        args = make_parser().parse_args([*given.split(), *line.split()])
        assert args.run(args) == 0
        return json.loads(out.read_text())

    return run_line


SMALL = "--intrinsic 3 --dim 12 --rows 2000 4000 --rounds 1"


@pytest.mark.slow
def test_cells_are_measured_and_their_files_removed(run, tmp_path, capsys) -> None:
    result = run(SMALL)
    assert list(result["cells"]) == ["m3/2000", "m3/4000"]
    assert {"machine", "versions", "commit", "command"} <= result.keys()
    for cell in result["cells"].values():
        assert set(cell) == {"truth", "build", "search"}
        assert 2 < cell["truth"]["two_nn"] < 4
        assert 2 < cell["truth"]["two_nn_before"] < 4
        assert {"train", "assign", "tune"} <= cell["build"]["phases"].keys()
        assert sum(cell["build"]["phases"].values()) <= cell["build"]["seconds"] + 0.1
        assert cell["build"]["peak_anonymous_bytes"] > 10e6
        for at in cell["search"]["levels"]:
            assert at["least"]["recall"] >= at["asked"] - 1e-9
            assert 0 < at["entries"] <= at["least"]["entries"]
            assert at["qps"] > 0
        assert cell["search"]["bytes_a_row"]["codes"] >= 12
    assert growth_table(result) in capsys.readouterr().out
    assert list((tmp_path / "big").iterdir()) == []


@pytest.mark.slow
def test_a_rerun_goes_on_with_what_is_missing(run, monkeypatch) -> None:
    first = run(f"{SMALL} --parts truth build --keep")
    assert set(first["cells"]["m3/2000"]) == {"truth", "build"}
    calls = []
    real = growth.in_fresh_process
    monkeypatch.setattr(
        growth,
        "in_fresh_process",
        lambda work, *given: calls.append(work.__name__) or real(work, *given),
    )
    second = run(SMALL)
    assert calls == ["search", "search"]  # nothing was built again
    for key, cell in first["cells"].items():
        assert second["cells"][key]["build"] == cell["build"]
    assert run(SMALL) == second
    assert calls == ["search", "search"]
    more = run(f"{SMALL} --recall 0.9")  # another question is another result
    assert [at["asked"] for at in more["cells"]["m3/2000"]["search"]["levels"]] == [0.9]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "params"),
    [
        ("--spill none", {"spill": "none", "seed": 0}),
        ("--seed 3", {"spill": "soar", "seed": 3}),
        ("--queries 70", {"spill": "soar", "seed": 0}),
    ],
)
def test_an_index_of_other_settings_is_not_searched(
    run, tmp_path, monkeypatch, other, params
) -> None:
    one = "--intrinsic 3 --dim 12 --rows 2000 --rounds 1 --keep --spill soar"
    run(f"{one} --parts truth build")
    calls = []
    real = growth.in_fresh_process
    monkeypatch.setattr(
        growth,
        "in_fresh_process",
        lambda work, *given: calls.append(work.__name__) or real(work, *given),
    )
    run(f"{one} {other} --parts search")
    assert calls == ["build", "search"]
    built = SoarIndex.load(tmp_path / "big" / "m3" / "index-2000")
    assert (built.params.spill, built.params.seed) == (params["spill"], params["seed"])
    run(f"{one} {other} --parts search")
    assert calls == ["build", "search"]  # it is in the result
    (tmp_path / "out.json").unlink()
    run(f"{one} {other} --parts search")
    assert calls == ["build", "search", "search"]


@pytest.mark.slow
def test_a_real_set_ends_at_its_own_rows(run, tmp_path, clustered) -> None:
    data = tmp_path / "tiny"
    data.mkdir()
    rows = clustered(3000, 8, seed=1)
    np.save(data / "base.npy", rows[:2800])
    np.save(data / "queries.npy", rows[2800:])
    (data / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    result = run(f"--intrinsic --data {data} --rows 1000 9000 --rounds 1")
    assert list(result["cells"]) == ["tiny/1000", "tiny/2800"]
    assert "two_nn_before" not in result["cells"]["tiny/1000"]["truth"]


def test_a_data_set_is_neither_written_over_nor_removed(tmp_path, clustered) -> None:
    """Where the folder for what is made is the one that holds the data set."""
    data = tmp_path / "tiny"
    data.mkdir()
    np.save(data / "base.npy", clustered(300, 8, seed=1))
    np.save(data / "queries.npy", clustered(90, 8, seed=2))
    (data / "meta.json").write_text('{"name": "tiny", "metric": "l2"}')
    before = {file.name: file.read_bytes() for file in data.iterdir()}
    line = f"growth --folder {tmp_path} --out {tmp_path / 'out.json'} --queries 60"
    given = f"{line} --intrinsic --data {data} --rows 200 --parts truth"
    args = make_parser().parse_args(given.split())
    with pytest.raises(SystemExit, match="the data themselves"):
        args.run(args)
    assert {file.name: file.read_bytes() for file in data.iterdir()} == before
