"""`python -m bench curation`: its parts, results and tables."""

import argparse
import json

import pytest

from bench.curation.command import add_curation, curation_table
from bench.curation.part import Measured, Part, is_wanted
from bench.curation.parts import PARTS
from bench.datasets import DatasetError
from bench.recorded import TABLES


def _counting(names, sets=()):
    def run(arguments):
        for name in names:
            if is_wanted(name, arguments):
                yield Measured(name=name, values={"rows": 10 + arguments.seed})

    def show(result):
        return f"rows {result['rows']}"

    return Part(help="counts", run=run, show=show, sets=sets)


@pytest.fixture
def parts():
    two = ("glove-100", "digits")
    return {"one": _counting([""]), "two": _counting(two, sets=two)}


def _run(parts, *words):
    parser = argparse.ArgumentParser()
    add_curation(parser, parts)
    arguments = parser.parse_args(list(words))
    return arguments.run(arguments)


def test_each_result_has_a_file_named_by_part_and_data(parts, tmp_path, capsys):
    assert _run(parts, "--quick", "--seed", "3", "--out", str(tmp_path)) == 0
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == [
        "curation-one.json",
        "curation-two-digits.json",
        "curation-two-glove-100.json",
    ]
    result = json.loads((tmp_path / "curation-two-digits.json").read_text())
    assert result["mode"] == "curation-two"
    assert (result["name"], result["rows"], result["quick"]) == ("digits", 13, True)
    assert result["commit"]
    assert result["machine"]["cpu"]
    printed = capsys.readouterr().out
    assert printed.count("rows 13") == 3
    assert "digits; " in printed
    assert "QUICK (not a measurement)" in printed


def test_parts_are_chosen_by_name(parts, tmp_path):
    _run(parts, "--quick", "--parts", "one", "--out", str(tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["curation-one.json"]


def test_some_results_of_a_part_are_measured_alone(parts, tmp_path):
    words = ["--quick", "--parts", "two", "--sets", "digits", "--out", str(tmp_path)]
    assert _run(parts, *words) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["curation-two-digits.json"]


def test_a_set_that_a_part_does_not_measure_alone_is_refused(parts, tmp_path):
    with pytest.raises(DatasetError, match=r"part one has no set digits.*none"):
        _run(parts, "--sets", "digits", "--out", str(tmp_path))
    with pytest.raises(DatasetError, match=r"no set imagenet.*glove-100, digits"):
        _run(parts, "--parts", "two", "--sets", "imagenet", "--out", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_sets_of_parts_are_names_of_their_results():
    assert PARTS["duplicates"].sets == ("glove-100", "wordnet-384")
    labels = {"digits", "intents-384", "active", "million"}
    assert set(PARTS["graph-labels"].sets) == labels


def test_an_unknown_part_is_refused_with_those_there_are(parts, capsys):
    with pytest.raises(SystemExit):
        _run(parts, "--parts", "one,three")
    assert "no part three; there are: one, two" in capsys.readouterr().err


def test_a_table_says_that_the_machine_was_busy(parts, tmp_path):
    _run(parts, "--parts", "one", "--out", str(tmp_path))
    result = json.loads((tmp_path / "curation-one.json").read_text())
    assert "busy" in curation_table(result | {"load_at_start": 2.0}, parts)
    assert "busy" not in curation_table(result | {"load_at_start": 0.1}, parts)


def test_every_part_has_a_table_among_the_recorded_results():
    assert {f"curation-{name}" for name in PARTS} <= TABLES.keys()
