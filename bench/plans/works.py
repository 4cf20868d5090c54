"""Long work of a data directory, each with its plan: builds and curations."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np

import gleann
from bench.plans.used import Used, give_back_memory
from gleann.index import BuildParams
from gleann.index.arrays import Rows, Vectors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.local import application_stubs

NAME, OTHER, WARM = "p", "other", "warm"
GROWN = "-grown"
"""Of an index to which a tenth of the rows came after its near-duplicates."""
NEW = 10
CLUSTERS, NOISE = 100, 0.01
WARM_ROWS = 600
QUERIES, BUDGET = 500, 2000
AMOUNTS = ("seconds", "memory_bytes", "disk_bytes", "disk_bytes_after")
SETTLE_SECONDS = 0.5
"""Until the old version and the log are removed."""

Calls = Any
Work = Callable[[Calls, str], Any]
"""Starts work on an index with the calls of a client, or plans it."""


def clustered(n: int, dim: int, *, seed: int = 3) -> Vectors:
    """Rows (n, dim) around some centres; the last twentieth are near earlier rows."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(CLUSTERS, dim))
    rows = centres[rng.integers(CLUSTERS, size=n)] + rng.normal(size=(n, dim))
    copies = n // 20
    rows[n - copies :] = rows[:copies] + NOISE * rng.normal(size=(copies, dim))
    return rows.astype(np.float32)


def build_works(folder: Path) -> Mapping[str, Work]:
    """An import of rows that `folder` has in a file of the index's name, and builds."""
    few = BuildParams(metric="l2", spill="none", nlist=50)
    return {
        "import": lambda calls, name: calls.import_vectors(
            name, folder / f"{name}.npy"
        ),
        "build": lambda calls, name: calls.build(name),
        "build of 50 lists": lambda calls, name: calls.build(name, few),
    }


