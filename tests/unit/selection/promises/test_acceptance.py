import json
from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest, hypergeom

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
)
from gleann.selection.promises import (
    AuditParams,
    BatchAudit,
    acceptance_bound,
    failures_bound,
    quantile_bound,
    score_bound,
)
from gleann.selection.promises.drawn import chance_of_equal_steps


def naive_bound(batch, audited, failed, alpha):
    """The largest K, by the definition and sums of binomials."""
    best = failed
    for k in range(failed, batch - audited + failed + 1):
        ways = sum(comb(k, i) * comb(batch - k, audited - i) for i in range(failed + 1))
        if ways >= alpha * comb(batch, audited):
            best = k
    return best - failed


@pytest.mark.parametrize(
    ("batch", "audited", "failed"),
    [
        (1, 1, 0),
        (1, 1, 1),
        (10, 4, 0),
        (10, 4, 4),
        (30, 10, 3),
        (12, 12, 5),
        (50, 1, 0),
    ],
)
def test_the_bound_is_the_definition(batch, audited, failed):
    bound = failures_bound(batch=batch, audited=audited, failed=failed)
    assert bound.at_most == naive_bound(batch, audited, failed, 0.05)


def test_six_of_two_hundred_certify_119_of_the_other_two_thousand():
    bound = failures_bound(batch=2200, audited=200, failed=6)
    assert (bound.at_most, bound.rest) == (119, 2000)
    assert bound.share_at_most == pytest.approx(0.0595)
    assert bound.batch_share_at_most == pytest.approx(125 / 2200)


@pytest.mark.parametrize(("truth", "covered"), [(20, 1.0), (100, 0.9588), (400, 0.959)])
def test_coverage_over_all_draws_is_exact(truth, covered):
    n, m = 200, 2000
    ways = np.arange(min(n, truth) + 1)
    chances = hypergeom.pmf(ways, n + m, truth, n)
    bounds = [
        failures_bound(batch=n + m, audited=n, failed=int(k)).at_most
        if chances[k] > 1e-12
        else m
        for k in ways
    ]
    held = float(chances[truth - ways <= np.array(bounds)].sum())
    assert held >= 0.95
    assert held == pytest.approx(covered, abs=5e-4)


def test_an_audit_draws_by_id_whatever_the_order():
    ids = np.arange(1000, 1500)
    audit = BatchAudit(ids, AuditParams(size=40, seed=3))
    other = BatchAudit(ids[::-1], AuditParams(size=40, seed=3))
    assert audit.ids.tolist() == other.ids.tolist()
    assert set(audit.ids) != set(BatchAudit(ids, AuditParams(size=40, seed=4)).ids)


def test_each_row_is_drawn_as_often():
    drawn = np.concatenate(
        [BatchAudit(range(20), AuditParams(size=5, seed=s)).ids for s in range(1200)]
    )
    counts = np.bincount(drawn, minlength=20)
    assert abs(counts - 300).max() < 4.5 * np.sqrt(300 * 0.75)


def test_an_audit_in_parts_resumes_and_bounds():
    names = [f"item {number}" for number in range(60)]
    audit = BatchAudit(names, AuditParams(size=10, seed=1))
    first, rest = audit.ids[:4], audit.ids[4:]
    assert audit.submit(first, [True, False, False, False]) == 4
    with pytest.raises(NotReadyError, match="6 of 10 rows"):
        audit.bound()
    state = json.loads(json.dumps(audit.state()))
    resumed = BatchAudit.resume(state, names)
    assert resumed.pending.tolist() == rest.tolist()
    assert resumed.submit(rest, np.zeros(6, bool)) == 6
    assert resumed.submit(first[:1], [True]) == 0
    assert resumed.bound() == failures_bound(batch=60, audited=10, failed=1)
    with pytest.raises(CorruptDataError, match="batch"):
        BatchAudit.resume(state, names[::-1])
    state["rounds"] = [[row + 1 for row in state["rounds"][0]]]
    with pytest.raises(CorruptDataError, match="rounds"):
        BatchAudit.resume(state, names)


