"""Every method reports its progress, and measurements in parts are those at once."""

from typing import get_args

import numpy as np
import pytest

from gleann.selection.coreset import CoresetRequest, select
from gleann.selection.coreset.problem import Problem
from gleann.selection.coreset.select import MethodName

RNG = np.random.default_rng(4)
POINTS = np.round(RNG.normal(size=(700, 3)) * 2).astype(np.float32)
COSTS = RNG.random(700)


@pytest.mark.parametrize("method", get_args(MethodName))
@pytest.mark.parametrize("grouped", [False, True])
def test_every_method_reports_up_to_the_end(method, grouped):
    heard = []
    groups = np.arange(700) % 3 if grouped else None
    request = CoresetRequest(method=method, k=90, costs=COSTS, groups=groups)
    quiet = select(request, POINTS)
    told = select(request, POINTS, progress=heard.append)
    assert told.chosen.rows.tolist() == quiet.chosen.rows.tolist()
    ended = [one for one in heard if one.done == one.total]
    assert any((one.phase, one.total) == ("measure", 90) for one in ended) or (
        method in ("farthest_first", "weighted_k_center")
    )
    assert heard
    assert all(0 <= one.done <= one.total for one in heard)
    if method == "gist":
        assert "thresholds" in {one.phase for one in heard}


def test_an_exception_of_the_callback_stops_a_measurement():
    def stop(progress):
        raise TimeoutError(progress.phase)

    request = CoresetRequest(method="ccs", k=90, costs=COSTS)
    with pytest.raises(TimeoutError, match="measure"):
        select(request, POINTS, progress=stop)


def test_centres_added_in_parts_measure_as_those_added_at_once(monkeypatch):
    # Many rows coincide: ties go to the earlier centre.
    problem = Problem.of(POINTS, k=600, locked=[3, 5])
    rows = np.setdiff1d(np.arange(700), [3, 5])[:600]
    parts = problem.measure(rows, method="given")
    at = "gleann.selection.coreset.problem.MEASURED_AT_ONCE"
    monkeypatch.setattr(at, 10_000)
    whole = problem.measure(rows, method="given")
    assert parts.nearest.tolist() == whole.nearest.tolist()
    assert parts.distances.tobytes() == whole.distances.tobytes()
