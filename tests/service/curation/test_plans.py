"""Plans of curations: what they say, and that they change nothing."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.features import FEATURES
from gleann.service.jobs.curation.methods import METHODS
from gleann.service.local import application_stubs
from gleann.service.plans import curating
from gleann.service.plans.curations import PLANNED
from gleann.service.values import Plan

DIM, RADIUS = 8, 0.05
FEW = np.arange(0, 300, 30)
SPLITS = ["train" if row < 200 else "test" for row in range(300)]
FOLDED = "newer or removed since the last build"


@pytest.fixture(autouse=True)
def steady_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans that are compared are of one pace: it is measured anew for each."""
    monkeypatch.setattr(curating, "nominal_second", lambda: 1.0)


@pytest.fixture
def client(tmp_path: Path, twins: np.ndarray):
    """A client with the indexes "docs", of 300 vectors, and "old", of 90 of them."""
    with gleann.Client(tmp_path / "library") as client:
        for name, rows in (("docs", twins), ("old", twins[:90])):
            columns = {"split": "string", "topic": "int64"}
            client.create_index(name, dim=DIM, metric="l2", columns=columns)
            payload = {
                "split": SPLITS[: len(rows)],
                "topic": (np.arange(len(rows)) % 3).tolist(),
            }
            client.upsert(name, np.arange(len(rows)), rows, payload)
            client.build(name, params()).wait(timeout=60)
        yield client


def names(client: gleann.Client) -> list[str]:
    return [job.name for job in client.jobs.list()]


def params() -> BuildParams:
    return BuildParams(metric="l2", nlist=6, tune_queries=0)


def plan_of(operation: Any) -> Plan:
    assert (operation.name, operation.done, operation.kind) == ("", True, "curate")
    assert operation.plan is not None
    return operation.plan


