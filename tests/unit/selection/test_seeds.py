import subprocess
import sys

import numpy as np
from scipy.stats import chisquare

from gleann.selection.checks import IdMap
from gleann.selection.seeds import hashed_order, keyed_hashes


def hashes(ids, *, seed=0, purpose="test"):
    return keyed_hashes(IdMap(ids, n=len(ids)).held, seed=seed, purpose=purpose)


def test_a_number_depends_on_its_own_id_seed_and_purpose_alone():
    some = hashes([7, -3, 11])
    assert hashes([11, 5, 7])[[2, 0]].tolist() == some[[0, 2]].tolist()
    assert not np.isin(hashes([7, -3, 11], seed=1), some).any()
    assert not np.isin(hashes([7, -3, 11], purpose="other"), some).any()
    assert hashes(["b", "a"]).tolist() == hashes(["a", "b"])[::-1].tolist()


def test_numbers_of_texts_are_the_same_in_every_process():
    code = (
        "from gleann.selection.checks import IdMap;"
        "from gleann.selection.seeds import keyed_hashes;"
        "print(keyed_hashes(IdMap(['é', 'b'], n=2).held, seed=3, purpose='x').tolist())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert there.stdout.strip() == str(hashes(["é", "b"], seed=3, purpose="x").tolist())


def test_consecutive_ids_fall_evenly_and_any_order_is_as_likely():
    draws = hashes(np.arange(20_000))
    counts = np.bincount((draws >> np.uint64(58)).astype(np.int64), minlength=64)
    assert chisquare(counts).pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.03
    firsts = [
        hashed_order(np.arange(5), seed=seed, purpose="first")[0]
        for seed in range(2000)
    ]
    assert chisquare(np.bincount(firsts, minlength=5)).pvalue > 1e-3
