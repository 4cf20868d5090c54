"""The policy, by a table of states; and its sentences, which have the numbers."""

from dataclasses import replace

import pytest

from gleann.index.errors import InvalidParamsError
from gleann.service.optimizer.policy import (
    Measured,
    decide,
    kind_wanted,
    waiting_time,
)
from gleann.service.optimizer_params import OPTIMIZER_DEFAULTS, OptimizerParams

PARAMS = OPTIMIZER_DEFAULTS
WHOLE = Measured(
    rows=100_000, sealed=100_000, nlist=1265, trained=100_000, age=1000, since=1000
)


def state(**changes: object) -> Measured:
    return replace(WHOLE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "kind", "says"),
    [
        (state(), "none", "0 of 100,000"),
        (state(rows=0, sealed=0), "none", "empty"),
        (state(rows=0, sealed=9, removed=9), "rebuild", "all of its 9 vectors"),
        # Newer rows: a share, and a floor.
        (state(rows=104_000, pending=4_000), "none", "4,000 of 104,000"),
        (state(rows=105_000, pending=5_000), "none", "(4.8%)"),
        (state(rows=105_500, pending=5_500), "fold", "at least 5.0% are newer"),
        (state(rows=20_000, sealed=18_000, pending=4_999, trained=18_000), "none", ""),
        # Removed rows likewise.
        (state(rows=81_000, removed=19_000), "none", "19,000 of its 100,000"),
        (state(rows=80_000, removed=20_000), "fold", "at least 20.0% were removed"),
        (
            state(rows=6_000, sealed=8_000, removed=2_000, trained=8_000, nlist=100),
            "none",
            "",
        ),
        # Payload that was set.
        (state(updates=19_999), "none", ""),
        (state(updates=20_000), "fold", "payload of 20,000 vectors was set"),
        (state(updates=1, age=86_401), "fold", "86,401 s old"),
        # The time.
        (state(rows=100_001, pending=1, age=86_401), "fold", "86,401 s old"),
        (state(age=86_401), "none", ""),
        # The first build.
        (state(rows=19_999, sealed=0, trained=None), "none", "fewer than 20,000"),
        (state(rows=20_000, sealed=0, trained=None), "rebuild", "at least 20,000"),
        # The one list of an import.
        (
            state(rows=19_999, sealed=19_999, trained=19_999, nlist=1, is_first=True),
            "none",
            "",
        ),
        (
            state(rows=20_000, sealed=20_000, trained=20_000, nlist=1, is_first=True),
            "rebuild",
            "20,000 vectors in the one list that an import wrote",
        ),
        # Lists that do not fit any more.
        (state(rows=200_000, sealed=200_000, added=100_000), "rebuild", "grew"),
        (state(rows=199_999, sealed=199_999, added=99_999), "none", ""),
        (state(rows=50_000, removed=50_000), "rebuild", "shrank"),
        (state(rows=1_200, removed=98_800), "rebuild", "fewer than its 1,265 lists"),
        (state(sealed=105_000, added=5_250, drift=1.6), "rebuild", "1.60 times as far"),
        (state(sealed=105_000, added=5_250, drift=1.4), "none", ""),
        (state(sealed=101_000, added=1_000, drift=3.0), "none", ""),
        # Also of an index too small for a compaction otherwise.
        (
            state(rows=900, sealed=900, trained=800, added=100, nlist=9, drift=1.6),
            "rebuild",
            "The 100 vectors added since the training are 1.60 times as far",
        ),
        # What a fold would leave is known before.
        (
            state(rows=110_000, pending=10_000, drift_after=1.6),
            "rebuild",
            "The 10,000 vectors added",
        ),
        (state(rows=110_000, pending=10_000, drift_after=1.4), "fold", ""),
        (
            state(rows=110_000, pending=10_000, added=50, drift=3.0, drift_after=1.4),
            "fold",
            "",
        ),
        # An index of an older gleann, of whose training nothing is known.
        (state(rows=300_000, pending=200_000, trained=None), "fold", "66.7%"),
    ],
)
def test_what_is_done(measured: Measured, kind: str, says: str) -> None:
    decision = decide(measured, PARAMS)
    assert decision.kind == kind
    assert says in decision.why
    assert decision.why.endswith(".")
    assert not decision.waits


DUE = state(rows=110_000, pending=10_000)


def test_nothing_is_done_before_its_time() -> None:
    early = decide(replace(DUE, since=4), PARAMS)
    assert (early.kind, early.waits) == ("none", True)
    assert "fold in 6 s" in early.why
    assert decide(replace(DUE, age=9), PARAMS).waits
    assert decide(replace(DUE, since=10, age=10), PARAMS).kind == "fold"


def test_nothing_is_done_where_it_is_turned_off() -> None:
    off = decide(DUE, OptimizerParams(enabled=False).filled(PARAMS))
    assert off.kind == "none"
    assert "turned off" in off.why


def test_failures_make_the_wait_longer() -> None:
    waits = [waiting_time(failures, PARAMS) for failures in (0, 1, 2, 3, 9, 10, 5000)]
    assert waits == [10, 10, 20, 40, 2560, 3600, 3600]
    slow = replace(PARAMS, min_seconds=7200.0)
    assert waiting_time(50, slow) == 7200
    failed = decide(replace(DUE, since=30, failures=3), PARAMS)
    assert "fold in 10 s" in failed.why


def test_how_a_compaction_that_is_asked_for_goes_about_it() -> None:
    assert kind_wanted(state(rows=100_001, pending=1), PARAMS) == "fold"
    assert kind_wanted(state(rows=10, sealed=0), PARAMS) == "rebuild"
    assert kind_wanted(state(rows=200_000, pending=100_000), PARAMS) == "rebuild"


def test_params_of_an_index_go_before_those_of_the_server() -> None:
    tuned = OptimizerParams(pending_share=0.5).filled(PARAMS)
    assert decide(DUE, tuned).kind == "none"
    assert tuned.min_rows == PARAMS.min_rows


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"enabled": 1}, "enabled must be true or false, got 1"),
        ({"pending_share": 0}, "pending_share must be in (0, 1], got 0"),
        ({"removed_share": 1.1}, "removed_share must be in (0, 1], got 1.1"),
        ({"drift": 0.9}, "drift must be a finite number >= 1, got 0.9"),
        ({"drift": float("nan")}, "drift must be a finite number >= 1, got nan"),
        ({"min_rows": 0}, "min_rows must be at least 1, got 0"),
        ({"min_seconds": -1}, "min_seconds must be a finite number >= 0, got -1"),
        ({"max_seconds": "x"}, "max_seconds must be a number, got 'x'"),
    ],
)
def test_parameters_out_of_range(values: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidParamsError) as error:
        OptimizerParams(**values)  # type: ignore[arg-type]
    assert str(error.value) == says
