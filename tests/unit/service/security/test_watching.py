"""Files are read again when they change, and when reading them failed."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gleann.index.errors import InvalidInputError
from gleann.service.security import watching
from gleann.service.security.watching import Watch, Watched


class Reader:
    """Counts readings of a file; the text "bad" cannot be read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.texts: list[str] = []

    def read(self) -> None:
        text = self.file.read_text()
        if text == "bad":
            raise InvalidInputError(f"{self.file} is bad")
        self.texts.append(text)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    file = tmp_path / "file"
    file.write_text("first")
    return Reader(file)


@pytest.fixture
def watch(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """A watch that looks only when it is told to."""
    monkeypatch.setattr(watching, "SECONDS_BETWEEN", 3600)
    made = Watch([Watched([reader.file], reader.read)], also=lambda: None)
    yield made
    made.close()


def test_what_has_not_changed_is_not_read(reader: Reader, watch: Watch) -> None:
    watch.look()
    assert reader.texts == []
    watch.look(anyway=True)
    assert reader.texts == ["first"]


def test_changes_of_each_kind_are_seen(reader: Reader, watch: Watch) -> None:
    before = reader.file.stat()
    reader.file.write_text("other")  # of the same size
    os.utime(reader.file, ns=(0, before.st_mtime_ns + 1))
    watch.look()
    reader.file.write_text("a longer one")
    os.utime(reader.file, ns=(0, before.st_mtime_ns + 1))
    watch.look()
    # Another file of the same name, size and time, as a symbolic link may lead to.
    new = reader.file.with_name("new")
    new.write_text("a longer two")
    os.utime(new, ns=(0, before.st_mtime_ns + 1))
    new.replace(reader.file)
    watch.look()
    watch.look()
    assert reader.texts == ["other", "a longer one", "a longer two"]


def test_what_failed_is_tried_again_and_logged_once(
    reader: Reader, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    reader.file.write_text("bad")
    with caplog.at_level(logging.ERROR):
        watch.look()
        watch.look()
    assert caplog.text.count("is bad; what was read before stays in force") == 1
    # The same state of the file may be readable later, as after an error of the disk.
    state = reader.file.stat()
    with reader.file.open("r+") as file:
        file.write("fit")
    os.utime(reader.file, ns=(state.st_atime_ns, state.st_mtime_ns))
    watch.look()
    watch.look()
    assert reader.texts == ["fit"]


def test_what_changes_while_it_is_read_at_first_is_read_again(reader: Reader) -> None:
    watched = Watched([reader.file], reader.read)
    reader.read()
    reader.file.write_text("second")
    watch = Watch([watched], also=lambda: None)
    watch.look()
    watch.close()
    assert reader.texts == ["first", "second"]