def test_an_audit_that_was_not_drawn_from_the_batch_is_refused():
    with pytest.raises(InvalidInputError, match=r"not drawn from the batch of 50.*77"):
        acceptance_bound(range(50), [3, 77], [False, False])
    audit = BatchAudit(range(50), AuditParams(size=5))
    with pytest.raises(InvalidInputError, match="not drawn from the batch of 50"):
        audit.submit([99], [True])
    left = np.setdiff1d(np.arange(50), audit.ids)
    with pytest.raises(InvalidInputError, match="1 of 1 labels are for ids that were"):
        audit.submit(left[:1], [True])


def test_bounds_of_draws_of_the_callers_hold_as_often_as_promised():
    # Batches in the order of a score that tells failures; draws by another generator.
    rng = np.random.default_rng(7)
    trials, held, batch = 1000, 0, np.arange(5000, 5400)
    for _ in range(trials):
        fails = rng.random(400) < np.linspace(0, 0.3, 400)
        rows = rng.choice(400, 60, replace=False)
        audit = BatchAudit(
            batch, AuditParams(size=60, design="uniform"), drawn=batch[rows]
        )
        audit.submit(batch[rows], fails[rows])
        bound = audit.bound()
        assert bound == acceptance_bound(batch, batch[rows], fails[rows])
        held += fails.sum() - fails[rows].sum() <= bound.at_most
    assert binomtest(held, trials, 0.95, alternative="less").pvalue > 0.01
    assert held < trials


@pytest.mark.parametrize(
    "rows", [np.arange(60), np.arange(340, 400), np.arange(0, 400, 7)]
)
def test_draws_by_the_order_of_the_batch_are_refused(rows):
    batch, size = np.arange(5000, 5400), len(rows)
    params = AuditParams(size=size, design="uniform")
    with pytest.raises(InvalidInputError, match=f"{size} drawn ids are rows in"):
        BatchAudit(
            batch, params, drawn=np.random.default_rng(0).permutation(batch[rows])
        )
    # Failures are at the other end, where such a draw does not look.
    fails = np.arange(400) >= 60
    if rows[-1] < 60:
        bound = acceptance_bound(batch, batch[rows], fails[rows])
        assert bound.at_most < fails.sum()


def test_few_draws_may_have_equal_steps_and_all_rows_too():
    for drawn, batch in (([3], 9), ([3, 8], 9), ([1, 2, 3], 9), (range(40), 40)):
        size = len(drawn)
        params = AuditParams(size=size, design="uniform")
        audit = BatchAudit(range(batch), params, drawn=drawn)
        audit.submit(audit.ids, np.zeros(size, bool))
        expected = failures_bound(batch=batch, audited=size, failed=0)
        assert audit.bound() == expected


@pytest.mark.parametrize(("n", "batch"), [(2, 7), (3, 9), (4, 12), (12, 12)])
def test_the_chance_of_equal_steps_is_counted(n, batch):
    equal = [
        one
        for one in combinations(range(batch), n)
        if len(set(np.diff(one).tolist())) == 1
    ]
    expected = len(equal) / comb(batch, n)
    assert chance_of_equal_steps(n, batch) == pytest.approx(expected)


def test_a_draw_of_the_callers_resumes():
    names = [f"item {number}" for number in range(60)]
    drawn = [names[row] for row in (3, 50, 11, 12, 40, 0)]
    audit = BatchAudit(names, AuditParams(size=6, design="uniform"), drawn=drawn)
    audit.submit(drawn[:2], [True, False])
    state = json.loads(json.dumps(audit.state()))
    resumed = BatchAudit.resume(state, names)
    assert resumed.params == audit.params
    assert resumed.pending.tolist() == drawn[2:]
    assert resumed.provenance() == audit.provenance()
    bare = {name: part for name, part in state.items() if name != "checksums"}
    for rows in ([0, 1, 2], []):
        with pytest.raises(CorruptDataError):
            BatchAudit.resume(
                bare | {"rounds": [rows], "labels": [[0] * len(rows)]}, names
            )
    # States from before there were designs are of seeded draws.
    seeded = BatchAudit(names, AuditParams(size=6)).state()
    older = {name: part for name, part in seeded.items() if name != "checksums"}
    older["params"] = {k: x for k, x in older["params"].items() if k != "design"}
    assert BatchAudit.resume(older, names).params.design == "seeded"


