"""A Ray on this machine, started once for all tests of a cluster."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gleann.service.cluster.session import Cluster

WORKERS = 2


@pytest.fixture(scope="session")
def cluster() -> Iterator["Cluster"]:
    """Two workers; skips where Ray is not installed."""
    pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")
    from gleann.service.cluster.session import joined

    with joined(workers=WORKERS) as started:
        yield started
