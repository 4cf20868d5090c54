"""What command-line tests select from: files of points, and an index of them."""

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.selection import margin_costs

N, D = 500, 8


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(5, D)) * 3
    return (centres[rng.integers(5, size=N)] + rng.normal(size=(N, D))).astype("f4")


@pytest.fixture(scope="module")
def probabilities(points):
    logits = points[:, :3] - points[:, :3].max(axis=1, keepdims=True)
    exponentials = np.exp(logits.astype(np.float64))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, points, probabilities):
    folder = tmp_path_factory.mktemp("select")
    np.save(folder / "points.npy", points)
    np.save(folder / "p.npy", probabilities)
    np.save(folder / "costs.npy", margin_costs(probabilities))
    np.save(folder / "locked.npy", np.array([7, 400]))
    names = np.array([f"n{i:03d}" for i in range(N)])
    np.save(folder / "names.npy", names)
    SoarIndex.build(points, BuildParams(metric="l2"), ids=names).save(folder / "index")
    return folder