def test_bad_draws_of_the_callers():
    uniform = AuditParams(size=2, design="uniform")
    with pytest.raises(InvalidInputError, match=r"not drawn from the batch of 50.*77"):
        BatchAudit(range(50), uniform, drawn=[3, 77])
    with pytest.raises(DuplicateIdError):
        BatchAudit(range(50), uniform, drawn=[3, 3])
    with pytest.raises(InvalidParamsError, match="size is 2, but 3 ids were drawn"):
        BatchAudit(range(50), uniform, drawn=[3, 4, 9])
    with pytest.raises(InvalidInputError, match="give the ids that were drawn"):
        BatchAudit(range(50), uniform)
    with pytest.raises(InvalidParamsError, match="state design='uniform'"):
        BatchAudit(range(50), AuditParams(size=2), drawn=[3, 9])
    with pytest.raises(InvalidParamsError, match="design"):
        AuditParams(size=2, design="weighted")


def test_bad_input():
    with pytest.raises(DuplicateIdError):
        acceptance_bound(range(50), [3, 3], [False, False])
    with pytest.raises(DimensionMismatchError, match=r"failed has shape \(1,\)"):
        acceptance_bound(range(50), [3, 4], [False])
    with pytest.raises(InvalidInputError, match="at least 1 id, got 0"):
        BatchAudit([], AuditParams(size=1))
    with pytest.raises(InvalidParamsError, match="size is 6, but the batch has 5"):
        BatchAudit(range(5), AuditParams(size=6))
    with pytest.raises(InvalidParamsError, match="5 failed, 4 audited, 9 in"):
        failures_bound(batch=9, audited=4, failed=5)
    with pytest.raises(InvalidParamsError, match="confidence"):
        AuditParams(size=3, confidence=1.0)
    audit = BatchAudit(range(5), AuditParams(size=5))
    audit.submit(audit.ids, np.zeros(5, int))
    with pytest.raises(InvalidInputError, match="1 of 1 labels differ"):
        audit.submit(audit.ids[:1], [1])


def test_a_quantile_bound_by_hand():
    # One audited row is below the only other one in half of the orders.
    assert quantile_bound(np.array([7.0]), rest=1, confidence=0.5) == 7
    assert quantile_bound(np.array([7.0]), rest=1, confidence=0.51) == -np.inf
    # All four audited are above the other one in one order of five.
    four = np.array([4.0, 1.0, 3.0, 2.0])
    assert quantile_bound(four, rest=1, confidence=0.79) == 1
    assert quantile_bound(four, rest=1, confidence=0.81) == -np.inf


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_quantile_is_covered_as_often_as_promised(quantile):
    rng = np.random.default_rng(5)
    n, m, held = 40, 90, 0
    for _ in range(1500):
        scores = rng.integers(0, 400, n + m).astype(float)
        low = quantile_bound(scores[:n], rest=m, quantile=quantile, confidence=0.9)
        held += low <= np.sort(scores[n:])[int(np.ceil(quantile * m)) - 1]
    assert 0.9 - 0.02 <= held / 1500 <= 0.98


def test_scores_of_a_batch():
    scores = np.arange(30, dtype=float)
    low = score_bound(range(100), range(30), scores, quantile=0.5)
    assert low == quantile_bound(scores, rest=70, quantile=0.5)
    high = -score_bound(range(100), range(30), -scores, quantile=0.5)
    assert low < 15 < high
    with pytest.raises(InvalidParamsError, match="rest must be at least 1, got 0"):
        score_bound(range(30), range(30), scores)
