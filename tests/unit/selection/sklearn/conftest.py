"""Rows that the tests of the estimators share."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def blobs():
    """Rows (600, 12) float32 around 6 far centres, and the centre of each."""
    rng = np.random.default_rng(5)
    centres = 12 * rng.normal(size=(6, 12))
    labels = np.repeat(np.arange(6), 100)
    rows = centres[labels] + rng.normal(size=(600, 12))
    return rows.astype(np.float32), labels
