"""Builds that wait, for tests of long work."""

from collections.abc import Iterator

import pytest
from held import Held, holding_builds


@pytest.fixture
def held_builds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Builds wait until `go` is set."""
    with holding_builds(monkeypatch) as held:
        yield held
