"""Indexes whose codes are of projected rows: axes, search, files, refusals."""

import filecmp
import pickle
from dataclasses import replace

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search
from gleann.index.build.fit_memory import fit_memory, layout_bytes
from gleann.index.build.rows import code_rows
from gleann.index.codes import Encoding
from gleann.index.engines import native
from gleann.index.errors import InvalidParamsError
from gleann.index.extension import compiled
from gleann.index.fold import fold_on_disk
from gleann.index.graph.knn_graph import knn_graph
from gleann.index.join.pairs import PairJoin
from gleann.index.join.side import side_of_index
from gleann.index.metric import pair_distances
from gleann.index.projection import fit_axes, fit_projection, products_reference
from tests.support.keeps import KEEPS

N, DIM, P, RANK = 2500, 48, 16, 14
METRICS = ["l2", "cosine", "ip"]
TIERS = [*native.tiers(), native.EMULATED_TIER] if native.available() else []
ENGINES = ["native", "reference"] if native.available() else ["reference"]
needs_native = pytest.mark.skipif(
    not native.available(), reason=native.unavailable_reason()
)


def rows_of(n: int = N, *, seed: int = 1, away: float = 0.0) -> np.ndarray:
    """Rows near a space of `RANK` dimensions."""
    axes = np.random.default_rng(0).normal(size=(RANK, DIM))
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, RANK)) @ axes + 0.2 * rng.normal(size=(n, DIM))
    return (rows + away).astype(np.float32)


def params_of(metric: str = "l2", **others: object) -> BuildParams:
    plain = BuildParams(metric=metric, projection=P, tune_queries=300)  # type: ignore[arg-type]
    return replace(plain, **others)  # type: ignore[arg-type]


def recall_of(index: SoarIndex, queries: np.ndarray, params: SearchParams) -> float:
    truth, _ = exact_search(queries, index.vectors, metric=index.metric, k=10)
    found = index.search(queries, params).ids
    hits = [len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)]
    return float(np.mean(hits)) / 10


def pairs_of(index: SoarIndex, radius: float) -> set[tuple[int, int]]:
    """All pairs of its rows within a radius."""
    join = PairJoin(side_of_index(index), radius=radius)
    blocks = [np.stack([block.rows, block.others]) for block in join.blocks()]
    pairs = np.sort(np.concatenate(blocks, axis=1), axis=0).T
    return set(map(tuple, pairs.tolist()))


def loss(a: np.ndarray, b: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> float:
    """Of the products of queries with rows, by axes A and B."""
    apart = (queries @ a.T) @ (rows @ b.T).T - queries @ rows.T
    return float(np.square(apart).sum() / np.square(queries @ rows.T).sum())


def moments(vectors: np.ndarray) -> np.ndarray:
    return vectors.T.astype(np.float64) @ vectors / len(vectors)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(("d", "p"), [(1, 1), (5, 5), (37, 11), (100, 64)])
def test_products_are_those_of_numpy_in_all_tiers(tier, d, p):
    rng = np.random.default_rng(d)
    vectors = rng.normal(size=(201, d)).astype(np.float32)
    axes = rng.normal(size=(p, d)).astype(np.float32)
    for center in (np.zeros(d, np.float32), vectors[0]):
        shift = center if center.any() else np.empty(0, np.float32)
        got = compiled.project_rows(vectors, axes, shift, tier=tier, threads=2)
        want = products_reference(vectors, axes, center)
        np.testing.assert_array_equal(got, want)
        np.testing.assert_allclose(
            want, (vectors - center) @ axes.T, rtol=1e-4, atol=1e-4
        )


def test_axes_lose_the_least_of_products_with_queries():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(3000, 20)) * np.geomspace(4, 0.2, 20)
    spread = rng.permutation(np.geomspace(0.2, 4, 20))
    queries = rng.normal(size=(2000, 20)) * spread
    of_rows, of_queries = moments(rows), moments(queries)
    b, a = fit_axes(of_rows, of_queries, dims=6)
    plain, same = fit_axes(of_rows, None, dims=6)
    assert same is None
    np.testing.assert_allclose(plain @ plain.T, np.eye(6), atol=1e-9)
    sphering = loss(a, b, queries, rows)
    assert sphering < 0.9 * loss(plain, plain, queries, rows)
    # No axes lose less than the least singular values of the products.
    best = np.linalg.svd(queries @ rows.T, compute_uv=False)
    assert sphering == pytest.approx(
        np.square(best[6:]).sum() / np.square(best).sum(), rel=1e-6
    )
    whole, asked = fit_axes(of_rows, of_queries, dims=20)
    assert loss(asked, whole, queries, rows) < 1e-12
    # Queries that are distributed as the rows have the axes of the rows.
    own, also = fit_axes(of_rows, of_rows, dims=6)
    np.testing.assert_allclose(also.T @ own, plain.T @ plain, atol=1e-6)


