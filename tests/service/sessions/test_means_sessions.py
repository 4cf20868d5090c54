"""Several means from one sample: over the wire as in the library."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import errors
from gleann.index.lists import assignment
from gleann.selection.estimate.means import (
    JointEstimates,
    MeansParams,
    Statistic,
    estimate_means,
)
from gleann.service.values import Limits

N = 240
IDS = {"int64": np.arange(N) * 10, "string": np.array([f"é{i}" for i in range(N)])}
STATISTICS = (
    Statistic(name="height"),
    Statistic(name="right", kind="share"),
    Statistic(name="depth", kind="avg"),
)
PARAMS = MeansParams(
    statistics=STATISTICS, budget=120, stratify_by="x", strata=3, seed=5
)


def values_of(rows: np.ndarray) -> np.ndarray:
    depth = np.where(rows[:, 2] > -0.5, rows[:, 2], np.nan)
    return np.column_stack([rows[:, 1], rows[:, 0] > 0.2, depth])


def known_of(rows: np.ndarray, ids: np.ndarray) -> dict[str, Any]:
    source = np.array(["web", "books", "talk"])[np.arange(N) % 3]
    return {
        "controls": {"x": (ids, rows[:, 0]), "y": (ids, rows[:, 1] + rows[:, 3])},
        "groups": {"source": (ids, source), "half": (ids, np.arange(N) // 120)},
    }


def filled(
    client: gleann.Client, rows: np.ndarray, quick: gleann.BuildParams, kind: str
) -> None:
    client.create_index("a", dim=8, metric="l2", columns={"part": "int64"})
    client.upsert("a", IDS[kind], rows, {"part": np.arange(N) % 4})
    client.build("a", quick).wait(timeout=60)


def answered(client: gleann.Client, session: Any, rows: np.ndarray, kind: str) -> int:
    """Submit all values, in two parts a batch; how many batches there were."""
    place = {one: row for row, one in enumerate(IDS[kind].tolist())}
    values, turns = values_of(rows), 0
    while len(batch := client.next_batch(session)):
        for part in (batch.ids[:5], batch.ids[5:]):
            own = values[[place[one] for one in part.tolist()]]
            client.means.submit_values(session, part, own)
        turns += 1
    return turns


def by_library(
    rows: np.ndarray,
    kind: str,
    lists: np.ndarray | None = None,
    among: np.ndarray | None = None,
) -> JointEstimates:
    known = known_of(rows, IDS[kind])
    groups = {name: values for name, (_, values) in known["groups"].items()}
    if lists is not None:
        groups["lists"] = lists
    place = {one: row for row, one in enumerate(IDS[kind].tolist())}
    return estimate_means(
        lambda some: values_of(rows)[[place[one] for one in some.tolist()]],
        PARAMS,
        controls={name: values for name, (_, values) in known["controls"].items()},
        groups=groups,
        ids=IDS[kind],
        among=among,
    )


def assert_same(made: JointEstimates, own: JointEstimates) -> None:
    assert made.estimates == own.estimates
    np.testing.assert_array_equal(made.covariance, own.covariance)
    np.testing.assert_array_equal(made.lambdas, own.lambdas)
    assert (made.quantile, made.confidence) == (own.quantile, own.confidence)
    assert (made.labels_used, made.rows) == (own.labels_used, own.rows)
    assert made.provenance["data_hash"] == own.provenance["data_hash"]


@pytest.mark.parametrize("kind", ["int64", "string"])
def test_estimates_are_those_of_the_library(client, rows, quick, kind):
    filled(client, rows, quick, kind)
    # In any order of the vectors.
    order = np.random.default_rng(0).permutation(N)
    known = {
        what: {name: (ids[order], values[order]) for name, (ids, values) in one.items()}
        for what, one in known_of(rows, IDS[kind]).items()
    }
    session = client.means.start("a", params=PARAMS, **known)
    assert (session.kind, session.labelled) == ("means", 0)
    with pytest.raises(errors.NotReadyError, match="all 120 labels, 0 are there"):
        client.means.get(session)
    assert answered(client, session, rows, kind) == 2
    made = client.means.get(session)
    assert_same(made, by_library(rows, kind))
    truths = np.nanmean(values_of(rows), axis=0)
    for one, truth in zip(made.estimates, truths, strict=True):
        assert one.low <= truth <= one.high, one
    assert (made.lambdas > 0).any()


def test_only_what_passes_a_filter_needs_numbers(client, rows, quick):
    filled(client, rows, quick, "int64")
    passes = np.arange(N) % 4 != 1
    known = {
        what: {
            name: (ids[passes], values[passes]) for name, (ids, values) in one.items()
        }
        for what, one in known_of(rows, IDS["int64"]).items()
    }
    session = client.means.start(
        "a", params=PARAMS, where="part <> $1", parameters=[1], **known
    )
    answered(client, session, rows, "int64")
    made = client.means.get(session)
    assert made.rows == 180
    assert_same(made, by_library(rows, "int64", among=passes))
    some = {"controls": {"x": (IDS["int64"][:9], rows[:9, 0])}}
    with pytest.raises(errors.DimensionMismatchError, match="'x' has no number for"):
        client.means.start("a", params=PARAMS, where="part <> 1", **some)


def test_columns_of_payload_are_controls_and_groups(client, rows, quick):
    columns = {"x": "float64", "ok": "bool", "source": "string", "half": "int64"}
    client.create_index("a", dim=8, metric="l2", columns=columns)
    known = known_of(rows, IDS["int64"])
    source, half = (known["groups"][name][1] for name in ("source", "half"))
    payload = {
        "x": rows[:, 0].tolist(),
        "ok": (rows[:, 1] > 0).tolist(),
        "source": source.tolist(),
        "half": half.tolist(),
    }
    client.upsert("a", IDS["int64"], rows, payload)
    client.build("a", quick).wait(timeout=60)
    session = client.means.start(
        "a",
        params=PARAMS,
        controls={"y": known["controls"]["y"], "x": "x", "good": "ok"},
        groups={"half": "half", "where from": "source"},
    )
    # What the columns become later does not move it.
    client.update_payload("a", {"x": 0.0, "source": "web"}, where="half = 0")
    answered(client, session, rows, "int64")
    place = {one: row for row, one in enumerate(IDS["int64"].tolist())}
    own = estimate_means(
        lambda some: values_of(rows)[[place[one] for one in some.tolist()]],
        PARAMS,
        controls={
            "y": known["controls"]["y"][1],
            "x": rows[:, 0].astype(np.float64),
            "good": rows[:, 1] > 0,
        },
        groups={"half": half, "where from": source},
        ids=IDS["int64"],
    )
    assert_same(client.means.get(session), own)


def test_columns_of_payload_that_cannot_be_are_refused(client, rows, quick):
    columns = {"x": "float64", "text": "string", "tags": "strings", "part": "int64"}
    client.create_index("a", dim=8, metric="l2", columns=columns)
    payload = {
        "x": [None if i in (3, 7) else 0.5 * i for i in range(N)],
        "text": [None if i == 9 else "a" for i in range(N)],
        "part": np.arange(N) % 4,
    }
    client.upsert("a", IDS["int64"], rows, payload)
    client.build("a", quick).wait(timeout=60)
    start = functools.partial(client.means.start, "a", params=PARAMS)
    told = r"column 'x' has no value for id 30 \(2 of 240 vectors have none\)"
    with pytest.raises(errors.InvalidInputError, match=told):
        start(controls={"x": "x"})
    told = r"column 'text' has no value for id 90 \(1 of 240 vectors"
    with pytest.raises(errors.InvalidInputError, match=told):
        start(controls={"x": "part"}, groups={"g": "text"})
    with pytest.raises(errors.UnknownColumnError, match="none"):
        start(controls={"x": "none"})
    with pytest.raises(errors.InvalidInputError, match="is of string: scores are"):
        start(controls={"x": "text"})
    with pytest.raises(errors.InvalidInputError, match="groups are texts"):
        start(controls={"x": "part"}, groups={"g": "x"})
    # Vectors that do not pass need no value.
    some = start(controls={"x": "x"}, where="part <> 3")
    assert len(client.next_batch(some)) > 0


def test_the_lists_of_the_index_are_groups(rows, quick, tmp_path: Path):
    with gleann.Client(tmp_path / "d") as client:
        filled(client, rows, quick, "int64")
        known = known_of(rows, IDS["int64"])
        session = client.means.start("a", params=PARAMS, by_list=True, **known)
        batch = client.next_batch(session)
    # After a restart too.
    with gleann.Client(tmp_path / "d") as client:
        assert client.next_batch(session.name).ids.tolist() == batch.ids.tolist()
        answered(client, session.name, rows, "int64")
        made = client.means.get(session.name)
    (folder,) = (tmp_path / "d" / "indexes").glob("*/versions/1")
    index = gleann.SoarIndex.load(folder)
    lists = assignment(index.data.lists, n=N)[0]
    assert len(np.unique(lists)) == 8
    assert_same(made, by_library(rows, "int64", lists=lists))


def test_what_cannot_be_is_refused(client, rows, quick):
    filled(client, rows, quick, "int64")
    ids = IDS["int64"]
    known = known_of(rows, ids)
    start = client.means.start
    with pytest.raises(errors.InvalidParamsError, match="'x'; the controls are: none"):
        start("a", params=PARAMS)
    with pytest.raises(errors.DimensionMismatchError, match="239 numbers"):
        start("a", params=PARAMS, controls={"x": (ids[1:], rows[1:, 0])})
    with pytest.raises(errors.InvalidInputError, match="got float64"):
        start("a", params=PARAMS, groups={"g": (ids, rows[:, 0])})
    with pytest.raises(errors.DimensionMismatchError, match="3 entries for 240 ids"):
        start("a", params=PARAMS, groups={"g": (ids, [1, 2, 3])})
    many = MeansParams(
        statistics=tuple(Statistic(name=f"s{i}") for i in range(101)), budget=120
    )
    with pytest.raises(errors.LimitError, match="statistics: 101 is over"):
        start("a", params=many, **known)
    large = MeansParams(statistics=STATISTICS, budget=500)
    with pytest.raises(errors.InvalidParamsError, match="500, but 'a' has 240"):
        start("a", params=large, **known)


def test_values_that_cannot_be_are_refused(client, rows, quick):
    filled(client, rows, quick, "int64")
    session = client.means.start("a", params=PARAMS, **known_of(rows, IDS["int64"]))
    submit = client.means.submit_values
    first = client.next_batch(session).ids[:2]
    with pytest.raises(errors.DimensionMismatchError, match="2 ids and 3 statistics"):
        submit(session, first, [1.0, 2.0])
    with pytest.raises(errors.InvalidInputError, match="'right' must be 0 or 1"):
        submit(session, first, [[1, 2, 3], [1, 1, 1]])
    with pytest.raises(errors.NonFiniteError, match='only an "avg" may lack'):
        submit(session, first, [[np.nan, 1, 3], [1, 1, 1]])
    submit(session, first, [[1, 0, np.nan], [1, 1, 1]])
    with pytest.raises(errors.InvalidInputError, match="1 of 1 labels differ"):
        submit(session, first[:1], [[2, 0, 1]])
    assert client.sessions.get(session).labelled == 2


def test_one_statistic_takes_plain_values(client, rows, quick):
    filled(client, rows, quick, "int64")
    params = MeansParams(statistics=(Statistic(name="height"),), budget=40)
    session = client.means.start("a", params=params, by_list=True)
    while len(batch := client.next_batch(session)):
        client.means.submit_values(session, batch.ids, rows[batch.ids // 10, 1])
    made = client.means.get(session)["height"]
    assert made.low <= rows[:, 1].mean() <= made.high


def test_columns_for_all_vectors_are_limited(start_server, rows, quick):
    """Where few pass the filter, each column of a small message takes all rows."""
    target = start_server(limits=Limits(work_bytes=20_000)).target
    with gleann.Client(target) as client:
        filled(client, rows, quick, "int64")
        few = IDS["int64"][::4]
        params = MeansParams(statistics=STATISTICS, budget=20)

        def start(count: int) -> Any:
            groups = {f"g{i}": (few, [0] * len(few)) for i in range(count)}
            return client.means.start("a", params=params, groups=groups, where="part=0")

        with pytest.raises(errors.LimitError, match="11 controls and groups of 240"):
            start(11)
        assert start(10).kind == "means"
