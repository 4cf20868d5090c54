"""Leakage and splits by similarity over RPC, compared with the library."""

import functools
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SoarIndex, errors
from gleann.selection.curation.duplicates import near_duplicates
from gleann.selection.curation.leakage import leakage, similarity_split
from gleann.service.values import Limits

N, DIM, RADIUS = 240, 6, 0.05
QUICK = BuildParams(metric="l2", nlist=8, tune_queries=0)
RNG = np.random.default_rng(12)
ROWS = RNG.normal(size=(N, DIM)).astype("f4")
ROWS[-40:] = ROWS[:40] + RNG.normal(size=(40, DIM)).astype("f4") * 0.02
IDS = RNG.permutation(N) + 5000
SPLIT = np.where(np.arange(N) < 120, "train", "test")
TOPIC = np.arange(N) % 4
GONE = np.array([5, 30, 205, 239])
LIVE = np.setdiff1d(np.arange(N), GONE)


@pytest.fixture
def served(client: gleann.Client) -> gleann.Client:
    """An index with newer and removed vectors, and with payload."""
    columns = {"split": "string", "topic": "int64", "score": "float64"}
    client.create_index("items", dim=DIM, metric="l2", columns=columns)
    for first, last in ((0, 150), (150, N)):
        payload = {
            "split": SPLIT[first:last].tolist(),
            "topic": TOPIC[first:last].tolist(),
            "score": [0.5] * (last - first),
        }
        client.upsert("items", IDS[first:last], ROWS[first:last], payload)
        if not first:
            client.build("items", QUICK).wait(timeout=60)
    client.delete_vectors("items", IDS[GONE])
    return client


@pytest.fixture(scope="module")
def index() -> SoarIndex:
    """The live vectors, in an index of the library."""
    return SoarIndex.build(ROWS[LIVE], QUICK, ids=IDS[LIVE])


def lines(curation: Any, table: str) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = curation.table(table).to_pydict()
    return columns


def by_id(columns: dict[str, Any], name: str) -> dict[int, Any]:
    return dict(zip(list(columns["id"]), list(columns[name]), strict=True))


def test_leakage_is_that_of_the_live_vectors(
    served: gleann.Client, index: SoarIndex
) -> None:
    made = served.curation.leakage("items", split_column="split", radius=RADIUS)
    found = made.wait(timeout=60)
    expected = leakage(index, splits=SPLIT[LIVE], radius=RADIUS)
    assert found.summary == expected.summary()
    assert expected.leaked.sum() >= 36
    rows, columns = lines(found, "rows"), expected.table().columns
    for name in ("leaked", "pairs", "group"):
        assert by_id(rows, name) == by_id(
            {key: values.tolist() for key, values in columns.items()}, name
        )
    leaked = {
        one: near
        for one, near, there in zip(
            rows["id"], rows["nearest"], rows["leaked"], strict=True
        )
        if there
    }
    assert leaked == {
        one: near
        for one, near, there in zip(
            columns["id"].tolist(),
            columns["nearest"].tolist(),
            columns["leaked"].tolist(),
            strict=True,
        )
        if there
    }
    assert len(lines(found, "pairs")["id"]) == len(expected.pairs)
    groups = lines(found, "groups")
    assert groups["group"] == ["test"]
    assert groups["leaked"] == [int(expected.leaked.sum())]
    assert sum(lines(found, "histogram")["rows"]) == len(expected)


def test_other_splits_groups_bins_and_a_filter(
    served: gleann.Client, index: SoarIndex
) -> None:
    found = served.curation.leakage(
        "items",
        split_column="split",
        trained_on=["test"],
        radius=RADIUS,
        group_column="topic",
        bins=7,
        where="topic < $1",
        parameters=[2],
    ).wait(timeout=60)
    topic = TOPIC[LIVE]
    expected = leakage(
        index,
        splits=SPLIT[LIVE],
        trained_on="test",
        radius=RADIUS,
        groups=topic.astype(str),
        among=topic < 2,
    )
    assert found.summary == expected.summary()
    groups = lines(found, "groups")
    assert groups["group"] == ["0", "1"]
    assert groups["leaked"] == [one.leaked for one in expected.by_group()]
    assert len(lines(found, "histogram")["low"]) == 2 * 7


def test_an_index_beside_another(served: gleann.Client, index: SoarIndex) -> None:
    served.create_index("trained", dim=DIM, metric="l2")
    served.upsert("trained", IDS[:120], ROWS[:120])
    found = served.curation.leakage("items", "trained", radius=RADIUS)
    rows = lines(found.wait(timeout=60), "rows")
    trained = SoarIndex.build(ROWS[:120], QUICK, ids=IDS[:120])
    expected = leakage(index, trained, radius=RADIUS)
    assert sum(rows["leaked"]) == expected.leaked.sum() > 100