def test_few_queries_do_not_hide_directions():
    rows = rows_of(800)
    center = np.zeros(DIM, np.float32)
    one = fit_projection(rows, center, P, queries=rows[:1], left_out=None, seed=0)
    kept = loss(one.query_axes, one.row_axes, rows[100:200], rows)
    assert kept < 0.05


@pytest.mark.parametrize("flat", [np.zeros, np.ones])
def test_rows_without_spread_have_axes(flat):
    rows = flat((60, 12), np.float32)
    center = rows[0]
    fitted = fit_projection(rows, center, 4, queries=rows, left_out=None, seed=0)
    assert np.isfinite(fitted.row_axes).all()
    assert np.isfinite(fitted.query_axes).all()
    index = SoarIndex.build(rows + 1, BuildParams(metric="l2", projection=4))
    assert (index.search(rows[:3] + 1, SearchParams(k=3)).distances == 0).all()


@pytest.mark.parametrize("away", [0.0, 30.0])
@pytest.mark.parametrize("metric", METRICS)
def test_scores_stand_for_distances(metric, away):
    """By codes, but for what the axes leave out: all of it where they keep all."""
    rows, queries = rows_of(400, away=away), rows_of(30, seed=2, away=away)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    center = np.median(rows, axis=0) if away else np.zeros(DIM, np.float32)
    for asked in (None, queries):
        fitted = fit_projection(rows, center, DIM, queries=asked, left_out=None, seed=0)
        plain = Encoding(metric=metric, kind="int8", center=center)
        encoding = replace(plain, projection=fitted)
        scores = encoding.scan_scores(queries, encoding.encode(rows))
        true = queries.astype(np.float64) @ rows.T
        if metric == "l2":
            true = 2 * true - np.square(rows.astype(np.float64)).sum(axis=1)
        for got, want in zip(scores, true, strict=True):
            assert np.corrcoef(got, want)[0, 1] > 0.999


@pytest.mark.parametrize("metric", METRICS)
def test_codes_of_kernels_are_those_of_numpy(metric):
    rows = rows_of(300, away=20.0)
    center = np.median(rows, axis=0)
    fitted = fit_projection(rows, center, P, queries=rows[:90], left_out=None, seed=0)
    encoding = Encoding(metric=metric, kind="int8", center=center, projection=fitted)
    one, other = encoding.encode(rows), code_rows(rows, encoding, threads=2)
    assert encoding.width == P
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.scales, other.scales)
    np.testing.assert_array_equal(one.biases, other.biases)


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_searches_find_what_they_promise_with_whole_distances(metric, asked):
    queries = rows_of(900, seed=2)
    index = SoarIndex.build(
        rows_of(), params_of(metric), queries=queries[300:] if asked else None
    )
    assert index.params.projection == P
    assert index.params.codes == "int8"
    assert recall_of(index, queries[:300], SearchParams(target_recall=0.95)) >= 0.94
    found = index.search(queries[:300])
    assert found.stats.estimated_recall >= 0.95
    truth, near = exact_search(queries[:300], rows_of(), metric=metric, k=10)
    same = found.ids == truth
    np.testing.assert_array_equal(found.distances[same], near[same])


@needs_native
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("metric", METRICS)
def test_answers_depend_on_neither_batch_nor_tier_nor_threads(metric, tier):
    index = SoarIndex.build(rows_of(away=9.0), params_of(metric))
    queries = rows_of(70, seed=2, away=9.0)
    params = SearchParams(nprobe=9, rerank=25)
    whole = index.search(queries, params)
    for threads in (1, 3):
        engine = native.NativeEngine(index.data, tier=tier, threads=threads)
        other = index.served_by(engine)
        found = other.search(queries, params)
        np.testing.assert_array_equal(found.ids, whole.ids)
        np.testing.assert_array_equal(found.distances, whole.distances)
        for at in (0, 33):
            alone = other.search(queries[at], params)
            np.testing.assert_array_equal(alone.ids[0], whole.ids[at])


