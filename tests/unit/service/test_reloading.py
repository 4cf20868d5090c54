"""New settings: what changes at once, what waits, and what is refused."""

import logging
from pathlib import Path

import pytest

from gleann.index.errors import InvalidParamsError, StorageError
from gleann.service.config import Config
from gleann.service.config.log import LogSettings
from gleann.service.config.reloading import reloaded
from gleann.service.server.reloading import Reloading
from gleann.service.values import Limits

OLD = Config(data_dir=Path("d"))
NEW = Config(
    data_dir=Path("e"),
    rpc_threads=3,
    limits=Limits(hits=5, message_bytes=99),
    log=LogSettings(level="debug", slow_seconds=2.5),
)


def test_only_what_may_change_does() -> None:
    found = reloaded(OLD, NEW)
    assert found.changed == ("limits.hits", "log.level", "log.slow_seconds")
    assert set(found.waiting) == {"data_dir", "rpc_threads", "limits.message_bytes"}
    config = found.config
    assert (config.limits.hits, config.log.slow_seconds) == (5, 2.5)
    assert config.data_dir == OLD.data_dir
    assert config.rpc_threads == OLD.rpc_threads
    assert config.limits.message_bytes == OLD.limits.message_bytes
    assert reloaded(config, config).changed == ()


def test_the_log_names_what_changed_and_what_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    applied: list[Config] = []
    reloading = Reloading(OLD, lambda: NEW, [applied.append])
    with caplog.at_level(logging.INFO):
        reloading.reload()
    text = caplog.text
    assert "changed: limits.hits, log.level, log.slow_seconds" in text
    assert "need a restart: data_dir, rpc_threads, limits.message_bytes" in text
    assert applied == [reloading.config]


def test_wrong_settings_leave_the_old_ones(caplog: pytest.LogCaptureFixture) -> None:
    applied: list[Config] = []

    def load() -> Config:
        raise InvalidParamsError("c.toml: threads must be at least 0, got -1")

    reloading = Reloading(OLD, load, [applied.append])
    reloading.reload()
    assert reloading.config is OLD
    assert applied == []
    assert "stay as they are: c.toml: threads must be" in caplog.text


def test_a_part_that_fails_does_not_keep_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    applied: list[Config] = []

    def fail(_: Config) -> None:
        raise StorageError("log.file /x: No such file or directory")

    reloading = Reloading(OLD, lambda: NEW, [fail, applied.append])
    reloading.reload()
    assert len(applied) == 1
    assert "stays as it is: log.file /x" in caplog.text


def test_a_bug_ends_neither_the_reload_nor_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    applied: list[Config] = []

    def fail(*_: object) -> Config:
        raise OSError("a bug")

    Reloading(OLD, fail, [applied.append]).reload()
    assert applied == []
    Reloading(OLD, lambda: NEW, [fail, applied.append]).reload()
    assert len(applied) == 1
    assert caplog.text.count("OSError: a bug") == 2
