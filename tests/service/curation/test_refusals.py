"""A plan refuses what the work refuses before it begins, in the same words."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.local import application_stubs

N, DIM, RADIUS = 60, 4, 0.5
IDS = np.arange(N)
LABELS = IDS % 2
ROWS = np.random.default_rng(5).normal(size=(N, DIM)).astype(np.float32)
ZERO = np.zeros((1, DIM), np.float32)
EVEN = np.full((N, 2), 0.5)
COLUMNS = {"split": "string", "note": "string", "score": "float64", "part": "float64"}


def payload() -> dict[str, list[Any]]:
    """Columns of all rows; "note" and "score" lack the last one."""
    return {
        "split": ["train" if row < N // 2 else "test" for row in range(N)],
        "note": [*["x"] * (N - 1), None],
        "score": [*[0.5] * (N - 1), None],
        "part": [0.25] * N,
    }


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    """A client with "docs" (l2), "unit" (cosine), "zeros" (l2) and "empty"."""
    with gleann.Client(tmp_path_factory.mktemp("refusals")) as client:
        fill(client)
        yield client


def fill(client: gleann.Client) -> None:
    zeros = ROWS.copy()
    zeros[7] = 0
    for name, metric, rows in (
        ("docs", "l2", ROWS),
        ("unit", "cosine", ROWS),
        ("zeros", "l2", zeros),
        ("empty", "l2", ROWS[:0]),
    ):
        client.create_index(name, dim=DIM, metric=metric, columns=COLUMNS)
        if len(rows):
            client.upsert(name, IDS, rows, payload())
            params = BuildParams(metric=metric, nlist=6, tune_queries=0)
            client.build(name, params).wait(timeout=60)


def of_targets(**options: Any) -> Callable[[Any], Any]:
    given = {"targets": ROWS[:3], "budget": 5, **options}
    return lambda curation: curation.for_target("docs", **given)


def of_labels(ids: np.ndarray, **options: Any) -> Callable[[Any], Any]:
    given = {"ids": ids, "labels": LABELS[ids], "k": 3, **options}
    return lambda curation: curation.propagate("docs", **given)


def of_probabilities(values: np.ndarray, **options: Any) -> Callable[[Any], Any]:
    given = {"shares": {0: 0.5, 1: 0.5}, **options}
    known = (IDS[: len(values)], values, [0, 1])
    return lambda curation: curation.allocate_labels(
        "docs", probabilities=known, **given
    )


def of_duplicates(**options: Any) -> Callable[[Any], Any]:
    given = {"radius": RADIUS, **options}
    return lambda curation: curation.near_duplicates("docs", **given)


ONE = {"where": "id = 5"}
TRAIN = {"where": "split = 'train'"}
CASES: dict[str, tuple[Callable[[Any], Any], type[errors.GleannError], str]] = {
    "near_duplicates: a text as score": (
        of_duplicates(keep_by="score", scores="split"),
        errors.InvalidInputError,
        "scores are numbers",
    ),
    "near_duplicates: a null as score": (
        of_duplicates(keep_by="newest", scores="score"),
        errors.InvalidInputError,
        "no value for id 59",
    ),
    "near_duplicates: a score for some": (
        of_duplicates(keep_by="score", scores=([1, 2], [0.5, 0.5])),
        errors.InvalidInputError,
        "58 of 60 vectors have none",
    ),
    "near_duplicates: an empty other side": (
        of_duplicates(against="empty"),
        errors.NotReadyError,
        "empty",
    ),
    "near_duplicates: no row": (
        of_duplicates(where="id = 99"),
        errors.InvalidInputError,
        "0 of 60",
    ),
    "near_duplicates: a zero vector": (
        lambda c: c.near_duplicates("unit", radius=RADIUS, against=ZERO),
        errors.ZeroVectorError,
        "1 of 1",
    ),
    "join: a recall above 1": (
        lambda c: c.join("docs", "zeros", k=2, target_recall=1.5),
        errors.InvalidParamsError,
        "1.5",
    ),
    "join: an empty other side": (
        lambda c: c.join("docs", "empty", radius=RADIUS),
        errors.NotReadyError,
        "empty",
    ),
    "join: more pairs of a part than allowed": (
        lambda c: c.join("docs", "zeros", k=2, max_pairs=50, **TRAIN),
        errors.LimitError,
        "60 is over the limit of 50",
    ),
    "join: a zero vector": (
        lambda c: c.join("unit", ZERO, radius=RADIUS),
        errors.ZeroVectorError,
        "1 of 1",
    ),
    "leakage: a null as split": (
        lambda c: c.leakage("docs", split_column="note", radius=RADIUS),
        errors.InvalidInputError,
        "no value for id 59",
    ),
    "leakage: a null as group": (
        lambda c: c.leakage(
            "docs", split_column="split", group_column="note", radius=RADIUS
        ),
        errors.InvalidInputError,
        "no value for id 59",
    ),
    "leakage: an empty reference": (
        lambda c: c.leakage("docs", "empty", radius=RADIUS),
        errors.NotReadyError,
        "empty",
    ),
    "leakage: a split of no row of a part": (
        lambda c: c.leakage(
            "docs",
            split_column="split",
            trained_on=["dev"],
            radius=RADIUS,
            **TRAIN,
        ),
        errors.InvalidInputError,
        "splits 'dev' are outside the classes ['', 'train']",
    ),
    "leakage: training rows alone": (
        lambda c: c.leakage("docs", split_column="split", radius=RADIUS, **TRAIN),
        errors.InvalidInputError,
        "0 rows to audit and 30 training rows",
    ),
    "similarity_split: more folds than lists": (
        lambda c: c.similarity_split("docs", folds=7),
        errors.InvalidParamsError,
        "at most 6",
    ),
    "similarity_split: more folds than rows": (
        lambda c: c.similarity_split("docs", folds=2, **ONE),
        errors.InvalidParamsError,
        "at most 1",
    ),
    "similarity_split: a null as group": (
        lambda c: c.similarity_split("docs", folds=2, together_column="note"),
        errors.InvalidInputError,
        "no value for id 59",
    ),
    "mine_negatives: a zero vector": (
        lambda c: c.mine_negatives("unit", ZERO, positives=[[1]], per_query=1),
        errors.ZeroVectorError,
        "1 of 1",
    ),
    "mine_negatives: no row": (
        lambda c: c.mine_negatives(
            "docs", ROWS[:1], positives=[[1]], per_query=1, where="id = 99"
        ),
        errors.InvalidInputError,
        "0 of 60",
    ),
    "for_target: a zero vector": (
        lambda c: c.for_target("unit", ZERO, budget=2),
        errors.ZeroVectorError,
        "1 of 1",
    ),
    "for_target: a cap of no group": (
        of_targets(group_column="split", caps={"dev": 3}),
        errors.InvalidParamsError,
        "there is a cap for group 'dev'",
    ),
    "for_target: a cap of no group of a part": (
        of_targets(group_column="split", caps={"test": 3}, **TRAIN),
        errors.InvalidParamsError,
        "there is a cap for group 'test'",
    ),
    "for_target: a null as group": (
        of_targets(group_column="note", caps=3),
        errors.InvalidInputError,
        "no value for id 59",
    ),
    "for_target: a share of no task": (
        of_targets(mode="resample", shares={"a": 1.0}),
        errors.InvalidParamsError,
        "shares are of 'a', but tasks are ''",
    ),
    "for_target: shares of other tasks": (
        of_targets(mode="resample", tasks=["a", "b", "b"], shares={"a": 0.5, "c": 0.5}),
        errors.InvalidParamsError,
        "shares are of 'a', 'c', but tasks are 'a', 'b'",
    ),
    "for_target: a probe of one row": (
        of_targets(mode="distil", **ONE),
        errors.InvalidInputError,
        "2 rows at least, but 1 may be chosen",
    ),
    "for_target: a probe without excluded rows": (
        of_targets(mode="distil", excluded_ids=IDS[1:]),
        errors.InvalidInputError,
        "2 rows at least, but 1 may be chosen",
    ),
    "for_target: a probe without its targets": (
        of_targets(mode="distil", targets=None, target_ids=IDS[:30], **TRAIN),
        errors.InvalidInputError,
        "2 rows at least, but 0 may be chosen",
    ),
    "propagate: a label outside the part": (
        of_labels(IDS[20:40], **TRAIN),
        errors.InvalidInputError,
        "10 of 20 that are not among the 30 of 60 rows: 30, 31",
    ),
    "propagate: uncertain ones of none": (
        of_labels(IDS, uncertain=3),
        errors.InvalidParamsError,
        "uncertain is 3, but all 60 vectors",
    ),
    "propagate: uncertain ones of none of a part": (
        of_labels(IDS[:30], uncertain=3, **TRAIN),
        errors.InvalidParamsError,
        "uncertain is 3, but all 30 vectors",
    ),
    "allocate_labels: shares that do not sum": (
        of_probabilities(EVEN, shares={0: 0.5, 1: 0.4}),
        errors.InvalidInputError,
        "sum to 0.9, not to 1",
    ),
    "allocate_labels: bounds that are too low": (
        of_probabilities(EVEN, shares=None, upper_bounds={0: 0.5, 1: 0.4}),
        errors.InvalidInputError,
        "upper_bounds sum to 0.9, but 1 of",
    ),
    "allocate_labels: numbers that are no probabilities": (
        of_probabilities(2 * EVEN),
        errors.InvalidInputError,
        "probabilities of row 0 sum to 2",
    ),
    "allocate_labels: no evidence": (
        of_probabilities(0 * EVEN),
        errors.InvalidInputError,
        "0 of 60 rows have a probability above 0",
    ),
    "allocate_labels: a share of a class of no row": (
        of_probabilities(np.tile([1.0, 0.0], (N, 1))),
        errors.InvalidInputError,
        "1 of 2 classes have a share above 0",
    ),
    "allocate_labels: none of a part": (
        of_probabilities(EVEN[:30], where="split = 'test'"),
        errors.InvalidInputError,
        "0 of 30 vectors with probabilities pass",
    ),
    "audit: a choice outside the part": (
        lambda c: c.audit("docs", IDS[20:40], **TRAIN),
        errors.UnknownIdError,
        "10 of 20 are not there",
    ),
    "audit: numbers as groups": (
        lambda c: c.audit("docs", IDS[:5], group_columns=["part"]),
        errors.InvalidInputError,
        "part must be one-dimensional integers or strings",
    ),
    "audit: a vector of length zero": (
        lambda c: c.audit("zeros", IDS[:5]),
        errors.ZeroVectorError,
        "row 7 is a zero vector",
    ),
    "epoch_plan: a fraction of nothing": (
        lambda c: c.epoch_plan("docs", fraction=1e-9),
        errors.InvalidParamsError,
        "at least 1 / 1000000",
    ),
    "epoch_plan: a null as stratum": (
        lambda c: c.epoch_plan("docs", fraction=0.5, stratum_column="note"),
        errors.InvalidInputError,
        "no value for id 59",
    ),
}


def require_same(
    client: gleann.Client, call: Callable[[Any], Any]
) -> errors.GleannError:
    """The error of a plan, which its work has too."""
    with pytest.raises(errors.GleannError) as planned:
        call(client.plans.curation)
    with pytest.raises(type(planned.value)) as done:
        call(client.curation).wait(timeout=60)
    assert str(planned.value) == str(done.value)
    return planned.value


@pytest.mark.parametrize("case", CASES)
def test_a_plan_refuses_what_the_work_refuses(client: gleann.Client, case: str) -> None:
    call, kind, said = CASES[case]
    error = require_same(client, call)
    assert type(error) is kind
    assert said in str(error)


def test_newer_vectors_are_looked_at_too(client: gleann.Client) -> None:
    bare: dict[str, list[Any]] = {name: [None] for name in COLUMNS}
    client.create_index("grown", dim=DIM, metric="l2", columns=COLUMNS)
    client.upsert("grown", IDS, ROWS, payload())
    client.build("grown", BuildParams(metric="l2", nlist=2, tune_queries=0)).wait()
    client.upsert("grown", [900], ZERO, bare)
    for call in (
        lambda c: c.audit("grown", IDS[:5]),
        lambda c: c.epoch_plan("grown", fraction=0.5, stratum_column="split"),
        lambda c: c.similarity_split("grown", folds=3),
    ):
        require_same(client, call)


def test_what_stored_curations_lack_is_refused(client: gleann.Client) -> None:
    curation = client.curation
    found = curation.near_duplicates("docs", radius=RADIUS).wait(timeout=60).name
    error = require_same(client, of_duplicates(radius=2 * RADIUS, known=found))
    assert "pairs up to 0.5, below the radius 1" in str(error)
    error = require_same(client, lambda c: c.rethreshold("docs", found, radius=1))
    assert "up to which pairs are known" in str(error)
    spread = of_labels(IDS[:10])(curation).wait(timeout=60).name
    error = require_same(
        client,
        lambda c: c.allocate_labels("docs", spread, shares={0: 0.5, 1: 0.5, 2: 0.1}),
    )
    assert "of classes that are not among the 2" in str(error)


def test_tables_above_a_limit_are_refused(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path / "few")
    limits = replace(config.limits, work_bytes=60_000)
    application = Application(replace(config, limits=limits))
    with gleann.Client.of_stubs(application_stubs(application)) as client:
        client.create_index("docs", dim=DIM, metric="l2", columns=COLUMNS)
        client.upsert("docs", IDS, ROWS, payload())
        wide = {"split_column": "split", "radius": RADIUS, "bins": 200}
        error = require_same(client, lambda c: c.leakage("docs", **wide))
        assert "2 groups with 200 bins each: 64000 is over" in str(error)
