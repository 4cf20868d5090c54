"""A record is one line, whoever chose the words in it."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gleann.index.errors import StorageError
from gleann.service.calls.caller import Caller
from gleann.service.calls.context import CallContext, answering
from gleann.service.config.log import LogSettings
from gleann.service.logs.formats import ConsoleFormat, JsonFormat
from gleann.service.logs.setup import ServerLog

FORGED = 'x\n2026-01-01T00:00:00Z INFO gleann forged\r\x1b[31m\u2028"}'
CALL = CallContext(
    caller=Caller("team\nb", ()), call_id="3f2a", method="/a.B/C", peer="ipv4:1.2.3.4:5"
)


def record(
    message: str = "index %s", *args: object, error: bool = False
) -> logging.LogRecord:
    info = None
    if error:
        try:
            raise ValueError(FORGED)
        except ValueError:
            info = sys.exc_info()
    return logging.LogRecord("gleann.x", logging.WARNING, "f", 1, message, args, info)


def test_console_lines_cannot_be_forged() -> None:
    with answering(CALL):
        text = ConsoleFormat().format(record("index %s", FORGED))
    assert text.isprintable()
    assert "WARNING gleann.x index x\\n2026" in text
    assert text.endswith(
        "[call_id=3f2a method=/a.B/C peer=ipv4:1.2.3.4:5 key=team\\nb]"
    )


def test_console_tracebacks_are_below_their_line() -> None:
    first, *below = ConsoleFormat().format(record("failed", error=True)).split("\n")
    assert first.endswith("WARNING gleann.x failed")
    assert len(below) >= 4
    assert all(line.startswith("    | ") and line.isprintable() for line in below)


def test_json_lines_have_the_call_and_the_fields() -> None:
    one = record("index %s", FORGED, error=True)
    one.fields = {"index": FORGED, "seconds": 0.5}
    with answering(CALL):
        text = JsonFormat().format(one)
    assert text.isprintable()
    found = json.loads(text)
    assert found["message"] == f"index {FORGED}"
    assert found["level"] == "warning"
    assert found["logger"] == "gleann.x"
    assert found["index"] == FORGED
    assert (found["call_id"], found["method"], found["key"]) == (
        "3f2a", "/a.B/C", "team\nb",
    )  # fmt: skip
    assert found["traceback"].startswith("Traceback")
    assert found["time"].endswith("Z")


def test_outside_of_a_call_there_is_none() -> None:
    assert "call_id" not in json.loads(JsonFormat().format(record("x")))
    assert not ConsoleFormat().format(record("x")).endswith("]")


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    level = root.level
    yield root
    root.setLevel(level)


def test_the_log_is_changed_and_opened_again(
    tmp_path: Path, root: logging.Logger
) -> None:
    file, level, handlers = tmp_path / "server.log", root.level, list(root.handlers)
    log = ServerLog(LogSettings(file=file, level="info"))
    try:
        logging.getLogger("gleann.x").debug("unseen")
        logging.getLogger("gleann.x").info("first")
        file.rename(tmp_path / "server.log.1")
        log.apply(LogSettings(file=file, level="debug", format="json"))
        logging.getLogger("gleann.x").debug("second")
        with pytest.raises(StorageError, match=r"log.file .*none/x"):
            log.apply(LogSettings(file=tmp_path / "none" / "x"))
        logging.getLogger("gleann.x").debug("third")
    finally:
        log.close()
    assert root.level == level
    assert root.handlers == handlers
    assert "first" in (tmp_path / "server.log.1").read_text()
    assert "unseen" not in (tmp_path / "server.log.1").read_text()
    messages = [json.loads(line)["message"] for line in file.read_text().splitlines()]
    assert messages == ["second", "third"]


@pytest.fixture
def told() -> Iterator[logging.Logger]:
    """A logger without other handlers than that of a `ServerLog`."""
    root, logger = logging.getLogger(), logging.getLogger("gleann.x")
    others, level = list(root.handlers), root.level
    root.handlers.clear()
    yield logger
    root.handlers[:] = others
    root.setLevel(level)


def test_a_line_that_the_disk_has_no_room_for_goes_to_stderr(
    told: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither it nor a reload or the end of the log is an error of whoever logs."""
    log = ServerLog(LogSettings(file=Path("/dev/full")))
    told.warning("no room for %s", FORGED)
    told.warning("second")
    log.apply(LogSettings(file=tmp_path / "server.log"))
    told.warning("third")
    log.apply(LogSettings(file=Path("/dev/full")))
    told.warning("fourth")
    log.close()
    says = capsys.readouterr().err.splitlines()
    assert [line.partition("gleann.x ")[2][:6] for line in says] == [
        "no roo", "second", "fourth",
    ]  # fmt: skip
    assert "third" in (tmp_path / "server.log").read_text()


def test_a_log_whose_folder_is_gone_goes_on_once_it_is_there_again(
    told: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = ServerLog(LogSettings(file=folder / "server.log"))
    told.warning("first")
    folder.rename(tmp_path / "old")
    told.warning("second")
    told.warning("third")
    folder.mkdir()
    told.warning("fourth")
    log.close()
    assert [line[-6:] for line in capsys.readouterr().err.splitlines()] == [
        "second", " third",
    ]  # fmt: skip
    assert (folder / "server.log").read_text().endswith("fourth\n")
