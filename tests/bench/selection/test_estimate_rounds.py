"""The cost of a round is measured on the command, run by run."""

import argparse

import numpy as np
import pytest

from bench.selection import estimate_rounds


def arguments(*words):
    return estimate_rounds.add_arguments(argparse.ArgumentParser()).parse_args(words)


def test_made_rows_are_the_same_each_time():
    one, two = (estimate_rounds.load("made-3000x4") for _ in range(2))
    assert one.vectors.shape == (3000, 4)
    assert one.vectors.tobytes() == two.vectors.tobytes()
    assert one.held.tolist() == two.held.tolist()
    assert np.linalg.norm(one.vectors, axis=1) == pytest.approx(np.ones(3000), abs=1e-5)
    assert 0 < one.held.sum() < 3000


@pytest.mark.slow
def test_every_run_is_timed_and_ends_in_the_estimate_of_a_replay():
    args = arguments("--budget", "60", "--representatives", "12")
    runs = estimate_rounds.measure("made-3000x4", 3, args)
    assert [run["run"] for run in runs] == ["0", "1", "2", "3", "4", "replay"]
    assert [run["exit"] for run in runs] == [3, 3, 3, 3, 0, 0]
    assert [run["labels_before"] for run in runs[:-1]] == [0, 12, 32, 52, 72]
    assert runs[-1]["same_estimate"]
    assert all(run["cpu_seconds"] > 0 for run in runs)
    result = {"runs": [{"data": "made", "rounds": 3, **run} for run in runs]}
    assert len(estimate_rounds.table(result).splitlines()) == 3