def all_methods(curation: Any, twins: np.ndarray, **stored: str) -> dict[str, Any]:
    """A call of every method, by its name in the request."""
    return {
        "near_duplicates": lambda: curation.near_duplicates("docs", radius=RADIUS),
        "join": lambda: curation.join("docs", "old", radius=RADIUS),
        "leakage": lambda: curation.leakage(
            "docs", split_column="split", radius=RADIUS
        ),
        "similarity_split": lambda: curation.similarity_split("docs", folds=3),
        "mine_negatives": lambda: curation.mine_negatives(
            "docs", twins[:5], positives=[[row] for row in range(5)], per_query=4
        ),
        "for_target": lambda: curation.for_target("docs", twins[:5], budget=40),
        "propagate": lambda: curation.propagate("docs", ids=FEW, labels=FEW // 30 % 2),
        "audit": lambda: curation.audit("docs", FEW, group_columns=["topic"]),
        "epoch_plan": lambda: curation.epoch_plan("docs", fraction=0.1, epochs=2),
        "rethreshold": lambda: curation.rethreshold(
            "docs", stored["found"], radius=RADIUS / 2
        ),
        "allocate_labels": lambda: curation.allocate_labels(
            "docs", stored["spread"], shares={0: 0.5, 1: 0.5}
        ),
    }


@pytest.fixture
def stored(client: gleann.Client, twins: np.ndarray) -> dict[str, str]:
    """Stored curations that others go on from."""
    calls = all_methods(client.curation, twins)
    found = calls["near_duplicates"]().wait(timeout=60).name
    return {"found": found, "spread": calls["propagate"]().wait(timeout=60).name}


def test_every_method_has_a_plan_and_is_a_feature() -> None:
    assert PLANNED.keys() == METHODS.keys()
    told = [name for name in FEATURES if name.startswith("curate:")]
    assert told == [f"curate:{name}" for name in sorted(METHODS)]


@pytest.mark.parametrize("method", METHODS)
def test_a_plan_says_what_would_be_done_and_does_nothing(
    client: gleann.Client, twins: np.ndarray, stored: dict[str, str], method: str
) -> None:
    jobs, kept = names(client), client.curation.list()
    before = client.get_index("docs")
    plan = plan_of(all_methods(client.plans.curation, twins, **stored)[method]())
    assert plan.rows == {"join": 390}.get(method, 300)
    assert plan.seconds is not None
    assert 0 < plan.seconds < 20
    assert plan.memory_bytes > 0
    assert plan.disk_bytes >= plan.disk_bytes_after > 0
    assert all(step.endswith(".") for step in plan.steps)
    assert names(client) == jobs
    assert client.curation.list() == kept
    assert client.get_index("docs") == before


def test_steps_have_the_numbers_of_the_work(
    client: gleann.Client, twins: np.ndarray, stored: dict[str, str]
) -> None:
    calls = all_methods(client.plans.curation, twins, **stored)

    def steps(method: str) -> str:
        return " ".join(plan_of(calls[method]()).steps)

    found = client.curation.get(stored["found"])
    pairs = found.info.tables["pairs"].rows
    near = client.curation.join("docs", radius=RADIUS).wait(timeout=60)
    near_pairs = near.info.tables["pairs"].rows
    assert f"of {300 * 299 // 2:,} pairs" in steps("near_duplicates")
    assert near_pairs > pairs > 80  # equal vectors are one
    assert f"about {pairs:,} are within the radius" in steps("near_duplicates")
    joined = " ".join(plan_of(client.plans.curation.join("docs", radius=RADIUS)).steps)
    assert f"about {near_pairs:,} are within the radius" in joined
    assert "of 27,000 pairs with the 90 vectors" in steps("join")
    leaked = "of 20,000 pairs of 100 vectors and 200 training vectors"
    assert leaked in steps("leakage")
    assert "first 200 ranks of each of 5 queries" in steps("mine_negatives")
    assert "chooses 40 of 300 vectors by round_robin" in steps("for_target")
    assert "10 nearest neighbours of 300 vectors" in steps("propagate")
    assert "2 classes over 3,000 edges" in steps("propagate")
    assert "measures 9,000 distances of 300 vectors to 3 sets of 10" in steps("audit")
    assert "62 lines of epochs over 300 vectors" in steps("epoch_plan")
    assert f"reads {pairs:,} pairs" in steps("rethreshold")
    assert "600 probabilities" in steps("allocate_labels")


def test_a_filter_leaves_only_what_passes(client: gleann.Client) -> None:
    plans = client.plans.curation
    plan = plan_of(plans.near_duplicates("docs", radius=RADIUS, where="topic = 0"))
    assert plan.rows == 100
    assert "of 4,950 pairs" in " ".join(plan.steps)
    with pytest.raises(errors.InvalidInputError, match="0 of 300"):
        plans.near_duplicates("docs", radius=RADIUS, where="topic = 9")


def test_newer_vectors_are_written_to_a_folder_that_goes(
    client: gleann.Client, twins: np.ndarray
) -> None:
    plans = client.plans.curation
    sealed = plan_of(plans.near_duplicates("docs", radius=RADIUS))
    assert FOLDED not in " ".join(sealed.steps)
    assert sealed.disk_bytes == sealed.disk_bytes_after
    client.upsert("docs", [900], twins[:1], {"split": ["test"], "topic": [0]})
    changed = plan_of(plans.near_duplicates("docs", radius=RADIUS))
    assert changed.rows == 301
    assert "301 vectors of 'docs' to a folder" in changed.steps[0]
    assert FOLDED in changed.steps[0]
    assert changed.disk_bytes - changed.disk_bytes_after > twins.nbytes
    assert changed.disk_bytes_after >= sealed.disk_bytes_after
    # A method that reads no index of the library needs no copy.
    audited = plan_of(plans.audit("docs", FEW))
    assert FOLDED not in " ".join(audited.steps)


def test_an_index_that_was_never_built_is_built_for_it(
    client: gleann.Client, twins: np.ndarray
) -> None:
    client.create_index("raw", dim=DIM, metric="l2")
    client.upsert("raw", np.arange(300), twins)
    plan = plan_of(client.plans.curation.near_duplicates("raw", radius=RADIUS))
    assert plan.rows == 300
    assert FOLDED in plan.steps[0]
    assert "perhaps 22,425 of 44,850 pairs: no list tells yet" in plan.steps[1]
    assert plan.disk_bytes > twins.nbytes


def test_more_pairs_than_it_may_hold_are_foretold(client: gleann.Client) -> None:
    plans, everything = client.plans.curation, {"radius": 1e6}
    plan = plan_of(plans.near_duplicates("docs", max_pairs=1000, **everything))
    assert "more than the 1,000 pairs" in " ".join(plan.steps)
    with pytest.raises(errors.LimitError, match="more than 1000 pairs"):
        client.curation.near_duplicates("docs", max_pairs=1000, **everything).wait()
    plan = plan_of(plans.near_duplicates("docs", max_pairs=50_000, **everything))
    assert "would fail" not in " ".join(plan.steps)
    joined = plan_of(plans.join("docs", max_pairs=1000, **everything))
    assert "more than the 1,000 pairs" in " ".join(joined.steps)
    # It ends there, and holds and stores no more.
    wide = plan_of(plans.near_duplicates("docs", max_pairs=50_000, **everything))
    few = plan_of(plans.near_duplicates("docs", max_pairs=1000, **everything))
    assert few.memory_bytes < wide.memory_bytes - 40_000 * 12
    assert few.disk_bytes < wide.disk_bytes - 40_000 * 12
    assert joined.disk_bytes < 50_000
    # Leakage goes on, and lists the nearest of each vector.
    leaked = {"split_column": "split", **everything}
    listed = plan_of(plans.leakage("docs", **leaked))
    most = plan_of(plans.leakage("docs", max_pairs=1000, **leaked))
    assert "20,000 are within the radius" in most.steps[0]
    assert most.disk_bytes < listed.disk_bytes - 20_000 * 12


def test_equal_vectors_are_no_pairs_of_near_duplicates(
    client: gleann.Client, twins: np.ndarray
) -> None:
    columns = {"split": "string", "topic": "int64"}
    client.create_index("equal", dim=DIM, metric="l2", columns=columns)
    client.upsert("equal", np.arange(300), np.tile(twins[:2], (150, 1)))
    client.build("equal", params()).wait(timeout=60)
    call = {"radius": 1e-9, "max_pairs": 100}
    plan = plan_of(client.plans.curation.near_duplicates("equal", **call))
    assert "few or none are within the radius" in plan.steps[0]
    assert "would fail" not in " ".join(plan.steps)
    client.curation.near_duplicates("equal", **call).wait(timeout=60)
    joined = plan_of(client.plans.curation.join("equal", **call))
    assert "would fail" in " ".join(joined.steps)
    with pytest.raises(errors.LimitError):
        client.curation.join("equal", **call).wait(timeout=60)


def test_pairs_that_are_known_are_not_looked_for(
    client: gleann.Client, twins: np.ndarray
) -> None:
    plans, name = client.plans.curation, {"radius": RADIUS}
    found = client.curation.near_duplicates("docs", radius=2.0).wait(timeout=60)
    pairs = found.table("pairs").column("distance").to_numpy()
    near = int((pairs <= np.float32(RADIUS)).sum())
    assert 0 < near < len(pairs)
    alone = plan_of(plans.near_duplicates("docs", **name))
    known = plan_of(plans.near_duplicates("docs", known=found.name, **name))
    taken = f"It takes about {near} pairs of 300 vectors from {found.name},"
    assert known.steps[0].startswith(taken)
    assert len(known.steps) == 2
    assert known.seconds is not None
    assert alone.seconds is not None
    assert known.seconds < alone.seconds
    few = plan_of(
        plans.near_duplicates("docs", known=found.name, max_pairs=near - 1, **name)
    )
    assert f"more than the {near - 1} pairs" in few.steps[1]
    # Ten vectors more, and ten that are others now.
    changed = twins[:20] + 50
    payload = {"split": ["test"] * 20, "topic": [0] * 20}
    client.upsert("docs", np.arange(290, 310), changed, payload)
    grown = plan_of(plans.near_duplicates("docs", known=found.name, **name))
    assert "of 290 vectors from" in grown.steps[1]
    left = 310 * 309 // 2 - 290 * 289 // 2
    assert f"of {left:,} pairs" in grown.steps[2]
    whole = plan_of(plans.near_duplicates("docs", **name))
    assert f"of {310 * 309 // 2:,} pairs" in whole.steps[1]


def test_one_of_a_kind_is_in_the_singular(client: gleann.Client) -> None:
    plans, one = client.plans.curation, {"where": "id = 5"}
    row = np.zeros((1, DIM), np.float32)
    told = [
        plans.for_target("docs", row, budget=1),
        plans.join("docs", row, radius=RADIUS),
        plans.join("docs", "old", k=1, **one),
        plans.audit("docs", [5], **one),
        plans.epoch_plan("docs", fraction=0.5, **one),
        plans.mine_negatives("docs", row, positives=[[1]], per_query=1, window=(0, 1)),
    ]
    steps = " ".join(step for plan in told for step in plan_of(plan).steps)
    assert "ranks vectors for 1 target." in steps
    assert "the 1 vector of the other side" in steps
    assert "1 line of epochs over 1 vector." in steps
    assert "the first 1 rank of each of 1 query." in steps
    assert "takes 1 negative of each" in steps
    assert not re.findall(r"\b1 [a-z]+s\b", steps)


def test_vectors_that_are_sent_are_compared_themselves(
    client: gleann.Client, twins: np.ndarray
) -> None:
    plans, far = client.plans.curation, twins[:50] + 1000
    for sent in (twins[:50], far):
        made = client.curation.join("docs", sent, radius=RADIUS).wait(timeout=60)
        found = made.info.tables["pairs"].rows
        said = f"about {found:,} are" if found else "few or none are"
        joined = plan_of(plans.join("docs", sent, radius=RADIUS))
        assert said in joined.steps[0]
        assert ("about" in said) == (sent is not far)
        beside = plan_of(plans.near_duplicates("docs", radius=RADIUS, against=sent))
        assert ("few or none" in beside.steps[1]) == (sent is far)
    with pytest.raises(errors.InvalidInputError, match="NaN"):
        plans.join("docs", np.full((2, DIM), np.nan, np.float32), radius=RADIUS)


def test_more_folds_than_lists_are_refused(client: gleann.Client) -> None:
    plan = plan_of(client.plans.curation.similarity_split("docs", folds=6))
    assert plan.steps == ("It puts 300 vectors into 6 folds by their lists.",)
    with pytest.raises(errors.InvalidParamsError, match="folds must be at most 6"):
        client.plans.curation.similarity_split("docs", folds=7)


def test_splits_of_one_kind_have_no_leakage(client: gleann.Client) -> None:
    for where, said in (
        ({"trained_on": ["none"]}, "outside the classes"),
        ({"trained_on": ["train", "test"]}, "0 rows to audit and 300 training rows"),
        ({"where": "split = 'train'"}, "0 rows to audit and 200 training rows"),
    ):
        call = {"split_column": "split", "radius": RADIUS, **where}
        with pytest.raises(errors.InvalidInputError, match=said):
            client.plans.curation.leakage("docs", **call)


def test_numbers_beyond_the_vectors_are_those_of_the_vectors(
    client: gleann.Client, twins: np.ndarray
) -> None:
    plans, given = client.plans.curation, {"ids": FEW, "labels": FEW // 30 % 2}
    usual = plan_of(plans.propagate("docs", uncertain=300, **given))
    wide = plan_of(plans.propagate("docs", uncertain=10**9, **given))
    assert wide.disk_bytes - usual.disk_bytes < 100
    all_near = plan_of(plans.propagate("docs", k=999, **given))
    assert "finds the 299 nearest" in all_near.steps[0]
    mined = plans.mine_negatives(
        "docs", twins[:5], positives=[[1]] * 5, per_query=4, window=(1, 10**6)
    )
    assert "the first 300 ranks" in plan_of(mined).steps[0]


def test_what_the_request_refuses_its_plan_refuses(
    client: gleann.Client, twins: np.ndarray
) -> None:
    plans = client.plans.curation
    client.create_index("empty", dim=DIM)
    with pytest.raises(errors.NotReadyError, match="empty"):
        plans.near_duplicates("empty", similarity=0.9)
    with pytest.raises(errors.UnknownIndexError):
        plans.near_duplicates("none", radius=1)
    with pytest.raises(errors.InvalidParamsError, match="radius"):
        plans.near_duplicates("docs")
    with pytest.raises(errors.UnknownJobError):
        plans.rethreshold("docs", "curations/00", radius=1)
    with pytest.raises(errors.UnknownIdError):
        plans.propagate("docs", ids=[1, 12345], labels=[1, 2])
    with pytest.raises(errors.DimensionMismatchError):
        plans.mine_negatives("docs", twins[:, :3], positives=[[1]] * 300, per_query=1)
    assert [job.kind for job in client.jobs.list()] == ["build", "build"]


def test_what_a_limit_does_not_allow_is_refused_beforehand(
    tmp_path: Path, twins: np.ndarray
) -> None:
    config = Config(data_dir=tmp_path / "few")
    limits = replace(config.limits, work_bytes=10_000, distances=10_000)
    application = Application(replace(config, limits=limits))
    with gleann.Client.of_stubs(application_stubs(application)) as client:
        client.create_index("docs", dim=DIM, metric="l2")
        client.upsert("docs", np.arange(300), twins)
        plans = client.plans.curation
        for refused in (
            lambda: plans.propagate("docs", ids=FEW, labels=FEW // 30),
            lambda: plans.audit("docs", np.arange(100)),
            lambda: plans.for_target("docs", twins[:50], budget=300),
            lambda: plans.epoch_plan("docs", fraction=1, epochs=50),
            lambda: plans.near_duplicates("docs", radius=1, max_pairs=10_000),
        ):
            with pytest.raises(errors.LimitError, match="10000"):
                refused()
        assert client.jobs.list() == []


def test_every_mode_and_side_has_a_plan(
    client: gleann.Client, twins: np.ndarray
) -> None:
    plans = client.plans.curation
    for mode in ("round_robin", "best_rank", "resample", "distil"):
        plan = plan_of(plans.for_target("docs", twins[:5], budget=40, mode=mode))
        assert f"40 of 300 vectors by {mode}" in plan.steps[-1]
    beside = plan_of(plans.near_duplicates("docs", radius=RADIUS, against="old"))
    assert beside.rows == 390
    assert "of 27,000 pairs with the 90 vectors" in beside.steps[1]
    some = plan_of(plans.near_duplicates("docs", radius=RADIUS, against=twins[:50]))
    assert some.rows == 350
    assert "of 15,000 pairs with the 50 vectors" in some.steps[1]
    joined = plan_of(plans.join("docs", twins[:50], radius=RADIUS))
    assert "of 15,000 pairs" in joined.steps[0]
    nearest = plan_of(plans.join("docs", "old", k=4))
    assert "90 vectors of 'old' for the 4 nearest of each of 300" in nearest.steps[0]
    audited = plan_of(plans.leakage("docs", "old", radius=RADIUS))
    assert "pairs of 300 vectors and 90 training vectors" in audited.steps[0]
    listed = plan_of(plans.epoch_plan("docs", fraction=0.1, by_lists=True))
    assert listed.rows == 300


def test_a_probe_is_planned_by_the_share_that_it_ranks_best(
    client: gleann.Client, twins: np.ndarray
) -> None:
    """Of so many targets that finding their rows takes more than to learn from them."""
    plans, wanted = client.plans.curation, twins[:30]

    def planned(fraction: float) -> Any:
        return plan_of(
            plans.for_target(
                "docs", wanted, budget=5, mode="distil", positive_fraction=fraction
            )
        )

    few, most = planned(0.1), planned(0.9)
    assert few.memory_bytes < most.memory_bytes
    assert few.seconds < most.seconds
