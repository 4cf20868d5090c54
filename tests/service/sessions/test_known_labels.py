"""Labels that are there before an estimate begins, over the wire as in the library."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import errors
from gleann.selection import (
    ChoosingSession,
    DisjointGroupsSession,
    EstimateParams,
    EstimateSession,
    Known,
    KnownGroups,
    OverlappingGroupsSession,
    TastiSession,
    run_disjoint_groups,
    run_estimate,
    run_overlapping_groups,
)
from gleann.service.stubs import Stubs

IDS = np.arange(240) * 10
ROWS = np.arange(0, 240, 6)
PARAMS = EstimateParams(target="sum", budget=90, strata=3, seed=2)


def world(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A group, or none, of each vector, and a value."""
    groups = np.where(rows[:, 0] > 0.5, 0, np.where(rows[:, 1] > 0.8, 1, -1))
    return groups, np.abs(rows[:, 2]) + 1


def proxies_of(groups: np.ndarray) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(4).random((2, 240)) * 0.4
    return {
        name: np.where(groups == k, 0.6, 0.1) + noise[k] for k, name in enumerate("ab")
    }


def known_of(rows: np.ndarray, group: int = 0) -> Known:
    groups, values = world(rows)
    held = groups[ROWS] == group
    return Known(ids=IDS[ROWS], positives=held, values=values[ROWS])


def started(source: str, rows: np.ndarray) -> tuple[dict[str, Any], Any]:
    """What the client is given, and the library's session of the same."""
    proxies, known = proxies_of(world(rows)[0]), known_of(rows)
    both = {"ids": IDS, "known": known}
    if source == "one":
        start: dict[str, Any] = {"proxy": (IDS, proxies["a"])}
        session: Any = EstimateSession.start(proxies["a"], PARAMS, **both)
    elif source == "several":
        start = {"proxy": {name: (IDS, one) for name, one in proxies.items()}}
        session = ChoosingSession.start(proxies, PARAMS, **both)
    else:
        start = {"representatives": 15}
        session = TastiSession.start(rows, PARAMS, first=15, **both)
    return {"params": PARAMS, "known": known, **start}, session


