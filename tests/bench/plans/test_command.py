"""The command that measures plans: what it refuses."""

import sys

import pytest

from bench.__main__ import main


def test_too_few_rows_are_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "plans", "--rows", "999"])
    assert main() == 2
    assert "--rows is 999: 1000 at least are needed" in capsys.readouterr().err