@pytest.mark.parametrize("entry_codes", ["copied", "shared"])
@pytest.mark.parametrize("keep", KEEPS)
def test_files_are_those_of_a_build_on_disk_and_answer_alike(
    tmp_path, keep, entry_codes
):
    params = params_of(keep=keep, entry_codes=entry_codes)
    for asked in (None, rows_of(200, seed=5)):
        built = SoarIndex.build(rows_of(), params, queries=asked)
        built.save(tmp_path / "a")
        SoarIndex.build_on_disk(rows_of(), tmp_path / "b", params, queries=asked)
        one, other = (next((tmp_path / x).glob("data-*")) for x in "ab")
        names = sorted(file.name for file in one.iterdir())
        assert names == sorted(file.name for file in other.iterdir())
        assert ("projection_queries.npy" in names) == (asked is not None)
        assert filecmp.cmpfiles(one, other, names, shallow=False)[0] == names
        opened = SoarIndex.load(tmp_path / "a")
        assert opened.params == built.params
        queries = rows_of(40, seed=2)
        found, again = built.search(queries), opened.search(queries)
        np.testing.assert_array_equal(found.ids, again.ids)
        np.testing.assert_array_equal(found.distances, again.distances)
        copied = pickle.loads(pickle.dumps(opened))
        np.testing.assert_array_equal(copied.search(queries).ids, again.ids)


def test_few_rows_whose_codes_tell_little_are_saved_and_loaded(tmp_path):
    """Pools of the sample go up to 100 k, and no operating point re-ranks so many."""
    params = params_of(projection=1, nlist=9, tune_queries=60)
    for n in (90, 600):
        index = SoarIndex.build(rows_of(n, away=5.0), params)
        assert max(p.rerank for p in index.operating_points) <= n
        index.save(tmp_path / str(n))
        opened = SoarIndex.load(tmp_path / str(n))
        assert opened.operating_points == index.operating_points


def test_the_reference_finds_as_much(tmp_path):
    SoarIndex.build(rows_of(), params_of()).save(tmp_path / "i")
    queries = rows_of(50, seed=2)
    found = [
        SoarIndex.load(tmp_path / "i", engine=engine).search(
            queries, SearchParams(nprobe=12, rerank=200)
        )
        for engine in ENGINES
    ]
    for other in found[1:]:
        assert np.mean(other.ids == found[0].ids) > 0.999


@pytest.mark.parametrize("share", [0.004, 0.05, 0.5])
def test_filters_hold(share):
    index = SoarIndex.build(rows_of(), params_of())
    mask = np.random.default_rng(7).random(N) < share
    queries = rows_of(60, seed=2)
    for allowed in (mask, index.allow(mask)):
        found = index.search(queries, SearchParams(k=5, allowed=allowed))
        near, _ = exact_search(queries, rows_of()[mask], metric="l2", k=5)
        truth = np.flatnonzero(mask)[near]
        assert np.isin(found.ids, np.flatnonzero(mask)).all()
        hits = (found.ids[:, :, None] == truth[:, None, :]).any(axis=2)
        assert hits.mean() >= 0.93


def test_a_radius_is_complete():
    index = SoarIndex.build(rows_of(), params_of())
    queries = rows_of(20, seed=2)
    apart = np.square(queries[:, None].astype("f8") - rows_of()).sum(axis=2)
    radius = float(np.quantile(apart, 0.01))
    found = index.search_radius(queries, radius, target_recall=1.0)
    assert found.complete
    np.testing.assert_array_equal(
        np.diff(found.offsets), (apart.astype("f4") <= radius).sum(axis=1)
    )


def test_newer_rows_are_found_and_folded(tmp_path):
    SoarIndex.build(rows_of(), params_of()).save(tmp_path / "old")
    old = SoarIndex.load(tmp_path / "old")
    newer = rows_of(300, seed=8)
    if native.available():
        lists = old.newer_lists()
        lists.assign(newer)
        rows = lists.rows(newer)
        found = old.find_rows(newer[:50], SearchParams(k=1), newer=rows)
        np.testing.assert_array_equal(found.rows[:, 0], N + np.arange(50))
        assert (found.distances[:, 0] == 0).all()
    keep = np.arange(N) >= 100
    ids = np.arange(N, N + 300)
    fold_on_disk(old, newer, tmp_path / "new", ids=ids, keep=keep)
    folded = SoarIndex.load(tmp_path / "new")
    assert folded.params.projection == P
    np.testing.assert_array_equal(folded.search(newer).ids[:, 0], ids)
    left = np.concatenate([rows_of()[100:], newer])
    near, _ = exact_search(rows_of(100, seed=2), left, metric="l2", k=10)
    found = folded.search(rows_of(100, seed=2)).ids - 100
    hits = (found[:, :, None] == near[:, None, :]).any(axis=2)
    assert hits.mean() >= 0.93


