"""The read-only mode: when it begins, when it ends, and that it does not flap."""

import errno
import sqlite3
import time
from pathlib import Path

import pytest

from gleann.index.errors import StorageError
from gleann.service.state import disk as module
from gleann.service.state.disk import Disk

LEAST = 1000


class Space(Disk):
    """A disk with as many free bytes as a test says."""

    left = 10_000

    def free(self) -> int:
        return self.left


@pytest.fixture
def disk(tmp_path: Path) -> Space:
    return Space(tmp_path, min_free_bytes=LEAST)


def test_changes_are_refused_below_the_least_with_both_numbers(disk: Space) -> None:
    disk.look()
    disk.require_room()
    disk.left = 999
    disk.look()
    with pytest.raises(StorageError, match=r"999 bytes free, .*is 1000.* until 1250"):
        disk.require_room()


def test_the_mode_ends_with_a_margin(disk: Space) -> None:
    told: list[str] = []
    disk.tell(told.append)
    for left in (999, 1001, 1249, 998, 1250, 1001, 1249, 1000, 999):
        disk.left = left
        disk.look()
    assert [bool(reason) for reason in told] == [False, True, False, True]


def test_a_refused_write_begins_it_only_if_the_disk_refuses_more(
    disk: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.note(OSError(errno.ENOSPC, "No space left on device"))
    assert not disk.reason  # it was another disk
    refuses = ["No space left on device"]
    monkeypatch.setattr(Space, "refusal", lambda _: refuses[0])
    disk.note(OSError(errno.EIO, "Input/output error"))
    assert not disk.reason
    disk.note(OSError(errno.EDQUOT, "Disk quota exceeded"))
    with pytest.raises(StorageError, match=r"refuses 1048576 bytes \(No space.* 10000"):
        disk.require_room()
    disk.look()
    assert disk.reason
    refuses[0] = ""
    disk.look()
    disk.require_room()


def test_what_an_error_was_raised_from_counts(
    disk: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Space, "refusal", lambda _: "full")
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    try:
        raise StorageError("x") from full
    except StorageError as error:
        disk.note(error)
    assert disk.reason


def test_refusals_are_counted(disk: Space) -> None:
    counted: list[int] = []
    disk.count_refused = lambda: counted.append(1)
    disk.left = 0
    disk.look()
    for _ in range(3):
        with pytest.raises(StorageError):
            disk.require_room()
    assert len(counted) == 3


def test_zero_looks_at_errors_alone(tmp_path: Path) -> None:
    disk = Space(tmp_path)
    disk.left = 0
    disk.look()
    disk.require_room()


def test_the_trial_leaves_no_file(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.look(refused=True)
    assert not disk.reason
    assert list(tmp_path.iterdir()) == []


def test_the_thread_looks_by_itself(
    disk: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN", 0.01)
    disk.open()
    try:
        assert not disk.reason
        disk.left = 1
        for _ in range(6000):
            if disk.reason:
                break
            time.sleep(0.01)
        assert "1 bytes free" in disk.reason
    finally:
        disk.close()
