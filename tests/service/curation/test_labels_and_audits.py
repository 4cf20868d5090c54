"""Propagation, allocation and audits as jobs, against the library they call."""

from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index.errors import (
    InvalidInputError,
    InvalidParamsError,
    LimitError,
    UnknownColumnError,
    UnknownIdError,
    UnknownJobError,
)
from gleann.selection.curation.audit import AuditRequest, audit
from gleann.selection.curation.graph_labels import (
    AllocationParams,
    AllocationRequest,
    PropagationParams,
    PropagationRequest,
    allocate_labels,
    propagate_vectors,
    wilson_upper_bounds,
)

N = 240
IDS = np.arange(N) * 10


def wait(operation: Any) -> Any:
    return operation.wait(timeout=60)


def words_of(rows: np.ndarray) -> np.ndarray:
    """A class of each row by the sign of its first number."""
    return np.where(rows[:, 0] > 0, "up", "down")


def known(rows: np.ndarray) -> np.ndarray:
    """Rows (12,) to label: six of each class."""
    words = words_of(rows)
    return np.concatenate([np.flatnonzero(words == one)[:6] for one in ("up", "down")])


def test_labels_are_those_of_the_library(
    built: gleann.Client, rows: np.ndarray
) -> None:
    few, words = known(rows), words_of(rows)
    made = wait(
        built.curation.propagate(
            "built", ids=IDS[few], labels=words[few], k=8, alpha=0.9, uncertain=5
        )
    )
    request = PropagationRequest(
        ids=IDS[few], labels=words[few], k=8, params=PropagationParams(alpha=0.9)
    )
    expected = propagate_vectors(rows, request, metric="l2", ids=IDS)
    table = made.table("rows").to_pydict()
    assert table["id"] == IDS.tolist()
    assert np.mean(np.array(table["label"]) == expected.labels) > 0.95
    assert np.flatnonzero(table["given"]).tolist() == sorted(few.tolist())
    assert made.provenance["params"]["alpha"] == 0.9
    assert made.provenance["classes"] == ["down", "up"]
    assert made.summary["labelled"] + made.summary["unreached"] == N
    shares = made.table("probabilities", columns=["down", "up"])
    labelled = np.array([one is not None for one in table["label"]])
    sums = sum(column.to_numpy() for column in shares.columns)
    assert np.allclose(sums, labelled)
    classes = made.table("classes").to_pydict()
    assert classes["given"] == [6, 6]
    assert sum(classes["labels"]) == made.summary["labelled"]
    uncertain = made.table("uncertain").to_pydict()
    margins = np.array(table["margin"])[~np.array(table["given"])]
    assert uncertain["margin"] == pytest.approx(np.sort(margins)[:5], abs=1e-6)


def test_a_live_index_is_labelled_as_it_is_now(
    built: gleann.Client, rows: np.ndarray
) -> None:
    """Newer vectors take part, removed ones do not, and no label reaches far ones."""
    few, words = known(rows), words_of(rows)
    removed = np.setdiff1d(np.arange(100, 110), few)
    built.delete_vectors("built", IDS[removed])
    far = np.arange(10_000, 10_020)
    built.upsert("built", far, np.full((20, 8), 500.0) + np.arange(20)[:, None])
    made = wait(built.curation.propagate("built", ids=IDS[few], labels=words[few], k=5))
    table = made.table("rows").to_pydict()
    assert sorted(table["id"]) == sorted([*np.delete(IDS, removed), *far])
    labels = dict(zip(table["id"], table["label"], strict=True))
    assert {labels[one] for one in far.tolist()} == {None}
    assert made.summary["unreached"] >= 20
    with pytest.raises(UnknownIdError, match=str(IDS[removed[0]])):
        built.curation.propagate("built", ids=IDS[[0, removed[0]]], labels=["a", "b"])


def test_an_allocation_of_a_stored_propagation(
    built: gleann.Client, rows: np.ndarray
) -> None:
    few, words = known(rows), words_of(rows)
    spread = wait(
        built.curation.propagate("built", ids=IDS[few], labels=words[few], k=8)
    )
    shares = {"up": 0.5, "down": 0.5}
    call = built.curation.allocate_labels
    made = wait(call("built", spread.name, shares=shares, share=0.5))
    table = spread.table("probabilities", columns=["down", "up"])
    values = np.stack([column.to_numpy() for column in table.columns], axis=1)
    expected = allocate_labels(
        AllocationRequest(
            probabilities=values,
            shares=[0.5, 0.5],
            classes=["down", "up"],
            ids=IDS,
            params=AllocationParams(share=0.5),
        )
    )
    found = made.table("rows").to_pydict()
    assert found["id"] == expected.ids.tolist()
    assert found["label"] == expected.labels.tolist()
    assert found["weight"] == pytest.approx(expected.weights)
    assert made.summary["removed"] == made.summary["without_probabilities"] == 0
    # Vectors that came or went since then are counted.
    built.delete_vectors("built", IDS[-3:])
    built.upsert("built", [9000], rows[:1])
    again = wait(call("built", spread.name, upper_bounds={"up": 1, "down": 1}))
    assert again.summary["removed"] == 3
    assert again.summary["without_probabilities"] == 1
    assert not set(IDS[-3:].tolist()) & set(again.table("rows")["id"].to_pylist())


