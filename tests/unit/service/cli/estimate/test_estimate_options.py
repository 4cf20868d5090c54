"""Refusals of the estimate commands name the option that was typed."""

import numpy as np
import pytest

from gleann.service.cli.main import run

ROWS = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
PROXY, INDEX = ("--proxy", "p.npy"), ("--index", "i")
GROUPS = ("--group", "a=p.npy", "--group", "b=p.npy")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("v.npy", ROWS)
    np.save("p.npy", np.linspace(0, 1, 400))
    np.save("below.npy", np.linspace(-1, 1, 400))
    (tmp_path / "l.csv").write_text("id,positive\n1,0\n2,1\n3,0\n")
    assert run(["build", "v.npy", "i", "--metric", "l2"]) == 0
    assert run(["build", "v.npy", "ip", "--metric", "ip"]) == 0


@pytest.mark.parametrize(
    ("given", "budget", "says"),
    [
        (PROXY, 500, "--budget is 500, but there are 400 rows"),
        (PROXY, 0, "--budget must be at least 1, got 0"),
        (PROXY, 3, "--budget is 3, but 5 strata need one label each"),
        ((*PROXY, "--strata", 0), 60, "--strata must be at least 1, got 0"),
        ((*PROXY, "--rounds", 0), 60, "--rounds must be at least 1, got 0"),
        ((*PROXY, "--pilot-share", 2), 60, "--pilot-share must be in 0..1, got 2.0"),
        ((*PROXY, "--confidence", 2), 60, "--confidence must be in 0..1, got 2.0"),
        ((*PROXY, "--stop-at-width", -1), 60, "--stop-at-width must be in 0.."),
        ((*PROXY, "--seed", -1), 60, "--seed must be at least 0, got -1"),
        (("--proxy", "below.npy"), 60, "--strata-cut sqrt_mass needs proxies of at"),
        (
            (*INDEX, "--representatives", 10),
            395,
            "--budget 395 and --representatives 10 are 405 labels, but --index has 400",
        ),
        ((*INDEX, "--representatives", -1), 60, "--representatives must be at least 0"),
        ((*INDEX, "--representatives", 10), 3, "--budget is 3, but 5 strata"),
        (
            (*INDEX, "--representatives", 10, "--interval", "bootstrap"),
            60,
            "--interval bootstrap does not go with --representatives",
        ),
        ((*INDEX, "--labelled", "l.csv"), 398, "--budget is 398, but there are 397"),
        (("--index", "ip", "--representatives", 5), 60, "--index ip ranks by inner"),
        ((*PROXY, "--state", "a.csv"), 60, "--state a.csv is also an input"),
        ((*PROXY, "--state", "o.json"), 60, "--state o.json is also --out o.json"),
        ((*PROXY, "--state", "i"), 60, "--state i is a folder"),
        ((*PROXY, "--state", "no/s"), 60, "--state no/s: there is no folder no"),
        (GROUPS, 5, "--budget is 5, but 2 groups with 5 strata need 20"),
        ((*GROUPS, "--pilot-share", 3), 60, "--pilot-share must be in 0..1, got 3.0"),
        ((*GROUPS, "--state", "todo.csv"), 60, "--state todo.csv is also --todo"),
    ],
)
def test_an_option_is_named(given, budget, says, capsys):
    command = "estimate-groups" if given[0] == "--group" else "estimate"
    words = [command, "--oracle-csv", "a.csv", "--out", "o.json", "--budget", budget]
    capsys.readouterr()
    assert run([str(word) for word in (*words, *given)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("gleann: error: ")
    assert error.count("\n") == 1
    assert says in error
