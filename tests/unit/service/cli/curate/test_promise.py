"""`gleann curate promise` and `acceptance`: ask, label, run again, as the library."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from gleann.selection.promises import (
    AuditParams,
    BatchAudit,
    PromiseParams,
    acceptance_bound,
    promised_set,
)
from gleann.service.cli.main import run as command

N = 900
IDS = np.array([f"n{row:03d}" for row in range(N)])
RNG = np.random.default_rng(8)
PROXY = RNG.random(N)
HELD = RNG.random(N) < PROXY**4
ANSWERS, TODO = Path("answers.csv"), Path("todo.csv")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pyarrow.table(
        {
            "id": IDS,
            "proxy": PROXY,
            "half": ["a", "b"] * (N // 2),
            "text": [f"item {row}" for row in range(N)],
        }
    )
    pq.write_table(table, "items.parquet")
    pq.write_table(table.slice(100, 150), "batch.parquet")
    return tmp_path


def run(*arguments):
    return command([str(argument) for argument in arguments])


def asked():
    with TODO.open() as file:
        return [line["id"] for line in csv.DictReader(file)]


def answer(ids, *, column="positive"):
    with ANSWERS.open("a") as answers:
        if not answers.tell():
            answers.write(f"id,{column}\n")
        for one in ids:
            answers.write(f"{one},{int(HELD[int(one[1:])])}\n")


def promise(*rest, budget=300, out="kept.parquet"):
    return run("curate", "promise", "--proxy", "items.parquet", "--oracle-csv",
               "answers.csv", "--budget", budget, "--out", out, *rest)  # fmt: skip


def loop(*arguments, column="positive", start=promise):
    """Answer until it ends otherwise; how often it asked, and how it ended."""
    for turn in range(9):
        if (code := start(*arguments)) != 3:
            return turn, code
        answer(asked(), column=column)
    raise AssertionError("it asks for ever")


def by_library(kind, target, among=None):
    params = PromiseParams(promise=kind, target=target, budget=300)
    rows = {one: row for row, one in enumerate(IDS.tolist())}
    return promised_set(
        PROXY,
        lambda ids: HELD[[rows[one] for one in ids.tolist()]],
        params,
        ids=IDS,
        among=among,
    )


@pytest.mark.parametrize(("kind", "target"), [("recall", 0.8), ("precision", 0.5)])
@pytest.mark.parametrize("state", [(), ("--state", "s.json")])
def test_the_set_is_that_of_the_library(kind, target, state, capsys):
    asks = ("--promise", kind, "--target", target, *state)
    assert loop(*asks) == (2, 0)
    made, own = pq.read_table("kept.parquet"), by_library(kind, target)
    assert made["id"].to_pylist() == own.ids.tolist()
    assert made["labelled"].to_pylist() == own.labelled.tolist()
    assert own.threshold is not None
    said = capsys.readouterr()
    assert f"{len(own)} of 900 items: at least {target} of" in said.out
    assert "300 labels" in said.out
    assert said.err.count("labels are needed: todo.csv lists the ids") == 2
    record = json.loads(Path("kept.parquet.manifest.json").read_text())
    assert record["results"]["threshold"] == own.threshold
    assert record["results"]["rows"] == len(own)


def test_a_promise_among_what_passes_and_its_page(capsys):
    where = ("--where", "half = $1", "--param", "b")
    page = ("--report", "k.html", "--show-column", "text", "--class-column", "half")
    assert loop(*where, *page, "--target", 0.8) == (2, 0)
    own = by_library("recall", 0.8, among=np.arange(N) % 2 == 1)
    assert pq.read_table("kept.parquet")["id"].to_pylist() == own.ids.tolist()
    assert "of 450 items (those of 900 that pass --where)" in capsys.readouterr().out
    text = Path("k.html").read_text()
    assert text.count("<svg") == 3
    assert f"{len(own)} of 450 items" in text
    for words in (
        "80 % of all positives are in the set",
        "Labels by proxy",
        "Labelled negative, those with the highest proxy",
        f"item {own.rows[-1]}",
        "Before and after, by half",
        "--budget 450",
    ):
        assert words in text, words


def test_a_saved_session_goes_on_and_refuses_what_differs(capsys):
    state = ("--state", "s.json", "--target", 0.8)
    assert promise("--resume", *state) == 1
    assert "there is no s.json to resume from" in capsys.readouterr().err
    assert promise(*state) == 3
    first = asked()
    answer(first[:50])
    assert promise(*state) == 3
    assert asked() == first[50:]
    answer(first[50:])
    assert promise("--resume", *state) == 3
    capsys.readouterr()
    assert promise("--state", "s.json", "--target", 0.7) == 1
    assert "--target 0.8, not 0.7" in capsys.readouterr().err
    assert promise(*state, "--where", "half = 'a'") == 1
    assert "--where unset, not \"half = 'a'\"" in capsys.readouterr().err
    changed = ANSWERS.read_text().replace(f"{first[0]},0", f"{first[0]},x")
    changed = changed.replace(f"{first[0]},1", f"{first[0]},0").replace("x", "1")
    ANSWERS.write_text(changed)
    assert promise(*state) == 1
    assert "1 of 120 labels differ from those given before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--target", 1.5), "--target must be in 0..1, got 1.5"),
        (("--confidence", 0), "--confidence must lie between 0 and 1: 0.0"),
        (("--state", "items.parquet"), "--state items.parquet is also an input"),
        (("--class-column", "half"), "--class-column is for a report"),
        (("--where", "half = 'c'"), "0 of 900 items pass --where"),
    ],
)
def test_bad_options_are_refused(arguments, says, capsys):
    assert promise(*arguments) == 1
    assert says in capsys.readouterr().err
    assert not Path("kept.parquet").exists()


def test_a_budget_beyond_the_items_is_refused(capsys):
    assert promise(budget=901) == 1
    assert "--budget is 901, but there are 900 rows" in capsys.readouterr().err
    assert promise(budget=5) == 1
    assert "--budget must be at least 10, got 5" in capsys.readouterr().err


def test_json_tells_what_is_needed_and_what_was_made(capsys):
    assert promise("--json") == 3
    told = json.loads(capsys.readouterr().out)
    assert told == {"labels_needed": 120, "todo": "todo.csv"}
    answer(asked())
    assert promise("--json") == 3
    answer(asked())
    capsys.readouterr()
    assert promise("--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["results"]["promise"] == "recall"
    assert told["command"] == "curate promise"


# ---------------------------------------------------------------------- acceptance


def accept(*rest, size=40):
    return run("curate", "acceptance", "--batch", "batch.parquet", "--oracle-csv",
               "answers.csv", "--size", size, "--out", "bound.json", *rest)  # fmt: skip


def test_the_bound_is_that_of_the_library(capsys):
    page = ("--report", "b.html", "--show-column", "text", "--class-column", "half")
    assert loop("--seed", 5, *page, column="failed", start=accept) == (1, 0)
    own = BatchAudit(IDS[100:250], AuditParams(size=40, seed=5))
    checked = own.ids
    assert asked() == checked.tolist()
    failed = HELD[[int(one[1:]) for one in checked.tolist()]]
    own.submit(checked, failed)
    made = json.loads(Path("bound.json").read_text())
    bound = own.bound()
    assert 0 < bound.failed < 40
    assert (made["failed"], made["at_most"]) == (bound.failed, bound.at_most)
    assert made["share_at_most"] == bound.share_at_most
    assert f"at most {bound.at_most} of the other 110 fail" in capsys.readouterr().out
    text = Path("b.html").read_text()
    assert text.count("<svg") == 3
    assert f"At most {bound.at_most} of the other 110 fail" in text
    assert "Items that fail" in text
    assert "Choose the size before the audit" in " ".join(text.split())


def test_the_bound_of_an_audit_that_the_user_drew(capsys):
    batch = IDS[100:250]
    drawn = np.random.default_rng(2).choice(batch, 40, replace=False)
    Path("mine.csv").write_text("id\n" + "\n".join(drawn) + "\n")

    def start(*rest):
        return run("curate", "acceptance", "--batch", "batch.parquet", "--drawn",
                   "mine.csv", "--oracle-csv", "answers.csv", "--out", "mine.json",
                   *rest)  # fmt: skip

    assert loop(column="failed", start=start) == (1, 0)
    assert asked() == drawn.tolist()
    made = json.loads(Path("mine.json").read_text())
    failed = HELD[[int(one[1:]) for one in drawn.tolist()]]
    bound = acceptance_bound(batch, drawn, failed)
    assert (made["failed"], made["at_most"]) == (bound.failed, bound.at_most)
    assert made["design"] == "uniform"
    capsys.readouterr()
    for ids, reason in (
        (batch[:40], "rows in a row of the batch of 150"),
        (IDS[90:110], "not drawn from the batch of 150"),
    ):
        Path("mine.csv").write_text("id\n" + "\n".join(ids) + "\n")
        assert start("--overwrite") == 1
        assert reason in capsys.readouterr().err
    assert start("--size", 40, "--overwrite") == 1
    assert "give --size or --drawn, one of them: got both" in capsys.readouterr().err


def test_an_audit_without_a_failure_has_a_page_too():
    Path("none.csv").write_text("id\n" + "\n".join(IDS[:30]))
    ANSWERS.write_text("id,failed\n" + "".join(f"{one},0\n" for one in IDS[:30]))
    asked_for = ("--batch", "none.csv", "--size", 30, "--report", "o.html")
    code = run("curate", "acceptance", *asked_for, "--oracle-csv", "answers.csv",
               "--out", "o.json")  # fmt: skip
    assert code == 0
    made = json.loads(Path("o.json").read_text())
    assert (made["at_most"], made["rest"], made["share_at_most"]) == (0, 0, 0)
    assert "Items that fail" not in Path("o.html").read_text()


def test_an_audit_that_cannot_be_is_refused(capsys):
    assert accept(size=151) == 1
    assert "--size is 151, but the batch has 150 rows" in capsys.readouterr().err
    ANSWERS.write_text("id,failed\nn001,1\n")
    assert accept() == 1
    assert "answers.csv: row 0 (line 2), column id" in capsys.readouterr().err
    ANSWERS.write_text("id,verdict\nn101,1\n")
    assert accept() == 1
    assert "needs one column failed or label, it has 0" in capsys.readouterr().err
