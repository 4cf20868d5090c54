"""The defaults of active learning: the grid, the fit, the recorded files."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.records import RESULTS, read_results
from bench.selection import defaults, pools
from bench.selection.defaults import Setting
from bench.selection.notes import notes_of
from bench.selection.tables.defaults_table import defaults_table, summarised
from bench.selection.tables.pools_table import fitted, pools_table, size_of
from bench.selection.trials.concepts import digits, tuned_concepts, unseen_concepts
from bench.selection.trials.labelling import Ending
from gleann.selection import ActiveParams
from gleann.selection.active.pools import cost


def ending(ap: float) -> dict[str, Any]:
    return asdict(
        Ending(
            ap_pool=ap,
            ap_held_out=ap,
            recall=ap,
            looked_at=0.1,
            in_pool=None,
            labelled=500,
            seconds=1.0,
            cpu_seconds=0.8,
            rounds=16,
        )
    )


def test_a_rival_of_fewer_seeds_is_paired_with_the_first_ones():
    rows = {
        "global 25": [[ending(0.9), ending(0.7), ending(0.1)]] * 2,
        "seals 25/10": [[ending(0.8), ending(0.6)]] * 2,
    }
    settings = [Setting.named(name) for name in rows]
    best, rival = summarised(rows, settings)
    assert best["below_global"]["ap_pool"]["mean"] == 0
    assert rival["below_global"]["ap_pool"]["mean"] == pytest.approx(0.1)
    assert rival["seeds"] == 2
    assert rival["cpu_seconds_a_round"] == pytest.approx(0.05)


@pytest.mark.parametrize("name", ["global 25", "random 10", "classifier 25/10"])
def test_a_setting_is_read_from_its_name(name):
    assert Setting.named(name).name == name


def test_nothing_that_was_tuned_on_confirms():
    data = digits()
    tuned = tuned_concepts(data)
    unseen = unseen_concepts(data, count=99, tuned=tuned)
    assert len(tuned) == len(unseen) == 5
    assert not set(tuned) & set(unseen)


def test_a_killed_confirmation_ends_as_a_whole_one(tmp_path, monkeypatch):
    words = ["confirm", "--data", "digits", "--concepts", "1", "--seeds", "1",
             "--settings", "global 25", "seals 25/10"]  # fmt: skip
    args = defaults.add_arguments(defaults.argparse.ArgumentParser()).parse_args(words)
    whole = defaults.run(args, tmp_path / "whole.json")
    once = defaults.run_concept
    ran = []

    def dying(*given: Any, **named: Any) -> Ending:
        if ran:
            raise KeyboardInterrupt
        ran.append(named)
        return once(*given, **named)

    out = tmp_path / "killed.json"
    with monkeypatch.context() as patch:
        patch.setattr(defaults, "run_concept", dying)
        with pytest.raises(KeyboardInterrupt):
            defaults.run(args, out)
    assert notes_of(out).exists()
    again = defaults.run(args, out)
    assert again["resumed_after"] == 1
    for ours, theirs in zip(
        again["sets"][0]["summary"], whole["sets"][0]["summary"], strict=True
    ):
        assert ours["mean"] == theirs["mean"]
    assert "digits: 1,437 x 64, 1 concepts" in defaults_table(again)


def point(pool: str, rows: int, dim: int, sizes: tuple[int, int, int]) -> Any:
    batch, neighbours, concepts = sizes
    return {
        "data": "made",
        "rows": rows,
        "dim": dim,
        "pool": pool,
        "batch": batch,
        "neighbours": neighbours,
        "concepts": concepts,
        "looked_at": min(rows, neighbours * 300),
        "labelled": 500,
    }


def test_the_fit_finds_the_constants_that_made_the_seconds():
    near = (1500.0, 150.0, 50.0, 0.001, 0.002, 800.0, 0.001, 0.03)
    priced = {"global": ("global_work", (900.0, 0.3, 0.0004)),
              "classifier": ("neighbour_work", near)}  # fmt: skip
    # Dimensions, whether the classifier searches, and batch, neighbours, concepts.
    cells = [(64, True, (25, 5, 1)), (384, True, (25, 15, 3)), (99, True, (9, 50, 1)),
             (768, True, (100, 5, 2)), (384, False, (25, 15, 1)),
             (64, False, (9, 5, 2))]  # fmt: skip
    points = []
    for pool, (work, constants) in priced.items():
        other = "seals" if pool == "classifier" else pool
        for rows in (5_000, 20_000, 80_000, 300_000):
            for dim, searching, sizes in cells:
                kind = pool if searching else other
                one = point(kind, rows, dim, sizes)
                parts = getattr(size_of(one), work)
                spent = float(np.dot(parts, constants))
                points.append(one | {"cpu_ms_a_round": spent / 1e3})
    fit = fitted(points)
    assert fit["global"]["microseconds"] == pytest.approx(priced["global"][1], rel=0.01)
    found = fit["neighbours"]["microseconds"]
    assert found == pytest.approx(priced["classifier"][1], rel=0.01)
    assert fit["neighbours"]["largest_error"] < 0.01


def test_rounds_are_timed_without_training(monkeypatch):
    args = pools.add_arguments(pools.argparse.ArgumentParser()).parse_args([])
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(900, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = pools.concepts_of(vectors, count=3, seed=0)
    assert labels.sum(axis=0).tolist() == [10, 10, 10]
    index = pools.SoarIndex.build(vectors, pools.BuildParams(metric="cosine", nlist=8))
    # A clock that only runs while models are trained.
    clock = [0.0]
    fit = "gleann.selection.active.models.trained.FittedClassifier"

    def slow(*given: Any, **named: Any) -> Any:
        clock[0] += 1.0
        return fitted_classifier(*given, **named)

    from gleann.selection.active.models.classifier import (
        FittedClassifier as fitted_classifier,  # noqa: N813
    )

    monkeypatch.setattr(fit, slow)
    monkeypatch.setattr(pools, "process_time", lambda: clock[0])
    for cell in (pools.Cell(pool="classifier"), pools.Cell(pool="global", concepts=3)):
        made = pools.measure(index, labels, cell, args)
        assert clock[0] > 0
        assert made["cpu_ms_a_round"] == 0


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return read_results(Path(RESULTS))


def test_the_constants_are_those_that_were_fitted(recorded):
    fit = recorded["selection-pools"]["fit"]
    assert list(cost.GLOBAL_COSTS) == fit["global"]["microseconds"]
    assert list(cost.NEIGHBOUR_COSTS) == fit["neighbours"]["microseconds"]
    assert round(fit["distinct"], 2) == cost.DISTINCT


def test_auto_costs_no_more_than_all_rows_wherever_it_was_measured(recorded):
    result = recorded["selection-pools"]
    ratios = [
        float(line.split("|")[-2])
        for line in pools_table(result).splitlines()
        if line.startswith(("| wordnet", "| glove", "| sift"))
    ]
    assert len(ratios) >= 15
    assert max(ratios) <= 1.0
    assert min(ratios) < 0.5


def test_the_defaults_were_confirmed_on_classes_nobody_tuned_on(recorded):
    ours = ActiveParams()
    tuned = {one["name"]: one for one in recorded["selection-defaults-tune"]["sets"]}
    sets = recorded["selection-defaults-confirm"]["sets"]
    assert {"digits", "intents-384", "wordnet-384"} <= {one["name"] for one in sets}
    for one in sets:
        before = tuned[one["name"].partition(",")[0]]
        assert not set(one["concepts"]) & set(before["concepts"])
        name = f"classifier {ours.batch}/{ours.neighbours}"
        line = next(line for line in one["summary"] if line["setting"] == name)
        assert line["seeds"] == 5
        assert line["below_global"]["ap_pool"]["mean"] <= 0.02
        assert one["n"] < 75_000 or line["mean"]["looked_at"] <= 0.05