def curation_works(rows: Vectors) -> Mapping[str, Work]:
    """Every method of curation, of an index with these rows.

    The last ones read what earlier ones have stored.
    """
    n, dim = rows.shape
    radius = _radius(dim)
    rng = np.random.default_rng(5)
    few = rng.choice(n, min(QUERIES, n // 4), replace=False)
    wanted = rows[few] + 0.1 * rng.normal(size=(len(few), dim)).astype(np.float32)
    budget = min(BUDGET, n // 4)
    return (
        _works_within(radius)
        | _works_of_examples(few, wanted)
        | {
            "epoch_plan": lambda c, name: c.curation.epoch_plan(
                name, fraction=0.2, epochs=5
            )
        }
        | {
            f"for_target, {mode}": _chosen(wanted, mode=mode, budget=budget)
            for mode in ("round_robin", "best_rank", "resample", "distil")
        }
        | _works_of_results(radius)
    )


def _works_within(radius: float) -> dict[str, Work]:
    """Work that compares rows of an index with those near them."""
    return {
        "near_duplicates": lambda c, name: c.curation.near_duplicates(
            name, radius=radius
        ),
        "near_duplicates, against": lambda c, name: c.curation.near_duplicates(
            name, radius=radius, against=OTHER
        ),
        "near_duplicates, known": lambda c, name: c.curation.near_duplicates(
            name + GROWN,
            radius=radius,
            known=_stored(c, name + GROWN, "near_duplicates"),
        ),
        "join": lambda c, name: c.curation.join(name, radius=radius),
        "join, k": lambda c, name: c.curation.join(name, OTHER, k=5),
        "leakage": lambda c, name: c.curation.leakage(
            name, split_column="split", radius=radius
        ),
        "similarity_split": lambda c, name: c.curation.similarity_split(name),
    }


def _works_of_examples(few: Rows, wanted: Vectors) -> dict[str, Work]:
    """Work that starts from a few rows, or from queries near them."""
    return {
        "mine_negatives": lambda c, name: c.curation.mine_negatives(
            name, wanted, positives=[[one] for one in few.tolist()], per_query=8
        ),
        "propagate": lambda c, name: c.curation.propagate(
            name, ids=np.sort(few), labels=np.sort(few) % 10
        ),
        "audit": lambda c, name: c.curation.audit(
            name, np.sort(few), group_columns=["split"]
        ),
    }


def _works_of_results(radius: float) -> dict[str, Work]:
    """Work on stored results: of near-duplicates and of a propagation."""
    return {
        "rethreshold": lambda c, name: c.curation.rethreshold(
            name, _stored(c, name, "near_duplicates"), radius=radius / 2
        ),
        "allocate_labels": lambda c, name: c.curation.allocate_labels(
            name,
            _stored(c, name, "propagation"),
            shares=dict.fromkeys(range(10), 0.1),
        ),
    }


def _radius(dim: int) -> float:
    """Four times the expected squared distance of a row and its copy."""
    return 4 * dim * NOISE**2


def _chosen(wanted: Vectors, *, mode: str, budget: int) -> Work:
    return lambda c, name: c.curation.for_target(name, wanted, budget=budget, mode=mode)


def _stored(calls: Calls, index: str, method: str) -> str:
    """The first stored curation of an index by a method."""
    found = [one for one in calls.curation.list(index) if one.method == method]
    return str(found[0].name)


def opened(folder: Path) -> gleann.Client:
    """A client whose work has one core: it takes as many seconds as of CPU."""
    give_back_memory()  # from the start on
    config = Config(
        data_dir=folder / "data",
        threads=1,
        import_roots=(folder,),
        optimizer=gleann.OptimizerParams(enabled=False),
    )
    return gleann.Client.of_stubs(application_stubs(Application(config)))


def measured(
    client: gleann.Client, folder: Path, works: Mapping[str, Work], name: str = NAME
) -> dict[str, dict[str, Any]]:
    """What each work took beside its plan: seconds, memory and disk."""
    found = {}
    sleep(SETTLE_SECONDS)  # memory of what was before goes back
    for what, work in works.items():
        plan = work(client.plans, name).plan
        assert plan is not None
        with Used(folder / "data") as used:
            work(client, name).wait(timeout=600)
            sleep(SETTLE_SECONDS)
        found[what] = {
            "planned": asdict(plan),
            "used": {amount: getattr(used, amount) for amount in AMOUNTS},
        }
    return found


def of_builds(folder: Path, *, n: int, dim: int) -> dict[str, dict[str, Any]]:
    """Imports and builds of `n` rows, after those of a few have loaded everything."""
    for name, rows in (WARM, clustered(WARM_ROWS, dim)), (NAME, clustered(n, dim)):
        np.save(folder / f"{name}.npy", rows)
    works = build_works(folder)
    with opened(folder) as client:
        for name in (WARM, NAME):
            client.create_index(name, dim=dim, metric="l2")
        for work in works.values():
            work(client, WARM).wait(timeout=120)
        return measured(client, folder, works)


def of_curations(folder: Path, *, n: int, dim: int) -> dict[str, dict[str, Any]]:
    """Curations of `n` rows, after those of a few have loaded everything."""
    rows, warm = clustered(n, dim), clustered(WARM_ROWS, dim)
    with opened(folder) as client:
        for name, some in ((OTHER, rows[: n // 2]), (WARM, warm), (NAME, rows)):
            client.create_index(name, dim=dim, metric="l2", columns={"split": "string"})
            splits = np.where(np.arange(len(some)) % 3 > 0, "train", "test")
            client.upsert(name, np.arange(len(some)), some, {"split": splits.tolist()})
            client.build(name).wait(timeout=300)
        for name, some in (WARM, warm), (NAME, rows):
            _grow(client, name + GROWN, some)
        for work in curation_works(warm).values():
            work(client, WARM).wait(timeout=120)
        return measured(client, folder, curation_works(rows))


def _grow(client: gleann.Client, name: str, rows: Vectors) -> None:
    """Make an index whose near-duplicates were found before a tenth of `rows` came."""
    new = np.arange(len(rows)) % NEW == 0
    client.create_index(name, dim=rows.shape[1], metric="l2")
    for some in np.flatnonzero(~new), np.flatnonzero(new):
        client.upsert(name, some, rows[some])
        client.build(name).wait(timeout=300)
        if not new[some].any():
            found = client.curation.near_duplicates(name, radius=_radius(rows.shape[1]))
            found.wait(timeout=300)
