"""A keys file, to which tests add keys."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gleann.service.calls.caller import Grant, Right
from gleann.service.security.keys_file import changing, read_keys
from gleann.service.security.making_keys import new_key


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


def until(true: Callable[[], bool]) -> None:
    """Wait until a condition holds, for 60 seconds at most."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "not within 60 s"
        time.sleep(0.02)
