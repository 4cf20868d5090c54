"""Fixtures of the security tests: servers with keys, and clients of each key."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import gleann
from gleann.service.calls.caller import Grant, Right
from gleann.service.config.security import SecuritySettings
from gleann.service.security.keys_file import changing, read_keys
from gleann.service.security.making_keys import new_key
from gleann.service.server import Server


@dataclass(frozen=True)
class Keys:
    """A keys file, to which tests add keys."""

    file: Path

    def add(
        self,
        name: str,
        *grants: tuple[Right, str],
        expires: timedelta | None = None,
        made: timedelta = timedelta(0),
    ) -> str:
        """Add a key, made `made` ago; return what its user is given."""
        now = datetime.now(UTC)
        with changing(self.file) as replace:
            key, token = new_key(
                name,
                [Grant(*grant) for grant in grants],
                now=now - made,
                expires=None if expires is None else now + expires,
            )
            replace([*read_keys(self.file), key])
        return token


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
        clients.append(gleann.Client(keyed_server.target, api_key=key, timeout=30))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()
