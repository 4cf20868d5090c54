"""The bench of rounds: its summary by hand, and a small run that goes on."""

import argparse
import json

import numpy as np
import pytest

from bench.selection import rounds
from bench.selection.notes import notes_of
from bench.selection.tables.rounds_tables import rounds_tables, shown_places, summarise
from bench.selection.trials.rounds_curves import VARIANTS
from bench.selection.trials.rounds_pools import load_pool


def curves_of(accuracies):
    """Curves of three points by picker: one list of accuracies a seed."""
    return [
        {
            "picker": name,
            "seed": seed,
            "labelled": [10, 20, 30],
            "accuracy": accuracy,
            "cpu_seconds_a_round": 0.5,
        }
        for name, seeds in accuracies.items()
        for seed, accuracy in enumerate(seeds)
    ]


def test_gains_are_paired_by_seed():
    lines = summarise(
        curves_of(
            {
                "random": [[0.1, 0.5, 0.6], [0.2, 0.3, 0.4], [0.3, 0.4, 0.5]],
                "margin": [[0.1, 0.6, 0.8], [0.2, 0.4, 0.6], [0.3, 0.5, 0.7]],
            }
        )
    )
    random, margin = lines
    assert random["gain"] == [0, 0, 0, 0]
    # The last number is the mean of 20 and 30 labels: the start does not count.
    assert margin["gain"] == pytest.approx([0, 0.1, 0.2, 0.15])
    assert margin["gain_half"] == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert margin["accuracy"] == pytest.approx([0.2, 0.5, 0.7, 0.6])


def test_the_half_width_is_students():
    gains = np.array([0.0, 0.1, 0.2])
    lines = summarise(
        curves_of(
            {
                "random": [[0.1, 0.5, 0.5]] * 3,
                "margin": [[0.1, 0.5, 0.5 + gain] for gain in gains],
            }
        )
    )
    half = 4.303 * gains.std(ddof=1) / np.sqrt(3)
    assert lines[1]["gain_half"][2] == pytest.approx(half, abs=1e-5)


def test_four_sizes_are_shown():
    assert shown_places(10) == [1, 2, 4, 9]
    assert shown_places(4) == [1, 2, 3]


def test_digits_are_split_without_overlap():
    arguments = argparse.Namespace(classes=60, rows=10_000, quick=False)
    pool = load_pool("digits", arguments)
    assert (len(pool.vectors), len(pool.test_vectors)) == (1198, 599)
    assert pool.classes == 10
    cut = argparse.Namespace(classes=4, rows=100, quick=False)
    small = load_pool("digits", cut)
    assert (len(small.vectors), small.classes) == (100, 4)
    assert set(small.test_labels) == set(small.labels)


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path, monkeypatch, capsys):
    out = tmp_path / "rounds.json"
    words = ["rounds", "--data", "digits", "--quick", "--rounds", "2", "--seeds", "3",
             "--out", str(out)]  # fmt: skip
    monkeypatch.setattr("sys.argv", words)
    drawn = []
    real = rounds.draw_curve

    def killed(pool, name, **rest):
        if len(drawn) == 4:
            raise KeyboardInterrupt
        drawn.append((rest["seed"], name))
        return real(pool, name, **rest)

    monkeypatch.setattr(rounds, "draw_curve", killed)
    with pytest.raises(KeyboardInterrupt):
        rounds.main()
    monkeypatch.setattr(
        rounds,
        "draw_curve",
        lambda pool, name, **rest: (
            drawn.append((rest["seed"], name)) or real(pool, name, **rest)
        ),
    )
    assert rounds.main() == 0
    result = json.loads(out.read_text())
    assert result["resumed_after"] == 4
    assert len(drawn) == len(set(drawn)) == 3 * len(VARIANTS)
    assert not notes_of(out).exists()
    (digits,) = result["sets"]
    first = {
        (curve["seed"], curve["accuracy"][0], tuple(curve["labelled"]))
        for curve in digits["curves"]
    }
    assert len(first) == 3  # all pickers of a seed begin alike
    assert rounds_tables(result) in capsys.readouterr().out