def test_buckets_hold_live_vectors_and_keep_groups_together(
    served: gleann.Client, index: SoarIndex
) -> None:
    def split(**more: Any) -> Any:
        return served.curation.similarity_split(
            "items", folds=3, held_out=0.4, seed=2, **more
        ).wait(timeout=60)

    found = split()
    rows = lines(found, "rows")
    assert sorted(rows["id"]) == sorted(IDS[LIVE].tolist())
    folds = lines(found, "folds")
    assert sum(folds["extrapolation"]) == len(LIVE)
    assert found.summary["sizes"] == folds["extrapolation"]
    held = similarity_split(index, folds=3, held_out=0.4, seed=2)
    expected = dict(zip(IDS[LIVE].tolist(), held.held_out.tolist(), strict=True))
    assert by_id(rows, "held_out") == expected
    near = served.curation.near_duplicates("items", radius=RADIUS).wait(timeout=60)
    kept = lines(split(together_curation=near.name), "rows")
    bucket, out = by_id(kept, "bucket"), by_id(kept, "held_out")
    copies = near_duplicates(index, radius=RADIUS)
    pairs = IDS[LIVE][np.stack([copies.pairs.rows, copies.pairs.others])]
    assert pairs.shape[1] >= 36
    for one, two in pairs.T.tolist():
        assert (bucket[one], out[one]) == (bucket[two], out[two])
    alone = by_id(rows, "held_out")
    assert any(alone[one] != alone[two] for one, two in pairs.T.tolist())
    topics = lines(split(together_column="topic"), "rows")
    assert len(set(topics["bucket"])) <= 4
    whole = by_id(topics, "bucket")
    for number in range(4):
        ids = IDS[LIVE][TOPIC[LIVE] == number].tolist()
        assert len({whole[one] for one in ids}) == 1


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"split_column": "score"}, errors.InvalidInputError, "is of double"),
        ({"split_column": "none"}, errors.UnknownColumnError, "none"),
        ({}, errors.InvalidParamsError, "got neither"),
        (
            {"split_column": "split", "trained_on": ["valid"]},
            errors.InvalidInputError,
            "valid",
        ),
        ({"reference": "items"}, errors.InvalidParamsError, "itself"),
        ({"reference": "other"}, errors.UnknownIndexError, "other"),
        (
            {"split_column": "split", "bins": 1001},
            errors.LimitError,
            "1001",
        ),
        ({"split_column": "split", "bins": 0}, errors.InvalidParamsError, "got 0"),
    ],
)
def test_what_cannot_be_audited_is_refused(
    options: dict[str, Any],
    error: type[Exception],
    reason: str,
    served: gleann.Client,
) -> None:
    with pytest.raises(error, match=reason):
        served.curation.leakage("items", radius=RADIUS, **options).wait(timeout=60)


def test_what_passes_a_filter_is_split(served: gleann.Client, index: SoarIndex) -> None:
    """Ids, held-out ones and counts are those of a split of these rows alone."""
    found = served.curation.similarity_split(
        "items",
        folds=2,
        held_out=0.4,
        seed=2,
        together_column="topic",
        where="split = $1",
        parameters=["train"],
    ).wait(timeout=60)
    rows, passing = lines(found, "rows"), SPLIT[LIVE] == "train"
    ids = IDS[LIVE][passing]
    assert sorted(rows["id"]) == sorted(ids.tolist())
    assert found.summary["rows"] == len(ids) == sum(found.summary["sizes"])
    assert found.provenance["among"]["rows"] == len(ids)
    bucket, out = by_id(rows, "bucket"), by_id(rows, "held_out")
    topics = TOPIC[LIVE][passing]
    for number in range(4):
        own = ids[topics == number].tolist()
        assert len({(bucket[one], out[one]) for one in own}) == 1
    folds = lines(found, "folds")
    assert folds["extrapolation"] == [
        list(bucket.values()).count(number) for number in range(2)
    ]
    alone = served.curation.similarity_split(
        "items", folds=2, held_out=0.4, seed=2, where="split = 'train'"
    ).wait(timeout=60)
    expected = similarity_split(index, folds=2, held_out=0.4, seed=2, among=passing)
    held = dict(zip(IDS[LIVE].tolist(), expected.held_out.tolist(), strict=True))
    assert by_id(lines(alone, "rows"), "held_out") == {
        one: held[one] for one in ids.tolist()
    }
    with pytest.raises(errors.InvalidInputError, match="0 of"):
        served.curation.similarity_split("items", where="topic > 99").wait(timeout=60)


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"folds": 1}, errors.InvalidParamsError, "folds must be at least 2"),
        ({"folds": 99}, errors.InvalidParamsError, "folds must be at most"),
        ({"held_out": 1.5}, errors.InvalidParamsError, "held_out"),
        ({"seed": -1}, errors.InvalidParamsError, "seed"),
        ({"together_column": "score"}, errors.InvalidInputError, "is of double"),
        ({"together_curation": "curations/no"}, errors.UnknownJobError, "no"),
    ],
)
def test_what_cannot_be_split_is_refused(
    options: dict[str, Any],
    error: type[Exception],
    reason: str,
    served: gleann.Client,
) -> None:
    with pytest.raises(error, match=reason):
        served.curation.similarity_split("items", **options).wait(timeout=60)


