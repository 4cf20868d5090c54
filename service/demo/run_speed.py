"""Speed at equal recall: exact, no spilling and SOAR; then gRPC overhead."""

from importlib.util import find_spec
from time import perf_counter

import numpy as np

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.arrays import Distances, Vectors
from gleann.index.params import Spill
from gleann.service.client import Client
from gleann.service.demo import speed
from gleann.service.demo.result import SpeedResult
from gleann.service.demo.stage import Stage
from gleann.service.demo.wire import measure_wire
from gleann.service.demo.words import Words
from gleann.service.report.numerals import percent

SPILLS: dict[str, Spill] = {"SOAR": "soar", "no spilling": "none"}
EXACT_QUERIES = 100

Indexes = dict[str, SoarIndex]
Grids = dict[str, list[speed.Point]]
Settled = dict[float, dict[str, SearchParams]]


def run_speed(
    stage: Stage, words: Words, client: Client
) -> tuple[SoarIndex, SpeedResult]:
    """Build in process, tune, time, compare with gRPC; also return the SOAR index."""
    with stage.timed("in process: build"):
        indexes, seconds = _build(stage, words)
    queries = draw_queries(words, count=stage.scale.queries, seed=stage.seed)
    soar = indexes["SOAR"]
    with stage.timed("exact search of all queries"):
        exact = soar.search(queries, SearchParams(k=speed.K, exact=True)).distances
    with stage.timed("tune nprobe and rerank"):
        some = speed.batch_size(soar, queries)
        grids = {
            name: speed.tune(name, index, queries[:some], exact[:some])
            for name, index in indexes.items()
        }
    with stage.timed("race at equal recall"):
        settled = _settle(indexes, grids, queries, exact)
        raced = _race(stage, indexes, settled, queries, exact)
    params = settled[speed.TARGETS[0]].get("SOAR", SearchParams(k=speed.K))
    with stage.timed("gRPC against in process"):
        points = measure_wire(
            client, soar, queries, params, repeats=stage.scale.repeats
        )
        for point in points:
            stage.say(
                f"   {point.size:>5} queries a call: {point.remote_qps:>9,.0f}"
                f" queries/s, {percent(point.kept)} of in process"
            )
    return soar, SpeedResult(
        n=len(soar),
        queries=len(queries),
        engine=soar.engine_name,
        build_seconds=seconds,
        curves={name: speed.best(grid) for name, grid in grids.items()},
        raced=raced,
        wire=points,
        wire_params=f"nprobe {params.nprobe}, rerank {params.rerank}",
    )


def draw_queries(words: Words, *, count: int, seed: int) -> Vectors:
    """Random held-out words; in file order the frequent, easy ones come first."""
    rng = np.random.default_rng([seed, 2])
    drawn = rng.permutation(words.held_out)[:count]
    return np.ascontiguousarray(words.vectors[drawn])


def _build(stage: Stage, words: Words) -> tuple[Indexes, dict[str, float]]:
    base = np.ascontiguousarray(words.vectors[words.base])
    indexes: Indexes = {}
    seconds: dict[str, float] = {}
    for name, spill in SPILLS.items():
        params = BuildParams(spill=spill, seed=stage.seed)
        start = perf_counter()
        indexes[name] = SoarIndex.build(base, params, progress=stage.report)
        seconds[name] = perf_counter() - start
        stage.say(
            f"   {name}: {seconds[name]:.1f} s, {indexes[name].nlist:,} lists,"
            f" {indexes[name].spilled_share:.0%} spilled"
        )
    return indexes, seconds


def _settle(
    indexes: Indexes, grids: Grids, queries: Vectors, exact: Distances
) -> Settled:
    settled: Settled = {}
    for target in speed.TARGETS:
        found = {
            name: speed.settle(index, grids[name], queries, exact, target=target)
            for name, index in indexes.items()
        }
        settled[target] = {n: params for n, params in found.items() if params}
    return settled


def _race(
    stage: Stage,
    indexes: Indexes,
    settled: Settled,
    queries: Vectors,
    exact: Distances,
) -> dict[float, list[speed.Point]]:
    repeats = stage.scale.repeats
    exhaustive = exhaustive_points(indexes["SOAR"], queries, repeats=min(repeats, 2))
    raced = {}
    for target, params in settled.items():
        contenders = {name: (indexes[name], one) for name, one in params.items()}
        race = speed.race(contenders, queries, exact, repeats=repeats)
        raced[target] = [*exhaustive, *race]
        stage.say(f"   recall@{speed.K} at least {target}:")
        for point in raced[target]:
            stage.say(
                f"     {point.method:<18} recall {point.recall:.4f}"
                f" {point.qps:>10,.0f} queries/s"
                f" {point.entries:>10,.0f} entries read a query"
            )
    return raced


def exhaustive_points(
    index: SoarIndex, queries: Vectors, *, repeats: int
) -> list[speed.Point]:
    """Time exhaustive searches on fewer queries: they are slow and steady.

    That of faiss is timed where faiss is installed.
    """
    few = queries[:EXACT_QUERIES]
    ours = speed.exhaustive(
        "exact (gleann)",
        lambda some: index.search(some, SearchParams(k=speed.K, exact=True)),
        few,
        n=len(index),
        repeats=repeats,
    )
    if not find_spec("faiss"):
        return [ours]
    theirs = speed.exhaustive(
        "exact (faiss)",
        speed.faiss_flat(index.vectors),
        few,
        n=len(index),
        repeats=repeats,
    )
    return [ours, theirs]
