"""Options that are whole numbers: which are refused, and that all are such."""

import argparse
import sys
from pathlib import Path

import pytest

from bench.__main__ import main, make_parser
from bench.option_types import natural, positive

BENCH = Path(__file__).resolve().parents[2] / "bench"


def test_numbers_from_one_and_from_zero_on() -> None:
    assert (positive("1"), positive("12"), natural("0")) == (1, 12, 0)
    for kind, text, said in (
        (positive, "0", "at least 1, got 0"),
        (positive, "-3", "at least 1, got -3"),
        (natural, "-1", "at least 0, got -1"),
        (natural, "1.5", "whole number, got '1.5'"),
    ):
        with pytest.raises(argparse.ArgumentTypeError, match=said):
            kind(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data", "--rows", "0"], "--rows: must be at least 1, got 0"),
        (["growth", "--rows", "5", "-1"], "--rows: must be at least 1, got -1"),
        (["imports", "--dim", "x"], "--dim: must be a whole number, got 'x'"),
        (["service", "--seed", "-1"], "--seed: must be at least 0, got -1"),
        (["cluster", "--part", "kills", "--rounds", "0"], "must be at least 1, got 0"),
    ],
)
def test_commands_refuse_them_in_words(
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_no_option_takes_any_integer() -> None:
    assert make_parser() is not None
    files = [file for file in BENCH.rglob("*.py") if "type=int" in file.read_text()]
    assert files == []
