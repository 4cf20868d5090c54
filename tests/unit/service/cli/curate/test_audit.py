"""`gleann curate audit`, end to end on small files."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.selection.curation.audit import AuditRequest, audit
from gleann.service.cli.main import run as command

N, D = 200, 6
RNG = np.random.default_rng(3)
KINDS = np.array(["a", "b", "c", "d"])[np.arange(N) % 4]
POINTS = (RNG.normal(size=(N, D)) + 1).astype("f4")
NAMES = np.array([f"n{row:03d}" for row in range(N)])
CHOSEN = RNG.permutation(np.flatnonzero(KINDS != "d"))[:25]
SPLIT = ["train" if row % 5 else None for row in range(N)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = SoarIndex.build(
        POINTS,
        BuildParams(metric="l2", nlist=6, tune_queries=0),
        ids=NAMES,
        payload={"kind": KINDS.tolist(), "split": SPLIT},
    )
    index.save(tmp_path / "items.gleann")
    columns = {"id": NAMES, "vector": list(POINTS), "kind": KINDS}
    pq.write_table(pa.table(columns), "items.parquet")
    pq.write_table(pa.table({"id": NAMES[CHOSEN]}), "picks.parquet")
    return tmp_path


def run(*arguments, source="items.gleann"):
    words = ["curate", "audit", source, "--chosen", *arguments]
    return command([str(one) for one in words])


def expected(**more):
    request = AuditRequest(chosen=NAMES[CHOSEN], metric="l2", **more)
    return audit(POINTS, request, ids=NAMES)


def test_the_numbers_are_those_of_the_library(capsys):
    more = (
        "--group-column",
        "kind",
        "--coverage-out",
        "c.csv",
        "--groups-out",
        "g.csv",
    )
    assert run("picks.parquet", "--out", "a.csv", *more, "--parts-out", "p.csv") == 0
    found = expected(labels={"kind": KINDS})
    table = pacsv.read_csv("a.csv").to_pydict()
    assert table["set"] == ["chosen", "random", "stratified", "pool"]
    assert table["rows"] == [25, 25, 25, N]
    assert table["vendi_inf"] == pytest.approx([one.vendi[-1] for one in found.sets])
    curve = found["chosen"].coverage
    assert table["radius_1"][0] == pytest.approx(curve.radii[-1, -1])
    lines = pacsv.read_csv("c.csv").to_pydict()
    assert len(lines["set"]) == 3 * len(curve.sizes) * 4
    assert lines["radius"][:4] == pytest.approx(curve.radii[0].tolist())
    groups = pacsv.read_csv("g.csv").to_pydict()
    assert groups["group"] == ["a", "b", "c", "d"]
    assert groups["pool"] == [50] * 4
    assert groups["chosen"] == found.tables[0].chosen.tolist()
    parts = pacsv.read_csv("p.csv").to_pydict()
    assert parts["part"] == ["a", "b", "c"]
    assert parts["gain_1"] == pytest.approx([one.gains[2] for one in found.parts])
    assert "1 of 4 values of kind are not in the choice: d" in capsys.readouterr().out
    results = json.loads(Path("a.csv.manifest.json").read_text("utf-8"))["results"]
    assert results["orders"] == [0.1, 0.5, 1, 2, "inf"]
    assert results["vendi"]["chosen"] == pytest.approx(found["chosen"].vendi)


def test_a_flag_names_the_choice_and_a_file_has_the_same_answer():
    flags = np.isin(np.arange(N), CHOSEN)
    pq.write_table(pa.table({"id": NAMES, "kept": flags}), "dedup.parquet")
    parquet = ("--metric", "l2", "--group-column", "kind")
    assert run("dedup.parquet:kept", "--out", "a.csv", *parquet) == 0
    same = run("picks.parquet", "--out", "b.csv", *parquet, source="items.parquet")
    assert same == 0
    ours, theirs = (pacsv.read_csv(path).to_pydict() for path in ("a.csv", "b.csv"))
    assert ours["rows"] == theirs["rows"]
    assert ours["vendi_1"] == pytest.approx(theirs["vendi_1"])
    assert ours["radius_1"] == pytest.approx(theirs["radius_1"])


def test_nulls_of_payload_are_a_group_and_where_is_the_pool():
    out = ("--out", "a.csv", "--groups-out", "g.csv", "--overwrite")
    assert run("picks.parquet", *out, "--group-column", "split") == 0
    assert pacsv.read_csv("g.csv").to_pydict()["group"] == ["(none)", "train"]
    where = ("--where", "kind <> 'd'", "--group-column", "kind")
    assert run("picks.parquet", *out, *where) == 0
    groups = pacsv.read_csv("g.csv").to_pydict()
    assert groups["group"] == ["a", "b", "c"]
    assert pacsv.read_csv("a.csv").to_pydict()["rows"][-1] == 150


def test_the_report_has_pictures_of_every_part(capsys):
    page = (
        "--report",
        "a.html",
        "--show-from",
        "items.parquet",
        "--show-column",
        "kind",
    )
    assert run("picks.parquet", "--out", "a.csv", "--group-column", "kind", *page) == 0
    words = Path("a.html").read_text("utf-8")
    assert words.count("<svg") >= 5
    for part in (
        "Diversity",
        "Coverage",
        "Before and after, by kind",
        "What each part adds",
        "What was left out",
        "1 of 4 values of kind have no chosen item.",
    ):
        assert part in words
    assert capsys.readouterr().err == ""


def test_the_report_shows_some_of_many_shares_and_orders(capsys):
    """A hundred thousand shares were as many columns; all are in the files."""
    shares = ",".join(f"{share:.6f}" for share in np.linspace(0.001, 1, 3000))
    orders = ",".join(f"{order:g}" for order in np.linspace(0.1, 5, 50))
    page = ("--report", "a.html", "--coverage-out", "c.csv", "--group-column", "kind")
    numbers = ("--shares", shares, "--orders", orders)
    assert run("picks.parquet", "--out", "a.csv", *page, *numbers) == 0
    words = Path("a.html").read_text("utf-8").replace(shares, "").replace(orders, "")
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", words)
    within = [head for head in heads if head.endswith(" within")]
    assert len(within) == 8
    assert within[-1].startswith("100")
    assert sum(head.startswith("order ") for head in heads) == 2 * 8
    assert "2,992 of 3,000 shares are not shown; --coverage-out has them all." in words
    assert "42 of 50 orders are not shown; --out has them all." in words
    assert len(words) < 300_000
    assert len(set(pacsv.read_csv("c.csv").to_pydict()["share"])) == 3000
    said = capsys.readouterr().out
    assert said.count(" of the items within ") == said.count("Vendi score") == 12
    assert "\n100 % of the items within " in said
    assert "2,988 of 3,000 shares are left out; --coverage-out has all" in said
    assert "38 of 50 orders are left out; --out has all" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("odd.csv", "--out", "a.csv"), "column id: no id 'none' in the 200 rows"),
        (("empty.parquet:kept", "--out", "a.csv"), "0 ids with kept 1"),
        (("picks.parquet", "--out", "a.csv", "--parts-out", "p.csv"), "needs groups"),
        (("picks.parquet", "--out", "a.csv", "--orders", "1,x"), "no list of numbers"),
        (("picks.parquet", "--out", "a.csv", "--orders", "0"), "must be above 0"),
        (("picks.parquet", "--out", "a.csv", "--shares", "2"), "must be in 0..1"),
        (
            ("picks.parquet", "--out", "a.csv", "--where", "kind = 'd'"),
            "chosen has 25 of 25 that are not among the 50 of 200",
        ),
        (
            (
                *("picks.parquet", "--out", "a.csv", "--group-column", "kind"),
                *("--groups", "items.parquet:kind"),
            ),
            "2 columns of groups are called 'kind'",
        ),
        (
            ("picks.parquet", "--out", "a.csv", "--group-column", "none"),
            "no column 'none', the columns are kind",
        ),
    ],
)
def test_choices_that_cannot_be_measured_are_refused(arguments, said, capsys):
    pacsv.write_csv(pa.table({"id": ["n000", "none"]}), "odd.csv")
    flags = np.zeros(N, np.bool_)
    pq.write_table(pa.table({"id": NAMES, "kept": flags}), "empty.parquet")
    assert run(*arguments) == 1
    assert said in capsys.readouterr().err
