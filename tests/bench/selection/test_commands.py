"""`python -m bench selection`: every family is reached, and `all` reaches each."""

import argparse
import sys

import pytest

from bench.datasets import DatasetError
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
    monkeypatch.setattr(commands, "RESULTS", tmp_path)
    ran = []
    status = {"growth": 2}

    def record(family, options):
        ran.append(family)
        assert any(str(tmp_path) in option for option in options)
        return status.get(family, 0)

    monkeypatch.setattr(commands, "run_family", record)
    assert commands.run_selection(parse("all")) == 2
    assert set(ran) == set(commands.FAMILIES)
    # What is finished is not repeated, until everything is.
    ran.clear()
    status.clear()
    assert commands.run_selection(parse("all")) == 0
    assert ran == ["growth"]
    assert commands.run_selection(parse("all")) == 0
    assert set(ran) == set(commands.FAMILIES)


def test_all_repeats_what_is_recorded(tmp_path):
    """The speed run's options are those of the recorded file."""
    commands_of = [options for _, options in commands.everything(tmp_path)]
    speed = next(options for options in commands_of if options[0] == "speed")
    for option, value in (("--k", "2000"), ("--threads", "1"), ("--rounds", "2")):
        assert speed[speed.index(option) + 1] == value


def test_a_data_set_that_is_missing_ends_one_family_only(monkeypatch, capsys):
    class Missing:
        @staticmethod
        def main():
            raise DatasetError("no folder supg-proxies")

    monkeypatch.setattr(commands, "import_module", lambda name: Missing)
    assert commands.run_family("estimate", []) == 2
    assert "bench: no folder supg-proxies" in capsys.readouterr().err
