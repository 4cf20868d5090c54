"""Sets in files: what is there is kept, and truth is that of the first rows."""

import numpy as np

from bench.scale.manifold import Manifold
from bench.scale.sets import manifold_set
from gleann.index import exact_search

SMALL = Manifold(intrinsic=3, dim=12)


def test_rows_and_truth_are_kept_until_more_are_wanted(tmp_path) -> None:
    made = manifold_set(SMALL, tmp_path, most=900, queries=20)
    rows, distances = made.truth(500)
    expected = exact_search(made.queries, made.rows(500), metric="cosine", k=20)
    np.testing.assert_array_equal(rows, expected[0])
    np.testing.assert_allclose(distances, expected[1], rtol=1e-4)
    np.testing.assert_array_equal(made.truth(500, 7)[0], rows[:7])
    written = made.rows_file.stat().st_mtime_ns
    again = manifold_set(SMALL, tmp_path, most=700, queries=20)
    assert (again.most, again.rows_file.stat().st_mtime_ns) == (900, written)
    before = np.array(made.rows(900))
    larger = manifold_set(SMALL, tmp_path, most=1200, queries=20)
    assert larger.most == 1200
    np.testing.assert_array_equal(larger.rows(900), before)


def test_another_set_in_the_folder_is_replaced_with_its_truth(tmp_path) -> None:
    made = manifold_set(SMALL, tmp_path, most=300, queries=20)
    before = made.truth(300)[1]
    other = Manifold(intrinsic=3, dim=12, seed=7)
    changed = manifold_set(other, tmp_path, most=300, queries=20)
    assert (changed.truth(300)[1] != before).any()
    assert changed.truth(300)[1].shape == (20, 20)