def test_histograms_of_too_many_groups(start_server: Any) -> None:
    target = start_server(limits=Limits(work_bytes=1_000_000)).target
    with gleann.Client(target) as client:
        client.create_index("a", dim=DIM, metric="l2", columns={"n": "int64"})
        client.create_index("b", dim=DIM, metric="l2")
        client.upsert("a", IDS, ROWS, {"n": list(range(N))})
        client.upsert("b", IDS[:40], ROWS[:40])
        ask = client.curation.leakage
        made = ask("a", "b", radius=RADIUS, group_column="n", bins=1000)
        text = "240 groups with 1000 bins each: 38400000 is over the limit of 1000000"
        with pytest.raises(errors.LimitError, match=text):
            made.wait(timeout=60)
        few = ask("a", "b", radius=RADIUS, group_column="n", bins=10)
        found = few.wait(timeout=60)
        assert len(found.table("histogram")) == 2400
        assert found.table("groups")["rows"].to_pylist() == [1] * 240


def test_leakage_for_a_smaller_cut_is_that_of_another_audit(
    served: gleann.Client,
) -> None:
    served.create_index("trained", dim=DIM, metric="l2")
    served.upsert("trained", IDS[:120], ROWS[:120])
    for options in ({"split_column": "split"}, {"reference": "trained"}):
        ask = functools.partial(served.curation.leakage, "items", **options)
        wide = ask(radius=1.0, group_column="topic").wait(timeout=60)
        closer = served.curation.rethreshold("items", wide.name, radius=RADIUS)
        found = closer.wait(timeout=60)
        again = ask(radius=RADIUS, group_column="topic").wait(timeout=60)
        assert found.info.method == "leakage"
        assert found.summary == again.summary
        assert 36 <= found.summary["leaked"] < wide.summary["leaked"]
        assert lines(found, "pairs") == lines(again, "pairs")
        for name in ("group", "rows", "leaked", "share"):
            assert lines(found, "groups")[name] == lines(again, "groups")[name]
        rows, expected = lines(found, "rows"), lines(again, "rows")
        for name in ("id", "group", "leaked", "pairs"):
            assert rows[name] == expected[name]
        near = [
            (one, two)
            for one, two, leaked in zip(
                rows["nearest"], expected["nearest"], rows["leaked"], strict=True
            )
            if leaked
        ]
        assert near
        assert all(one == two for one, two in near)
        assert found.provenance["of"]["radius"] == 1.0
        nearer = served.curation.rethreshold("items", found.name, radius=0.001)
        summary = nearer.wait(timeout=60).summary
        assert summary["leaked"] < found.summary["leaked"]
        histogram = lines(nearer.wait(timeout=60), "histogram")
        assert histogram == lines(wide, "histogram")


def test_leakage_that_cannot_be_cut_smaller_is_refused(served: gleann.Client) -> None:
    ask = functools.partial(served.curation.leakage, "items", split_column="split")
    wide = ask(radius=1.0).wait(timeout=60)
    again = functools.partial(served.curation.rethreshold, "items")
    with pytest.raises(errors.InvalidParamsError, match="radius 2 is above 1"):
        again(wide.name, radius=2.0)
    with pytest.raises(errors.InvalidParamsError, match="curve is of near-duplicates"):
        again(wide.name, radius=0.5, curve=True)
    few = ask(radius=1.0, max_pairs=50).wait(timeout=60)
    pairs, leaked = wide.summary["pairs"], wide.summary["leaked"]
    text = f"lists {leaked} of {pairs} pairs.*max_pairs={pairs}"
    with pytest.raises(errors.InvalidParamsError, match=text):
        again(few.name, radius=0.5)
    split = served.curation.similarity_split("items", folds=3).wait(timeout=60)
    with pytest.raises(errors.InvalidInputError, match="near_duplicates or leakage"):
        again(split.name, radius=0.5)