def test_an_allocation_of_given_probabilities_by_counts(
    built: gleann.Client,
) -> None:
    values = np.random.default_rng(2).dirichlet(np.ones(3), size=50)
    given = (IDS[:50], values, [1, 2, 3])
    counts = {3: 30, 1: 10, 2: 10}
    call = built.curation.allocate_labels
    made = wait(call("built", given, counts=counts, confidence=0.9))
    bounds = wilson_upper_bounds([10, 10, 30], confidence=0.9)
    classes = made.table("classes").to_pydict()
    assert classes["class"] == ["1", "2", "3"]
    assert classes["bound"] == pytest.approx(bounds)
    assert set(made.table("rows")["label"].to_pylist()) <= {1, 2, 3}
    assert made.summary["without_probabilities"] == N - 50


def test_an_audit_takes_ids_selections_and_curations(
    built: gleann.Client, rows: np.ndarray
) -> None:
    chosen = wait(built.coresets.farthest_first("built", k=12))
    by_name = wait(built.curation.audit("built", chosen.name))
    expected = audit(rows, AuditRequest(chosen=chosen.ids, metric="l2"), ids=IDS)
    sets = by_name.table("sets").to_pydict()
    assert sets["set"] == ["chosen", "random", "pool"]
    assert sets["vendi_1"] == pytest.approx([one.vendi[2] for one in expected.sets])
    curve = expected["chosen"].coverage
    assert curve is not None
    assert sets["radius_1"][0] == pytest.approx(curve.radii[-1, -1])
    by_ids = wait(built.curation.audit("built", chosen.ids))
    assert by_ids.table("sets").equals(by_name.table("sets"))
    assert by_ids.table("coverage").num_rows == 2 * len(curve.sizes) * 4

    kept = wait(built.curation.near_duplicates("built", radius=0.2))
    of_kept = wait(built.curation.audit("built", kept.name))
    assert of_kept.summary["chosen"] == kept.summary["kept"]


def test_groups_of_an_audit_are_columns_of_payload(
    client: gleann.Client, rows: np.ndarray
) -> None:
    client.create_index(
        "photos", dim=8, metric="cosine", columns={"kind": "string", "age": "int64"}
    )
    kinds = ["a" if row % 3 else None for row in range(N)]
    client.upsert("photos", IDS, rows, payload={"kind": kinds, "age": list(range(N))})
    made = wait(
        client.curation.audit(
            "photos",
            IDS[:30],
            group_columns=["kind"],
            where="age < $1",
            parameters=[90],
        )
    )
    groups = made.table("groups").to_pydict()
    assert groups["group"] == ["(none)", "a"]
    assert groups["pool"] == [30, 60]
    assert groups["chosen"] == [10, 20]
    assert made.table("parts").to_pydict()["rows"] == [10, 20]
    assert made.table("sets").to_pydict()["rows"] == [30, 30, 30, 90]
    assert made.provenance["among"]["rows"] == 90
    with pytest.raises(UnknownColumnError, match="none"):
        client.curation.audit("photos", IDS[:3], group_columns=["none"])
    late = client.curation.audit("photos", IDS[80:100], where="age < 90")
    with pytest.raises(UnknownIdError, match="900"):
        wait(late)


def test_what_cannot_be_done_is_refused_at_once(
    built: gleann.Client, rows: np.ndarray
) -> None:
    few, words = known(rows), words_of(rows)
    calls = built.curation
    with pytest.raises(InvalidParamsError, match=r"alpha must be in 0\.\.0\.9999"):
        calls.propagate("built", ids=IDS[few], labels=words[few], alpha=2.0)
    with pytest.raises(InvalidInputError, match="got neither"):
        calls.propagate("built", ids=IDS[few])
    with pytest.raises(InvalidInputError, match="1 class"):
        calls.propagate("built", ids=[0, 10], labels=["a", "a"])
    with pytest.raises(LimitError, match="over the limit"):
        calls.propagate("built", ids=IDS[few], labels=words[few], k=10_000_000)
    with pytest.raises(UnknownJobError):
        calls.allocate_labels("built", "curations/12", shares={"a": 1})
    duplicates = wait(calls.near_duplicates("built", radius=0.1))
    with pytest.raises(InvalidInputError, match="not of propagation"):
        calls.allocate_labels("built", duplicates.name, shares={"a": 1})
    given = (IDS[:4], np.full((4, 2), 0.5), ["a", "b"])
    with pytest.raises(InvalidInputError, match="none for 1 of 2 classes: 'b'"):
        calls.allocate_labels("built", given, shares={"a": 1})
    with pytest.raises(InvalidParamsError, match="got none"):
        calls.allocate_labels("built", given)
    with pytest.raises(InvalidParamsError, match="chosen must be ids"):
        calls.audit("built", "picks")
    with pytest.raises(UnknownIdError, match="77"):
        calls.audit("built", [77])
    with pytest.raises(InvalidInputError, match="no column id"):
        calls.audit("built", duplicates.name, table="sizes")
    with pytest.raises(InvalidInputError, match="no column 'distance' of bools"):
        calls.audit("built", duplicates.name, flag="distance")
    with pytest.raises(InvalidParamsError, match="orders must be above 0"):
        calls.audit("built", [0], orders=[0.0])


@pytest.mark.parametrize("many", ["orders", "shares"])
def test_orders_and_shares_are_bounded(built: gleann.Client, many: str) -> None:
    with pytest.raises(LimitError, match=f"{many}: 1001 is over the limit of 1000"):
        built.curation.audit("built", IDS[:4], **{many: [0.5] * 1001})
    most = built.curation.audit("built", IDS[:4], **{many: [0.5] * 1000})
    assert len(wait(most).table("sets")) == 3
