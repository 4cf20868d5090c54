"""`python -m bench scale` at toy size: parts, resumption, failure of one engine."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.scale.engines import lists_of
from bench.scale.scale_table import scale_table

faiss = pytest.importorskip("faiss")


@pytest.fixture
def run(tmp_path):
    def run_line(line: str) -> dict:
        out = tmp_path / "out.json"
        given = f"scale --folder {tmp_path / 'big'} --out {out} --rows 4000 --dim 12"
        small = "--intrinsic 4 --queries 50 --batch 80 --rounds 2 --threads 1"
        words = [*given.split(), *small.split(), *line.split()]
        args = make_parser().parse_args(words)
        assert args.run(args) == 0
        return json.loads(out.read_text())

    return run_line


@pytest.mark.slow
def test_parts_are_done_one_by_one_and_not_again(run, capsys) -> None:
    # Nothing is built yet: the table has a head and no engine.
    assert list(run("--parts generate truth")["parts"]) == ["generate", "truth"]
    first = run("--engines gleann faiss:40 --parts generate truth build")
    assert list(first["parts"]) == [
        "generate",
        "truth",
        "build-gleann",
        "build-faiss:40",
    ]
    result = run("--engines gleann faiss:40")
    assert {k: result["parts"][k] for k in first["parts"]} == first["parts"]
    for name in ("gleann", "faiss:40"):
        best = result["parts"][f"tune-{name}"]["best"]
        assert best["recall"] >= 0.95
        assert result["parts"]["compare"]["recall"][name] == best["recall"]
        assert result["parts"][f"tune-{name}"]["opened_bytes"] > 10e6
    assert len(result["parts"]["compare"]["rounds"]) == 2
    table = scale_table(result)
    assert table in capsys.readouterr().out
    assert table.count("\n| ") == 4  # head, rule, two engines
    ratios = [
        one["gleann"]["qps"] / one["faiss:40"]["qps"]
        for one in result["parts"]["compare"]["rounds"]
    ]
    assert f"{np.median(ratios):.2f}x" in table


@pytest.mark.slow
def test_an_engine_that_is_not_there_fails_alone_and_is_tried_again(
    run, monkeypatch
) -> None:
    monkeypatch.setitem(
        __import__("bench.scale.engines").scale.engines.MODULES, "scann", "no.such"
    )
    result = run("--engines gleann scann --parts build tune compare")
    parts = result["parts"]
    assert "failure" in parts["build-scann"]
    assert "failure" in parts["tune-scann"]
    assert list(parts["compare"]["recall"]) == ["gleann"]
    assert "- build-scann failed" in scale_table(result)
    assert (
        run("--engines gleann scann --parts build")["parts"]["build-gleann"]
        == (parts["build-gleann"])
    )


def test_lists_of_an_engine() -> None:
    assert lists_of("gleann", 10**6) == 0
    assert lists_of("gleann:500", 10**6) == 500
    assert lists_of("scann", 10**6) == 2000
    assert lists_of("faiss:77", 10**6) == 77