@pytest.mark.parametrize("source", ["one", "several", "index"])
def test_known_labels_count_as_in_the_library_and_after_a_restart(
    tmp_path: Path, rows: np.ndarray, quick: Any, source: str
) -> None:
    groups, values = world(rows)
    asked: list[int] = []

    def oracle(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.extend(ids.tolist())
        return groups[ids // 10] == 0, values[ids // 10]

    def answer(client: gleann.Client, ids: np.ndarray) -> None:
        held, numbers = oracle(ids)
        client.submit_labels(mine, ids, held, values=numbers)

    start, session = started(source, rows)
    right = run_estimate(session, oracle, chunk=1000)
    expected, asked[:] = asked.copy(), []
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", IDS, rows)
        client.build("a", quick).wait(timeout=60)
        mine = client.estimates.start("a", **start)
        answer(client, client.next_batch(mine).ids[:7])
    with gleann.Client(tmp_path) as client:
        while len(ids := client.next_batch(mine).ids):
            answer(client, ids)
        made = client.estimates.get(mine)
    assert sorted(asked) == sorted(expected)
    assert not set(asked) & set(IDS[ROWS].tolist())
    assert (made.value, made.low, made.high) == (right.value, right.low, right.high)
    assert made.labels_used == 90 + len(ROWS)


def groups_in_process(rows: np.ndarray, *, overlapping: bool) -> tuple[Any, Any]:
    """Known labels of groups, and the estimates that a session here makes of them."""
    groups, values = world(rows)
    proxies = proxies_of(groups)
    if overlapping:
        labels = {"b": known_of(rows, 1)}
        right = run_overlapping_groups(
            OverlappingGroupsSession.start(proxies, PARAMS, ids=IDS, known=labels),
            {
                name: lambda ids, k=k: (groups[ids // 10] == k, values[ids // 10])
                for k, name in enumerate("ab")
            },
        )
        return labels, right
    known = KnownGroups(ids=IDS[ROWS], groups=groups[ROWS], values=values[ROWS])
    session = DisjointGroupsSession.start(proxies, PARAMS, ids=IDS, known=known)
    return known, run_disjoint_groups(
        session, lambda ids: (groups[ids // 10], values[ids // 10])
    )


@pytest.mark.parametrize("overlapping", [False, True])
def test_groups_have_known_labels_over_the_wire_and_after_a_restart(
    tmp_path: Path, rows: np.ndarray, quick: Any, overlapping: bool
) -> None:
    groups, values = world(rows)
    proxies = proxies_of(groups)
    known, right = groups_in_process(rows, overlapping=overlapping)

    def answer(client: gleann.Client, name: str, ids: np.ndarray) -> None:
        at = ids // 10
        if name != "a":
            assert not np.isin(at, ROWS).any()
        labels = groups[at] == "ab".index(name) if name else groups[at]
        client.groups.submit_labels(
            session, ids, labels, group=name or None, values=values[at]
        )

    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", IDS, rows)
        client.build("a", quick).wait(timeout=60)
        session = client.groups.start(
            "a",
            params=PARAMS,
            proxies={name: (IDS, one) for name, one in proxies.items()},
            overlapping=overlapping,
            known=known,
        )
        for name, batch in client.groups.next_batches(session).items():
            answer(client, name, batch.ids[:7])
    with gleann.Client(tmp_path) as client:
        while batches := client.groups.next_batches(session):
            for name, batch in batches.items():
                answer(client, name, batch.ids)
        made = client.groups.get(session)
    for name, one in made.items():
        assert one.value == right[name].value
        assert (one.low, one.high) == (right[name].low, right[name].high)
        assert one.labels_used == right[name].labels_used
        assert one.abae_width == right[name].abae_width


def test_a_value_counts_only_where_it_is_positive(
    built: gleann.Client, rows: np.ndarray
) -> None:
    groups, values = world(rows)
    held = groups == 0
    values[~held] = np.nan
    proxy = proxies_of(groups)["a"]
    known = Known(ids=IDS[ROWS], positives=held[ROWS], values=values[ROWS])
    right = run_estimate(
        EstimateSession.start(proxy, PARAMS, ids=IDS, known=known),
        lambda ids: (held[ids // 10], values[ids // 10]),
    )
    session = built.estimates.start(
        "built", params=PARAMS, proxy=(IDS, proxy), known=known
    )
    while len(ids := built.next_batch(session).ids):
        at = ids // 10
        built.submit_labels(session, ids, held[at], values=values[at])
    made = built.estimates.get(session)
    assert (made.value, made.low, made.high) == (right.value, right.low, right.high)


def test_a_count_reads_no_values_of_groups_either(
    built: gleann.Client, rows: np.ndarray
) -> None:
    groups = world(rows)[0]
    empty = np.full(len(ROWS), np.nan)
    session = built.groups.start(
        "built",
        params=COUNT,
        proxies={name: (IDS, one) for name, one in proxies_of(groups).items()},
        known=KnownGroups(ids=IDS[ROWS], groups=groups[ROWS], values=empty),
    )
    while batches := built.groups.next_batches(session):
        ids = batches[""].ids
        built.groups.submit_labels(
            session, ids, groups[ids // 10], values=np.full(len(ids), np.nan)
        )
    made = built.groups.get(session)["a"]
    assert made.positives >= (groups[ROWS] == 0).sum()


COUNT = EstimateParams(budget=60, strata=3)
FEW = Known(ids=[0, 10], positives=[1, 0])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"known": Known(ids=[7], positives=[1])}, errors.UnknownIdError, "7"),
        (
            {"known": Known(ids=[10, 10], positives=[1, 1])},
            errors.DuplicateIdError,
            "2 times",
        ),
        (
            {"known": Known(ids=[0, 10], positives=[1])},
            errors.DimensionMismatchError,
            "1 entries for 2 ids",
        ),
        ({"params": PARAMS}, errors.InvalidInputError, "needs a value"),
        (
            {"known": Known(ids=[0, 10], positives=[1, 2])},
            errors.InvalidInputError,
            "must be bools",
        ),
        (
            {"known": Known(ids=[0, 10], positives=[1.0, 0.0])},
            errors.InvalidInputError,
            "must be bools",
        ),
        (
            {
                "params": PARAMS,
                "known": Known(ids=[0, 10], positives=[1, 0], values=[np.nan, 1]),
            },
            errors.NonFiniteError,
            "NaN or infinity for 1 of 1 positives",
        ),
        (
            {"proxy": None, "examples": ([0, 10], [1.0, 0.0])},
            errors.InvalidInputError,
            "give them without known",
        ),
        (
            {"params": EstimateParams(budget=239)},
            errors.InvalidParamsError,
            "238 rows without a label",
        ),
    ],
)
def test_known_labels_that_do_not_fit_are_refused(
    change: dict[str, Any],
    error: type[Exception],
    says: str,
    built: gleann.Client,
    rows: np.ndarray,
) -> None:
    proxy = (IDS, proxies_of(world(rows)[0])["a"])
    given = {"params": COUNT, "proxy": proxy, "known": FEW, **change}
    with pytest.raises(error, match=says):
        built.estimates.start("built", **given)


@pytest.mark.parametrize(
    ("known", "overlapping", "says"),
    [
        ({"a": FEW}, False, "must be groups here, got positives"),
        (
            KnownGroups(ids=[0, 10], groups=[0, -1]),
            True,
            "must be positives here, got groups",
        ),
        ({"c": FEW}, True, "1 of 1 known groups have no"),
        ({5: FEW}, True, "named by strings, got 5"),
        (
            {"b": Known(ids=[0, 10], positives=[1, 0], values=["x", "y"])},
            True,
            "known values of 'b' must be numbers",
        ),
        (KnownGroups(ids=[0, 10], groups=[0, 2]), False, "1 of 2 groups are not in"),
    ],
)
def test_known_groups_that_do_not_fit_are_refused(
    known: Any, overlapping: bool, says: str, built: gleann.Client, rows: np.ndarray
) -> None:
    proxies = {name: (IDS, one) for name, one in proxies_of(world(rows)[0]).items()}
    with pytest.raises(errors.InvalidInputError, match=says):
        built.groups.start(
            "built", params=COUNT, proxies=proxies, known=known, overlapping=overlapping
        )


@pytest.mark.usefixtures("built")
def test_entries_of_known_groups_that_contradict_are_refused(stubs: Stubs) -> None:
    estimate_pb2 = gleann.v1.estimate_pb2  # type: ignore[attr-defined]

    def start(known: Any, *, overlapping: bool) -> None:
        request = estimate_pb2.StartGroupSessionRequest(
            index="built",
            params={"budget": 60},
            known=[known, known],
            overlapping=overlapping,
        )
        for name in "ab":
            scores = request.groups.add(name=name).scores
            scores.ids.int64s = IDS.astype("<i8").tobytes()
            scores.values = np.ones(240).tobytes()
        stubs.estimate.StartGroupSession(request)

    with pytest.raises(errors.InvalidInputError, match=r"2 entries .* of 1 groups"):
        start(estimate_pb2.KnownGroupLabels(positives={"group": "a"}), overlapping=True)
    with pytest.raises(errors.InvalidInputError, match="in 1 entry, got 2"):
        start(estimate_pb2.KnownGroupLabels(groups={}), overlapping=False)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        (bytes(15), errors.InvalidInputError, "of 'a'.values has 15 bytes"),
        (bytes(8), errors.DimensionMismatchError, "of 'a'.values has 1 entries for 2"),
    ],
    ids=["no whole number", "one of two"],
)
def test_known_values_of_another_length_name_their_group(
    values: bytes, error: type[Exception], says: str, stubs: Stubs
) -> None:
    estimate_pb2 = gleann.v1.estimate_pb2  # type: ignore[attr-defined]
    known = estimate_pb2.KnownGroupLabels(
        ids={"int64s": IDS[:2].astype("<i8").tobytes()},
        positives={"group": "a", "positives": b"\1\0"},
        values=values,
    )
    request = estimate_pb2.StartGroupSessionRequest(
        index="built", params={"budget": 60}, known=[known], overlapping=True
    )
    for name in "ab":
        scores = request.groups.add(name=name).scores
        scores.ids.int64s = IDS.astype("<i8").tobytes()
        scores.values = np.ones(240).tobytes()
    with pytest.raises(error, match=says):
        stubs.estimate.StartGroupSession(request)
