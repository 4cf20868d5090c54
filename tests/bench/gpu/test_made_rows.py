"""Made rows of `bench.gpu`: as hard as they are meant to be, and reproducible."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from bench.gpu import check_data
from bench.gpu import data as gpu_data


@pytest.mark.parametrize("inner", [4, 8])
def test_made_rows_have_the_inner_dimension_they_are_made_with(inner):
    made = gpu_data.Made(n=2000, dim=32, inner=inner, nlist=1)
    rows = gpu_data.generate(made, 6000, seed=1, device=torch.device("cpu"))
    rows = rows.numpy().astype(np.float64)
    near = np.sort(np.square(rows[:200, None] - rows[None]).sum(axis=2))[:, 1:40]
    assert inner * 0.7 < gpu_data.inner_dimension(near) < inner * 1.3


def probes_of(rows, queries):
    found = check_data.hardness(rows, queries, nlist=max(1, len(rows) // 244))
    return np.array([found.probes[segments] for segments in ("both", "primary")])


@pytest.mark.slow
def test_made_rows_are_not_easy():
    """At first their clusters lay so far apart that the ten nearest shared a list."""
    ours, easy = (
        probes_of(*check_data.made_rows(16_000, spread=spread, seed=0))
        for spread in (gpu_data.CLUSTER_SPREAD, check_data.EASY_SPREAD)
    )
    assert (ours[:, 2] >= 1.7 * easy[:, 2]).all()


@pytest.mark.slow
@pytest.mark.data
def test_made_rows_take_as_many_probes_as_real_ones(load_dataset):
    real = load_dataset("sift-128")
    theirs = probes_of(*check_data.real_rows(real, 20_000))
    spread = gpu_data.CLUSTER_SPREAD
    ours = probes_of(*check_data.made_rows(20_000, spread=spread, seed=0))
    assert (ours >= 0.6 * theirs).all()
    assert (ours <= 1.4 * theirs).all()


def test_made_rows_depend_on_the_seed_alone():
    cpu = torch.device("cpu")
    one, two, other = (
        gpu_data.generate(gpu_data.QUICK, 50, seed=seed, device=cpu)
        for seed in (1, 1, 2)
    )
    assert (one == two).all()
    assert (one != other).any()
