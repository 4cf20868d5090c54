"""Room on a disk."""

from pathlib import Path

import pytest

from gleann.index import errors
from gleann.service.state import disk_room


def test_both_numbers_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = type("Usage", (), {"free": 395})
    monkeypatch.setattr(disk_room.shutil, "disk_usage", lambda _: room)
    disk_room.require_room(tmp_path, needed=395, what="a copy")
    with pytest.raises(errors.StorageError) as caught:
        disk_room.require_room(tmp_path, needed=396, what="a copy")
    said = f"a copy takes about 396 bytes in {tmp_path}, where 395 are free"
    assert str(caught.value) == said
