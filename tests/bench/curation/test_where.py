"""The part `where` of `python -m bench curation`."""

import argparse

import numpy as np
import pytest

from bench.curation import where
from bench.curation.where_methods import METHODS, Method, Side
from bench.selection.trials.concepts import digits


@pytest.mark.slow
def test_filters_are_compared_with_copies(tmp_path):
    arguments = argparse.Namespace(data=tmp_path, quick=True, seed=0)
    (result,) = where.run(arguments)
    assert result.name == "digits"
    lines = {one["method"]: one for one in result.values["lines"]}
    assert list(lines) == [method.name for method in METHODS]
    for name, line in lines.items():
        assert line["share"] == 0.5
        assert line["answers"] > 2, name
        if line["same"] is not None:
            assert line["same"] == 1, name
        if line["recall"] is not None:
            assert line["recall"] > line["recall_of_copy"] - 0.005, name
    shown = where.show(result.values)
    assert "| method | 50% (" in shown
    assert "| hard negatives: pairs | " in shown


@pytest.mark.slow
@pytest.mark.parametrize("by_lists", [False, True])
def test_a_filter_that_is_forgotten_is_seen(tmp_path, by_lists):
    """Answers about all rows are not those about the rows that pass."""
    data = digits()
    mask = np.random.default_rng(0).random(len(data.base)) < 0.5
    ids = np.arange(len(data.base))
    if by_lists:
        path = tmp_path / "copy"
        whole, copy = where.sides_in_the_same_lists(data, ids, mask, path)
    else:
        whole, copy = where.sides(data, ids, mask)
    everything = Side.of(
        whole.index, data, other=whole.other, mask=np.ones(len(mask), bool)
    )
    methods = [one for one in METHODS if one.by_lists == by_lists]
    assert methods
    for method in methods:
        found = where.compared(method, everything, copy)
        told = [found["same"], found["recall"]]
        assert min(one for one in told if one is not None) < 1, method.name


def test_agreement_counts_what_only_one_side_has():
    def answer(side, _everything):
        return frozenset((one,) for one in side)

    method = Method(name="m", answer=answer, searches=True)
    found = where.compared(method, [1, 2, 3, 4], [1, 2, 3])
    assert found == {
        "answers": 3,
        "same": 0.75,
        "recall": 1.0,
        "recall_of_copy": 1.0,
    }
    assert where.compared(method, [1, 2], [1, 2, 3, 4])["recall"] == 0.5
