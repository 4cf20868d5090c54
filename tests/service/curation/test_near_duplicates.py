"""Near-duplicates over RPC: as the library says, on live indexes, beside others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import gleann
from gleann.index import BuildParams, SoarIndex, errors
from gleann.selection.curation.duplicates import near_duplicates, rethreshold
from gleann.selection.curation.duplicates.collect import Collector

RADIUS = 0.05
Library = Callable[..., SoarIndex]


def filled(
    client: gleann.Client, rows: np.ndarray, *, name: str = "a", metric: str = "l2"
) -> None:
    client.create_index(name, dim=8, metric=metric)
    client.upsert(name, np.arange(len(rows)), rows)


def built(client: gleann.Client, name: str, metric: Any = "l2") -> None:
    params = BuildParams(metric=metric, nlist=6, tune_queries=0)
    client.build(name, params).wait(timeout=60)


def found_by(curation: Any) -> dict[Any, tuple[bool, Any, float]]:
    """(kept, duplicate_of, distance) by id."""
    lines = curation.table("rows").to_pylist()
    return {
        line["id"]: (line["kept"], line["duplicate_of"], round(line["distance"], 6))
        for line in lines
    }


def expected(found: Any) -> dict[Any, tuple[bool, Any, float]]:
    table = found.table().columns
    columns = [
        np.asarray(table[name]).tolist()
        for name in ("id", "kept", "duplicate_of", "distance")
    ]
    return {
        one: (kept, of, round(distance, 6))
        for one, kept, of, distance in zip(*columns, strict=True)
    }


def test_what_the_library_says(
    client: gleann.Client, twins: np.ndarray, library: Library
) -> None:
    filled(client, twins)
    built(client, "a")
    made = client.curation.near_duplicates("a", radius=RADIUS, curve=True).wait(
        timeout=60
    )
    found = near_duplicates(library(twins), radius=RADIUS)
    assert found_by(made) == expected(found)
    assert made.summary == found.summary()
    assert made.summary["dropped"] >= 90
    pairs = made.table("pairs")
    assert len(pairs) == len(found.pairs) > 80
    named = set(
        zip(
            pairs.column("id").to_pylist(),
            pairs.column("other_id").to_pylist(),
            strict=True,
        )
    )
    assert named == set(
        zip(found.pairs.rows.tolist(), found.pairs.others.tolist(), strict=True)
    )
    sizes = dict(zip(*made.table("sizes").to_pydict().values(), strict=True))
    assert sum(size * count for size, count in sizes.items()) == 300
    assert sum(sizes.values()) == made.summary["kept"]
    shown = made.table("examples")
    assert len(shown) == 10
    assert set(shown.column("id").to_pylist()) <= {
        one for one, (kept, *_) in found_by(made).items() if not kept
    }
    curve = made.table("curve")
    dropped = curve.column("dropped").to_pylist()
    assert dropped == sorted(dropped)
    assert (dropped[0], dropped[-1]) == (10, made.summary["dropped"])
    assert made.provenance["params"]["radius"] == RADIUS
    assert made.info.version.sealed == 1


def test_newer_replaced_and_removed_vectors(
    client: gleann.Client, twins: np.ndarray, library: Library
) -> None:
    """The live vectors are joined, however they came, and no others."""
    filled(client, twins[:200])
    built(client, "a")
    client.upsert("a", np.arange(200, 300), twins[200:])
    moved = twins[5:8] + 40
    client.upsert("a", np.arange(5, 8), moved)  # they were near 205, 206 and 207
    client.delete_vectors("a", np.arange(20, 30))
    client.upsert("a", [999], twins[250:251])
    live = np.concatenate([np.delete(np.arange(300), np.arange(20, 30)), [999]])
    rows = np.concatenate([twins, twins[250:251]])
    rows[5:8] = moved
    kept = np.delete(np.arange(301), np.arange(20, 30))
    found = near_duplicates(library(rows[kept], ids=live), radius=RADIUS)
    made = client.curation.near_duplicates("a", radius=RADIUS).wait(timeout=60)
    assert found_by(made) == expected(found)
    assert found_by(made)[205][:2] == (True, 205)
    assert found_by(made)[999][1] == 50
    assert 20 not in found_by(made)
    assert made.summary["rows"] == 291
    assert made.info.version.sequence > 1
    built(client, "a")
    again = client.curation.near_duplicates("a", radius=RADIUS).wait(timeout=60)
    assert found_by(again) == found_by(made)


def test_an_index_that_was_never_built(
    client: gleann.Client, twins: np.ndarray, library: Library
) -> None:
    filled(client, twins)
    made = client.curation.near_duplicates("a", radius=RADIUS).wait(timeout=60)
    assert found_by(made) == expected(near_duplicates(library(twins), radius=RADIUS))
    assert made.info.version.sealed == 0


def test_cosine_texts_as_ids_and_similarity(
    client: gleann.Client, twins: np.ndarray, library: Library
) -> None:
    names = [f"é-{i:03}" for i in range(300)]
    client.create_index("a", dim=8, metric="cosine")
    client.upsert("a", names[:250], twins[:250])
    built(client, "a", "cosine")
    client.upsert("a", names[250:], twins[250:])
    made = client.curation.near_duplicates("a", similarity=0.99).wait(timeout=60)
    index = library(twins, ids=names, metric="cosine")
    assert found_by(made) == expected(near_duplicates(index, similarity=0.99))
    assert found_by(made)["é-299"][1] == "é-099"
    closer = client.curation.rethreshold("a", made.name, similarity=0.999)
    want = near_duplicates(index, similarity=0.999)
    assert found_by(closer.wait(timeout=60)) == expected(want)


def test_only_vectors_that_pass(
    client: gleann.Client, twins: np.ndarray, library: Library
) -> None:
    columns = {"split": "string"}
    client.create_index("a", dim=8, metric="l2", columns=columns)
    split = ["train" if i % 3 else "test" for i in range(300)]
    client.upsert("a", np.arange(300), twins, {"split": split})
    built(client, "a")
    client.update_payload("a", {"split": ["train"]}, ids=[0])
    made = client.curation.near_duplicates(
        "a", radius=RADIUS, where="split = $1", parameters=["train"]
    ).wait(timeout=60)
    passing = np.flatnonzero(np.arange(300) % 3)
    passing = np.concatenate([[0], passing])
    found = near_duplicates(library(twins), radius=RADIUS, among=passing)
    assert found_by(made) == expected(found)
    among = made.provenance["among"]
    assert (among["rows"], among["of"], among["where"]) == (201, 300, "split = $1")


def test_another_index_and_its_newer_vectors(
    client: gleann.Client, twins: np.ndarray, library: Library
) -> None:
    filled(client, twins[200:])
    client.create_index("b", dim=8, metric="l2")
    client.upsert("b", np.arange(5000, 5060), twins[:60])
    built(client, "b")
    client.upsert("b", np.arange(5060, 5100), twins[60:100])
    client.delete_vectors("b", np.arange(5000, 5010))
    made = client.curation.near_duplicates("a", radius=RADIUS, against="b").wait(
        timeout=60
    )
    other = library(twins[10:100], ids=np.arange(5010, 5100))
    found = near_duplicates(library(twins[200:]), radius=RADIUS, against=other)
    assert found_by(made) == expected(found)
    assert made.summary["dropped_for_outside"] == found.summary()["dropped_for_outside"]
    outside = made.table("rows", columns=["id", "outside_id"]).to_pydict()
    by_id = dict(zip(outside["id"], outside["outside_id"], strict=True))
    assert (by_id[99], by_id[0]) == (5099, -1)
    vectors = client.curation.near_duplicates("a", radius=RADIUS, against=twins[:100])
    rows = vectors.wait(timeout=60).table("rows").to_pydict()
    assert rows["outside_id"][95] == 95
    closer = client.curation.rethreshold("a", made.name, radius=0.001).wait(timeout=60)
    want = rethreshold(found, radius=0.001)
    assert found_by(closer) == expected(want)
    assert closer.summary == want.summary()


def test_which_is_kept(client: gleann.Client, twins: np.ndarray) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    columns = {"score": "float64", "at": "timestamp", "note": "string"}
    client.create_index("a", dim=8, metric="l2", columns=columns)
    payload = pa.table(
        {
            "score": np.arange(300) / 2,
            "at": [start - timedelta(hours=i) for i in range(300)],
            "note": ["x"] * 300,
        }
    )
    client.upsert("a", np.arange(300), twins, payload)

    def kept(**options: Any) -> tuple[bool, bool]:
        job = client.curation.near_duplicates("a", radius=RADIUS, **options)
        found = found_by(job.wait(timeout=60))
        return found[95][0], found[295][0]

    ids = np.arange(300)
    assert kept() == (True, False)
    assert kept(keep_by="score", scores="score") == (False, True)
    assert kept(keep_by="score", scores=(ids, -1.0 * ids)) == (True, False)
    assert kept(keep_by="newest", scores="at") == (True, False)
    assert kept(keep_by="newest") == (False, True)
    client.upsert("a", [95], twins[95:96])
    assert kept(keep_by="newest") == (True, False)
    with pytest.raises(errors.InvalidInputError, match="no value for id 95"):
        kept(keep_by="newest", scores="at")
    with pytest.raises(errors.InvalidInputError, match="numbers, bools or times"):
        kept(keep_by="score", scores="note")


def test_only_new_vectors_are_joined_with_a_known_answer(
    client: gleann.Client, twins: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[int] = []
    real = Collector.join

    def join(self: Any, new: np.ndarray, old: Any) -> None:
        joined.append(int(new.sum()))
        real(self, new, old)

    monkeypatch.setattr(Collector, "join", join)
    filled(client, twins[:250])
    first = client.curation.near_duplicates("a", radius=0.2).wait(timeout=60)
    client.upsert("a", np.arange(250, 300), twins[250:])
    client.upsert("a", [3], twins[3:4] + 9)
    client.delete_vectors("a", [10, 210])
    known = client.curation.near_duplicates("a", radius=RADIUS, known=first.name)
    fresh = client.curation.near_duplicates("a", radius=RADIUS)
    one, other = known.wait(timeout=60), fresh.wait(timeout=60)
    assert found_by(one) == found_by(other)
    assert one.summary == other.summary
    assert joined == [250, 41, 288]  # ten of the new vectors have equals: not looked at
    # It chains: an answer that used another is as complete.
    client.upsert("a", [700], twins[7:8])
    chained = client.curation.near_duplicates("a", radius=RADIUS, known=one.name)
    assert found_by(chained.wait(timeout=60))[700][:2] == (False, 7)


def test_smaller_distances_are_those_of_a_new_run(
    client: gleann.Client, twins: np.ndarray
) -> None:
    filled(client, twins)
    made = client.curation.near_duplicates("a", radius=0.2).wait(timeout=60)
    for radius in (0.2, RADIUS, 0.004, 0.0):
        closer = client.curation.rethreshold("a", made.name, radius=radius, curve=True)
        fresh = client.curation.near_duplicates("a", radius=radius, curve=True)
        one, other = closer.wait(timeout=60), fresh.wait(timeout=60)
        for table in ("rows", "sizes", "pairs", "examples", "curve"):
            assert one.table(table).equals(other.table(table)), (radius, table)
        assert one.summary == other.summary
        assert one.provenance["params"]["radius"] == radius


def test_the_request_is_in_the_provenance(
    client: gleann.Client, twins: np.ndarray
) -> None:
    client.create_index("a", dim=8, metric="l2", columns={"score": "float64"})
    client.upsert("a", np.arange(300), twins, {"score": [0.5] * 300})
    filled(client, twins[:20], name="b")
    made = client.curation.near_duplicates(
        "a", radius=RADIUS, keep_by="score", scores="score", against="b"
    ).wait(timeout=60)
    request = {
        "radius": RADIUS,
        "keep_by": "KEEP_BY_SCORE",
        "score_column": "score",
        "against_index": "b",
    }
    assert made.provenance["request"] == request
    given = client.curation.near_duplicates(
        "a", radius=RADIUS, keep_by="score", against=twins[:3],
        scores=(np.arange(300), np.ones(300)),
    ).wait(timeout=60)  # fmt: skip
    kept = given.provenance["request"]
    assert kept["against_vectors"]["data"] == {"bytes": 3 * 8 * 4}
    assert kept["scores"]["values"] == {"bytes": 300 * 8}

    # What thins it is about the state that it was about.
    client.upsert("a", [700], twins[:1], {"score": [1.0]})
    closer = client.curation.rethreshold("a", made.name, radius=0.01).wait(timeout=60)
    assert closer.provenance["request"] == {"curation": made.name, "radius": 0.01}
    assert closer.provenance["of"] == request
    assert closer.info.version == made.info.version
    again = client.curation.rethreshold("a", closer.name, radius=0.001)
    assert again.wait(timeout=60).provenance["of"] == request


def test_an_index_beside_itself(client: gleann.Client, twins: np.ndarray) -> None:
    filled(client, twins)
    with pytest.raises(errors.InvalidParamsError, match="against_index is 'a' itself"):
        client.curation.near_duplicates("a", radius=RADIUS, against="a")
