"""Progress bars: none for short work, one a phase, drawn in silent phases too."""

import os
import pty
import sys
import threading
import time
from contextlib import suppress

import pytest

from gleann.index import Progress
from gleann.service.cli import progress
from gleann.service.cli.progress import progress_bars


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.05)
    monkeypatch.setattr(progress, "TICK_SECONDS", 0.05)


def told(capsys, *texts: str) -> str:
    """What stderr says, once it has said these texts."""
    said, last = "", time.monotonic() + 60
    while not all(text in said for text in texts):
        assert time.monotonic() < last, said
        time.sleep(0.01)
        said += capsys.readouterr().err
    return said


def test_short_work_shows_nothing(capsys, monkeypatch) -> None:
    assert progress.DELAY_SECONDS == 1
    monkeypatch.setattr(progress, "DELAY_SECONDS", 3600)  # a machine may stand still
    with progress_bars(wanted=True) as report:
        report(Progress(phase="train", done=0, total=3))
        report(Progress(phase="train", done=3, total=3))
    assert capsys.readouterr().err == ""


def test_a_pipe_shows_nothing(quick, capsys) -> None:
    with progress_bars(wanted=False) as report:
        report(Progress(phase="train", done=0, total=3))
        time.sleep(0.2)
        report(Progress(phase="train", done=1, total=3))
    assert capsys.readouterr().err == ""


def test_a_phase_that_reports_once_is_shown(quick, capsys) -> None:
    with progress_bars(wanted=True) as report:
        report(Progress(phase="train", done=0, total=3))
        told(capsys, "train:   0%", "0/3")


def test_a_bar_for_each_phase(quick, capsys) -> None:
    with progress_bars(wanted=True) as report:
        report(Progress(phase="train", done=0, total=3))
        assert "assign:" not in told(capsys, "train:")
        for done in range(3):
            report(Progress(phase="assign", done=done, total=2))
        told(capsys, "assign:", "0/2")


def interrupted() -> None:
    with progress_bars(wanted=True) as report:
        report(Progress(phase="train", done=0, total=3))
        raise KeyboardInterrupt


def test_no_thread_is_left(quick) -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    begun = set(threading.enumerate()) - before
    assert not [one for one in begun if one.name == "gleann-progress"]


def test_a_terminal_that_does_not_say_its_width(quick, monkeypatch) -> None:
    seen, own = pty.openpty()
    os.set_blocking(seen, False)
    with open(own, "w") as stream:  # noqa: PTH123  a descriptor
        assert os.get_terminal_size(own).columns == 0
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bars(wanted=False) as report:
            report(Progress(phase="train", done=1, total=3))
            said, last = b"", time.monotonic() + 60
            while b"train:  33%" not in said:
                assert time.monotonic() < last, said
                time.sleep(0.01)
                with suppress(BlockingIOError):
                    said += os.read(seen, 4096)
    os.close(seen)