def test_memory_counts_smaller_codes(tmp_path):
    sizes = {}
    for p in (None, P):
        params = params_of(projection=p, keep="disk", entry_codes="shared")
        SoarIndex.build_on_disk(rows_of(), tmp_path / str(p), params)
        index = SoarIndex.load(tmp_path / str(p))
        parts = index.memory().parts
        sizes[p] = parts["row_codes"].mapped, parts["centroids"].anonymous
        reckoned = layout_bytes(params, n=N, dim=DIM, nlist=index.nlist)
        assert index.memory().searched <= reckoned
    assert sizes[None][0] - sizes[P][0] == N * (DIM - P)
    assert sizes[P][1] - sizes[None][1] == 4 * P * DIM


def test_a_budget_projects_where_nothing_else_fits():
    shape = {"n": 3_000_000, "dim": 384, "nlist": 6928}
    smallest = BuildParams(spill="soar", keep="disk", entry_codes="shared")
    size = layout_bytes(smallest, **shape)
    chosen = fit_memory(BuildParams(spill="soar", memory=size - 1), **shape)
    assert chosen == replace(smallest, projection=192)
    few = layout_bytes(chosen, **shape)
    assert few < 0.7 * size
    with pytest.raises(InvalidParamsError, match=r"smallest layout .*projection=192"):
        fit_memory(BuildParams(spill="soar", memory=few - 1), **shape)
    given = fit_memory(BuildParams(spill="soar", projection=64, memory=few), **shape)
    assert given.projection == 64
    narrow = {**shape, "dim": 255}
    size = layout_bytes(smallest, **narrow)
    with pytest.raises(InvalidParamsError, match="projection=None"):
        fit_memory(BuildParams(spill="soar", memory=size - 1), **narrow)


def test_what_cannot_be_is_refused(tmp_path):
    for bad in (0, -1, 1.5, True, "8"):
        with pytest.raises(InvalidParamsError, match="projection must be"):
            BuildParams(projection=bad)
    with pytest.raises(InvalidParamsError, match=r"projection is 8.*is 'float32'"):
        BuildParams(projection=8, codes="float32")
    wide = params_of(projection=DIM + 1)
    said = f"projection is {DIM + 1}, and rows have {DIM} dimensions"
    with pytest.raises(InvalidParamsError, match=said):
        SoarIndex.build(rows_of(), wide)
    with pytest.raises(InvalidParamsError, match=said):
        SoarIndex.build_on_disk(rows_of(), tmp_path / "i", wide)
    assert not (tmp_path / "i").exists()
    for engine in ("faiss", "torch", "triton"):
        with pytest.raises(InvalidParamsError, match=f"{engine}' does not search"):
            SoarIndex.build(rows_of(), params_of(), engine=engine)
    SoarIndex.build(rows_of(), params_of()).save(tmp_path / "i")
    with pytest.raises(InvalidParamsError, match="'faiss' does not search"):
        SoarIndex.load(tmp_path / "i", engine="faiss")
    with pytest.raises(ValueError, match=r"NaN|finite"):
        SoarIndex.load(tmp_path / "i").search(np.full((1, DIM), np.nan, np.float32))


@pytest.mark.parametrize("metric", METRICS)
def test_graphs_are_right_over_projected_codes(metric):
    index = SoarIndex.build(rows_of(), params_of(metric))
    graph = knn_graph(index, k=6)
    _, near = exact_search(index.vectors, index.vectors, metric=metric, k=7)
    got = graph.neighbours
    apart = pair_distances(index.vectors, index.vectors[got], metric)
    assert (got != np.arange(N)[:, None]).all()
    # The row itself is among its nearest, and not among its neighbours.
    assert (apart <= near[:, 6:] + 1e-5).mean() >= 0.94


def test_pairs_within_a_radius_are_those_of_whole_rows():
    for metric in ("l2", "cosine"):
        index = SoarIndex.build(rows_of(600), params_of(metric))
        whole = SoarIndex.build(rows_of(600), params_of(metric, projection=None))
        rows = whole.vectors
        apart = pair_distances(rows, np.broadcast_to(rows, (600, 600, DIM)), metric)
        radius = float(np.quantile(apart[apart > 1e-3], 0.01))
        found = [pairs_of(one, radius) for one in (index, whole)]
        assert len(found[0]) > 1000
        assert found[0] == found[1]
