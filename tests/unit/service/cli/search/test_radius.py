"""`gleann search --radius`."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from gleann.index import exact_search
from gleann.service.cli.main import run

N = 400


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(91).normal(size=(N, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("radius")
    np.save(folder / "v.npy", rows)
    np.save(folder / "q.npy", rows[:7] + np.float32(0.1))
    lines = [f"{'a' if row % 2 else 'b'}" for row in range(N)]
    (folder / "p.csv").write_text("kind\n" + "\n".join(lines) + "\n")
    paths = [str(folder / "v.npy"), str(folder / "index")]
    assert (
        run(["build", *paths, "--metric", "l2", "--payload", str(folder / "p.csv")])
        == 0
    )
    return folder


def found(folder, *options):
    out = folder / "out.parquet"
    paths = [str(folder / "index"), str(folder / "q.npy"), "--out", str(out)]
    assert run(["search", *paths, "--overwrite", *options]) == 0
    table = pq.read_table(out).to_pydict()
    return [
        [
            row
            for query, row in zip(table["query"], table["id"], strict=True)
            if query == q
        ]
        for q in range(7)
    ], table


def truth(folder, rows, radius, allowed=None):
    queries = np.load(folder / "q.npy")
    near, distances = exact_search(queries, rows, metric="l2", k=N, allowed=allowed)
    return [
        near[q][distances[q] <= np.float32(radius)].tolist()
        for q in range(len(queries))
    ]


@pytest.mark.parametrize("radius", [0.06, 1.5, 1e6])
def test_all_within_a_distance(folder, rows, radius, capsys):
    hits, table = found(folder, "--radius", str(radius))
    expected = truth(folder, rows, radius)
    assert hits == expected
    assert all(near <= radius for near in table["distance"])
    ranks = [rank for some in expected for rank in range(len(some))]
    assert table["rank"] == ranks
    assert f"all within {radius:g} each" in capsys.readouterr().out


def test_the_nearest_of_those(folder, rows, capsys):
    hits, _ = found(folder, "--radius", "1.5", "--k", "3")
    assert hits == [some[:3] for some in truth(folder, rows, 1.5)]
    assert "up to 3 neighbours within 1.5 each" in capsys.readouterr().out


def test_with_a_condition(folder, rows):
    options = ("--radius", "2", "--where", "kind = 'a'", "--columns", "kind")
    hits, table = found(folder, *options)
    assert hits == truth(folder, rows, 2, allowed=np.arange(N) % 2 == 1)
    assert set(table["kind"]) == {"a"}


def test_a_target_recall_probes(folder, rows):
    hits, _ = found(folder, "--radius", "1", "--target-recall", "0.9")
    expected = truth(folder, rows, 1)
    assert sum(map(len, hits)) >= 0.8 * sum(map(len, expected))
    assert all(
        set(some) <= set(all_) for some, all_ in zip(hits, expected, strict=True)
    )


def test_no_hit_at_all(folder):
    hits, table = found(folder, "--radius", "0")
    assert hits == [[]] * 7
    assert table["distance"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--radius", "-1"), "radius must be at least 0"),
        (("--radius", "nan"), "radius must be finite"),
        (("--radius", "1", "--nprobe", "3"), "--nprobe is not for --radius"),
        (("--radius", "1", "--rerank", "30"), "--rerank is not for --radius"),
        (("--radius", "1", "--k", "0"), "k must be at least 1"),
    ],
)
def test_bad_options_are_refused(folder, options, words, capsys):
    out = folder / "refused.parquet"
    paths = [str(folder / "index"), str(folder / "q.npy"), "--out", str(out)]
    assert run(["search", *paths, *options]) != 0
    assert words in capsys.readouterr().err
    assert not out.exists()
