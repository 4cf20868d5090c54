"""`gleann curate plan` against the plans of the library."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from training_files import KIND, NAMES, SPLIT, N, curate, named, read, write_files
from training_files import index as make_index

from gleann.selection.curation.plans import (
    drawn_again,
    epoch_rows,
    in_turns,
    list_strata,
)
from gleann.service.cli.main import run as command
from gleann.service.report.pages.plan import curve_epochs, seen_shares


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files()
    return tmp_path


def plan(*arguments, out="e.parquet", source="items.gleann"):
    return curate("plan", source, *arguments, "--out", out, "--overwrite")


def epochs_of(path="e.parquet"):
    """The ids of each epoch, in the order of training."""
    found = read(path)
    ids = np.array(found["id"])
    numbers = np.array(found["epoch"])
    return {int(one): ids[numbers == one].tolist() for one in np.unique(numbers)}


@pytest.mark.parametrize(
    ("mode", "make"), [("in-turns", in_turns), ("drawn-again", drawn_again)]
)
def test_epochs_are_those_of_the_library(mode, make):
    words = ("--fraction", 0.1, "--epoch", 4, "--epochs", 3, "--seed", 5)
    assert plan(*words, "--mode", mode) == 0
    expected = make(N, fraction=0.1, seed=5)
    assert epochs_of() == {
        epoch: named(epoch_rows(expected, epoch)) for epoch in (4, 5, 6)
    }
    assert set(read("e.parquet")["weight"]) == {10.0}


def test_a_pass_has_every_item_once_and_an_epoch_its_share_of_each_stratum():
    words = ("--fraction", 0.1, "--epochs", 10, "--strata", "items.parquet:kind")
    assert plan(*words) == 0
    epochs = epochs_of()
    assert sorted(chain(*epochs.values())) == NAMES
    share = np.bincount(KIND) / 10
    for ids in epochs.values():
        counts = np.bincount(KIND[[NAMES.index(one) for one in ids]], minlength=3)
        assert (np.abs(counts - share) < 1).all()
    strata = read("e.parquet")["stratum"]
    assert strata == [int(KIND[NAMES.index(one)]) for one in read("e.parquet")["id"]]


def test_parts_of_an_epoch_are_the_epoch():
    assert plan("--fraction", 0.3, "--epoch", 2, "--by-lists") == 0
    whole = epochs_of()[2]
    strata = list_strata(make_index())
    expected = in_turns(N, fraction=0.3, strata=strata)
    assert whole == named(epoch_rows(expected, 2))
    parts = []
    for number in (1, 2, 3):
        out = f"{number}.parquet"
        words = ("--fraction", 0.3, "--epoch", 2, "--by-lists", "--part")
        assert plan(*words, f"{number}/3", out=out) == 0
        parts += epochs_of(out)[2]
    assert parts == whole


def test_a_condition_on_payload_limits_the_plan():
    words = ("--fraction", 0.25, "--epochs", 4, "--where", "split = 'train'")
    assert plan(*words) == 0
    train = [name for name, one in zip(NAMES, SPLIT, strict=True) if one == "train"]
    assert sorted(chain(*epochs_of().values())) == train


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--fraction", 0), 1, "--fraction must be at least"),
        (("--fraction", 1.5), 1, "--fraction must be in 0..1, got 1.5"),
        (("--fraction", 0.1, "--part", "3/2"), 2, "the part must be in 1..2"),
        (("--fraction", 0.1, "--part", "two"), 2, "'two' must be a part such as 2/4"),
        (("--fraction", 0.1, "--by-lists", "--strata", "k.npy"), 1, "not both"),
        (("--fraction", 0.1, "--strata", "short.npy"), 1, "(240,)"),
    ],
)
def test_bad_plans_are_one_line(arguments, code, says, capsys):
    np.save("short.npy", KIND[:7])
    assert plan(*arguments) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert says in error


def test_a_file_has_no_lists(capsys):
    words = ("--fraction", 0.1, "--by-lists", "--id-column", "id")
    assert plan(*words, source="items.parquet") == 1
    assert "is no index and has no lists (--by-lists)" in capsys.readouterr().err


def test_the_curve_of_items_seen_is_that_of_the_epochs():
    turns = in_turns(N, fraction=0.25)
    shares = seen_shares(turns, epochs=5)
    assert shares.tolist() == [0, 0.25, 0.5, 0.75, 1, 1]
    again = seen_shares(drawn_again(N, fraction=0.25), epochs=5)
    assert (np.diff(again) > 0).all()
    assert again[-1] < 1
    assert curve_epochs(turns) == 8
    assert curve_epochs(in_turns(10**9, fraction=0.1)) == 1


def test_the_page_shows_the_epochs_and_its_command_runs():
    words = ("--fraction", 0.1, "--epochs", 2, "--strata", "items.parquet:kind")
    assert plan(*words, "--report", "e.html") == 0
    page = Path("e.html").read_text()
    assert page.count("<svg") == 2
    assert "Items that two epochs have in common" in page
    line = page.rpartition("Write the epochs that follow")[2]
    line = line.partition("<pre>")[2].partition("</pre>")[0]
    assert command(line.split()[1:]) == 0
    first, second = epochs_of(), epochs_of("e-from-2.parquet")
    assert set(second) == {2, 3}
    both = [*chain(*first.values(), *second.values())]
    assert len(set(both)) == len(both)
