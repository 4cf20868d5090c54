"""Fixtures of the security tests: servers with keys, and clients of each key."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from keys_of_tests import Keys

import gleann
from gleann.service.config.security import SecuritySettings
from gleann.service.security.keys_file import changing
from gleann.service.server import Server


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """An empty keys file."""
    file = tmp_path / "keys.json"
    with changing(file) as replace:
        replace([])
    return Keys(file)


@pytest.fixture
def keyed_server(start_server: Callable[..., Server], keys: Keys) -> Server:
    """A server that wants a key of `keys`."""
    return start_server(security=SecuritySettings(keys_file=keys.file))


@pytest.fixture
def client_of(keyed_server: Server) -> Iterator[Callable[[str | None], gleann.Client]]:
    """Clients of `keyed_server` by their key; they are closed after the test."""
    clients: list[gleann.Client] = []

    def open_client(key: str | None) -> gleann.Client:
        clients.append(gleann.Client(keyed_server.target, api_key=key, timeout=60))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()
