"""The light simulation of estimates against the sessions it stands for."""

import sys

import numpy as np
import pytest

from bench.selection.estimate import (
    METHODS,
    STOP_PLAN,
    default_out,
    main,
    summarise,
)
from bench.selection.trials.populations import Population, draw_values
from bench.selection.trials.simulate import abae, ours, uniform
from gleann.selection import EstimateParams, abae_estimate, uniform_estimate
from gleann.selection.estimate import Estimate, estimate


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    proxy = rng.beta(0.15, 0.9, size=1500)
    held = rng.random(1500) < proxy
    values = draw_values(proxy, held, kind="correlated")
    return Population(name="made", proxy=proxy, held=held, values=values)


@pytest.mark.parametrize(
    ("simulated", "real"),
    [(ours, estimate), (uniform, uniform_estimate), (abae, abae_estimate)],
)
@pytest.mark.parametrize("target", ["count", "avg"])
def test_a_simulated_trial_is_distributed_as_a_real_one(
    simulated, real, target, people
):
    params = EstimateParams(target=target, budget=250)
    trial = simulated(people, params)

    def oracle(ids):
        return people.held[ids], people.values[ids]

    light = [trial(seed) for seed in range(60)]
    full = [
        real(people.proxy, oracle, EstimateParams(target=target, budget=250, seed=seed))
        for seed in range(1000, 1060)
    ]
    for read in (
        lambda made: made.value,
        lambda made: made.high - made.low,
        lambda made: made.by_stratum[-1].labelled,
        lambda made: made.positives,
    ):
        a, b = np.array([read(one) for one in light]), np.array([read(o) for o in full])
        error = np.hypot(a.std(), b.std()) / np.sqrt(60)
        assert abs(a.mean() - b.mean()) <= 4 * error + 1e-9
    assert [s.size for s in light[0].by_stratum] == [s.size for s in full[0].by_stratum]
    assert {made.labels_used for made in light} == {250}


def test_a_simulated_trial_stops_as_a_session_does(people):
    params = EstimateParams(budget=1200, stop_at_relative_width=0.5, **STOP_PLAN)
    trial = ours(people, params)
    light = [trial(seed).labels_used for seed in range(20)]
    full = [
        estimate(
            people.proxy,
            lambda ids: (people.held[ids], None),
            EstimateParams(
                budget=1200, stop_at_relative_width=0.5, seed=seed, **STOP_PLAN
            ),
        ).labels_used
        for seed in range(20)
    ]
    assert set(light) & set(full)
    assert np.mean(light) == pytest.approx(np.mean(full), rel=0.15)
    assert max(light) < 1200


def test_a_summary_by_hand():
    def made(value, low, high):
        return Estimate(
            target="count", value=value, low=low, high=high, confidence=0.95,
            labels_used=10, positives=1, by_stratum=(), note="",
        )  # fmt: skip

    row = summarise(
        [made(8.0, 6.0, 9.0), made(14.0, 9.0, 16.0), made(None, None, None)], 10.0
    )
    assert row["rmse"] == pytest.approx(np.sqrt((4 + 16) / 2) / 10, abs=1e-5)
    assert row["bias_over_rmse"] == pytest.approx(1 / np.sqrt(10), abs=1e-5)
    assert (row["coverage"], row["undefined"], row["without_interval"]) == (0.5, 1, 1)
    assert row["width"] == 0.5


def test_values_have_the_correlation_they_claim(people):
    inside = np.clip(people.proxy, 1e-9, 1 - 1e-9)
    odds = np.log(inside / (1 - inside))
    found = np.corrcoef(odds[people.held], people.values[people.held])[0, 1]
    assert found == pytest.approx(0.8, abs=0.06)
    free = draw_values(people.proxy, people.held, kind="independent")
    assert abs(np.corrcoef(odds, free)[0, 1]) < 0.1
    assert set(METHODS) >= {"uniform", "ABae as written", "sqrt_mass, 5"}


def test_a_quick_run_does_not_overwrite_the_recorded_result():
    assert default_out(quick=False).parent.name == "results"
    assert default_out(quick=True).parent != default_out(quick=False).parent


def test_missing_data_is_an_exit_status(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["estimate", "--data", str(tmp_path)])
    assert main() == 2
    assert "supg.npz is not there" in capsys.readouterr().err
