"""`python -m bench selection`: every family is reached, and `all` reaches each."""

import argparse
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))  # bench is not installed

from bench.selection import commands


def parse(*words):
    parser = argparse.ArgumentParser()
    commands.add_selection(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("family", commands.FAMILIES)
def test_a_family_answers_for_itself(family, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bench"])
    with pytest.raises(SystemExit) as left:
        commands.run_selection(parse(family, "--help"))
    assert left.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_all_runs_every_family_and_tells_of_a_failure(monkeypatch, tmp_path):
    monkeypatch.setenv("GLEANN_DATA", str(tmp_path))
    ran, speeds = [], []

    def record(family, options):
        ran.append(family)
        speeds.extend(options if options[0] == "speed" else [])
        assert any(str(tmp_path) in option for option in options)
        return 2 if family == "growth" else 0

    monkeypatch.setattr(commands, "_run", record)
    assert commands.run_selection(parse("all")) == 2
    assert set(ran) == set(commands.FAMILIES)
    # As the recorded run of it was.
    assert speeds[-2:] == ["--rounds", "2"]
