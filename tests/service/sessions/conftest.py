"""An index with payload."""

import pytest
from filtered_world import add_payload

import gleann


@pytest.fixture
def split(built: gleann.Client) -> gleann.Client:
    """A client whose index "built" has payload."""
    add_payload(built)
    return built
