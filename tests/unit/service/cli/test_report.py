"""`--report` of every job: what the page says, and that its commands run."""

import json
import re
import shlex
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.nouns import counted
from gleann.service.cli.main import run as command
from gleann.service.report.measures.distances import spread
from gleann.service.report.numerals import percent, short

N, D = 300, 6
NASTY = "<script>alert('x')</script>"
VOID = {"meta", "br", "hr", "img", "input"}
RNG = np.random.default_rng(5)
POINTS = (
    RNG.normal(size=(3, D))[RNG.integers(3, size=N)] * 4 + RNG.normal(size=(N, D))
).astype("f4")
KIND = np.where(POINTS[:, 0] > np.quantile(POINTS[:, 0], 0.9), "rare", "common")
TEXTS = [f"text {row} of {NASTY}" for row in range(N)]


def png(shade):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    written = BytesIO()
    image.new("L", (8, 8), int(shade)).save(written, "PNG")
    return written.getvalue()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Items in a parquet file, and an index of them with other ids."""
    monkeypatch.chdir(tmp_path)
    names = [f"n{row}" for row in range(N)]
    columns = {"id": names, "vector": list(POINTS), "text": TEXTS, "kind": KIND}
    pq.write_table(pa.table(columns), "items.parquet")
    index = SoarIndex.build(
        POINTS, BuildParams(metric="l2", nlist=8, tune_queries=0), ids=names
    )
    index.save(Path("items.gleann"))
    np.save("costs.npy", np.abs(POINTS[:, 1]).astype(np.float64))
    return tmp_path


def run(*arguments):
    return command([str(argument) for argument in arguments])


def select(*arguments):
    return run("select", *arguments, "--out", "picks.parquet", "--report", "p.html")


class Reader(HTMLParser):
    """Text of a page, its tables, its commands; refuses what it would fetch."""

    def __init__(self, page):
        super().__init__()
        self.open, self.words, self.rows, self.images = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        assert tag not in {"script", "link", "iframe"}
        for name in ("src", "href"):
            assert named.get(name, "#").startswith(("#", "data:image/"))
        if tag == "img":
            assert named["alt"]
            self.images.append(named["src"])
        if tag == "tr":
            self.rows.append([])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"td", "th"}:
            self.rows[-1].append(data)
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)

    def row(self, name):
        return next(row for row in self.rows if row and row[0] == name)


def read(path="p.html"):
    return Reader(Path(path).read_text("utf-8"))


def next_commands(path="p.html"):
    """The commands at the end of a page that are ours."""
    end = Path(path).read_text("utf-8").rpartition("How to go on")[2]
    lines = [unescape(found) for found in re.findall(r"<pre>(.*?)</pre>", end, re.S)]
    return [shlex.split(line)[1:] for line in lines if line.startswith("gleann ")]


PARQUET = ("items.parquet", "--id-column", "id")
SHOWN = ("--show-column", "text", "--class-column", "kind")


def test_a_coreset_page_has_the_numbers_of_the_choice():
    assert select("farthest-first", *PARQUET, "--k", 20, "--coverage", "c.parquet",
                  *SHOWN) == 0  # fmt: skip
    page = read()
    covered = pq.read_table("c.parquet").to_pydict()
    far = spread(covered["distance"])
    for number in (far.median, far.most, far.radius):
        assert f"{number:.4g}" in page.row("chosen")
    chosen = pq.read_table("picks.parquet")["id"].to_pylist()
    kinds = dict(zip([f"n{row}" for row in range(N)], KIND.tolist(), strict=True))
    rare = sum(kinds[one] == "rare" for one in chosen)
    assert page.row("rare")[1:4] == [str((KIND == "rare").sum()), "10 %", str(rare)]
    assert all(one in page.text for one in chosen[:12])
    farthest = covered["id"][int(np.argmax(covered["distance"]))]
    assert farthest in page.text.partition("What was left out")[2]
    assert f"text {farthest[1:]} of {NASTY}" in page.text
    assert "random" in page.text
    assert "SHA-256" in page.text


def test_the_commands_of_a_coreset_page_run():
    assert select("weighted-k-center", *PARQUET, "--k", 9, "--costs", "costs.npy",
                  "--cost-weight", "0.01", *SHOWN) == 0  # fmt: skip
    more, active = next_commands()
    assert command(more) == 0
    first = pq.read_table("picks.parquet")["id"].to_pylist()
    second = pq.read_table("picks-more.parquet")["id"].to_pylist()
    assert len(second) == 9
    assert not set(first) & set(second)
    assert Path("p-more.html").exists()
    labels = {"id": first, "label": [int(one[1:]) % 2 for one in first]}
    pacsv.write_csv(pa.table(labels), "labels.csv")
    assert command(active) == 0
    assert pq.read_table("batch-1.parquet").num_rows


def test_a_choice_that_adds_nothing_to_a_simple_one_says_so():
    assert select("weighted-k-center", *PARQUET, "--k", 5, "--costs", "costs.npy",
                  "--cost-weight", "1e6") == 0  # fmt: skip
    assert "Your weight makes this margin sampling" in read().text
    assert select("weighted-k-center", *PARQUET, "--k", 5, "--costs", "costs.npy",
                  "--cost-weight", "0.01", "--overwrite") == 0  # fmt: skip
    assert "Your weight" not in read().text


def test_an_index_shows_columns_of_another_file_by_id():
    table = pa.table({"id": ["n7", "n3"], "text": ["seven", "three"]})
    pacsv.write_csv(table, "texts.csv")
    assert select("farthest-first", "items.gleann", "--k", N - 1, "--show-from",
                  "texts.csv", "--show-column", "text") == 0  # fmt: skip
    picked = pq.read_table("picks.parquet")["id"].to_pylist()
    (last,) = {f"n{row}" for row in range(N)} - set(picked)
    text = read().text
    assert ("seven" in text) == ("n7" in [*picked[:12], last])
    assert ("three" in text) == ("n3" in [*picked[:12], last])


def test_a_draw_without_a_metric_has_a_page_too():
    params = BuildParams(metric="ip", nlist=8, tune_queries=0)
    SoarIndex.build(POINTS, params).save(Path("ip.gleann"))
    assert (
        select(
            "random",
            "ip.gleann",
            "--k",
            9,
            "--show-from",
            "items.parquet",
            "--class-column",
            "kind",
        )
        == 1
    )  # its ids are n0, ...
    pq.write_table(pa.table({"kind": KIND}), "kinds.parquet")
    assert select("random", "ip.gleann", "--k", 9, "--show-from", "kinds.parquet",
                  "--class-column", "kind") == 0  # fmt: skip
    page = read()
    assert "no metric" in page.text
    drawn = pq.read_table("picks.parquet")["id"].to_pylist()
    assert int(page.row("rare")[3]) == (KIND[drawn] == "rare").sum()


def test_pictures_of_bytes_paths_and_structs_are_inside_the_page():
    shades = [png(row % 256) for row in range(N)]
    Path("shot").mkdir()
    for row in range(N):
        Path(f"shot/{row}.png").write_bytes(shades[row])
    paths = [f"shot/{row}.png" if row % 2 else f"shot/no-{row}.png" for row in range(N)]
    kept = pq.read_table("items.parquet")
    structs = pa.array([{"bytes": one, "path": None} for one in shades])
    for column in (pa.array(shades), structs):
        pq.write_table(kept.append_column("image", column), "shown.parquet")
        assert select("farthest-first", "shown.parquet", "--id-column", "id", "--k", 15,
                      "--image-column", "image", "--overwrite") == 0  # fmt: skip
        page = read()
        assert len(page.images) == 24
        assert "not read" not in page.text
    pq.write_table(kept.append_column("image", pa.array(paths)), "shown.parquet")
    assert select("farthest-first", "shown.parquet", "--id-column", "id", "--k", 15,
                  "--image-column", "image", "--overwrite") == 0  # fmt: skip
    page = read()
    assert 0 < len(page.images) < 24
    assert page.text.count("no such picture") == 24 - len(page.images)
    assert f"{24 - len(page.images)} pictures could not be read" in page.text


def test_an_active_page_goes_on_to_the_next_batch():
    labels = {"id": ["n0", "n1", "n2", "n3"], "label": [0, 1, 1, 0]}
    pacsv.write_csv(pa.table(labels), "labels.csv")
    out = ("--out", "batch-1.parquet", "--report", "batch-1.html")
    assert run("select", "active", *PARQUET, "--pool", "global", "--batch", 6,
               "--labels", "labels.csv", "--state", "s.json", *SHOWN, *out
               ) == 0  # fmt: skip
    page = read("batch-1.html")
    assert page.row("0")[1:] == ["2", "50 %"]
    batch = pq.read_table("batch-1.parquet").to_pydict()
    assert all(one in page.text for one in batch["id"])
    assert f"{batch['score'][0]:.4g}" in page.text
    assert "How informative" in page.text
    # More selected rows never cover less.
    before, after = page.row("labelled so far"), page.row("with this batch")
    assert float(after[1]) <= float(before[1])
    (again,) = next_commands("batch-1.html")
    labels["id"] += batch["id"]
    labels["label"] += [int(one[1:]) % 2 for one in batch["id"]]
    pacsv.write_csv(pa.table(labels), "labels.csv")
    assert command(again) == 0
    assert not set(pq.read_table("batch-2.parquet")["id"].to_pylist()) & set(
        batch["id"]
    )
    assert Path("batch-2.html").exists()


def answers(rows=range(N)):
    lines = [f"{row},{int(KIND[row] == 'rare')},{row / 10}" for row in rows]
    Path("answers.csv").write_text("\n".join(["id,positive,value", *lines]) + "\n")


def proxy():
    scores = np.clip(POINTS[:, 0] / 10 + 0.5, 0, 1).astype(np.float64)
    columns = {"id": np.arange(N), "proxy": scores, "text": TEXTS, "kind": KIND}
    pq.write_table(pa.table(columns), "proxy.parquet")
    return scores


@pytest.mark.parametrize("target", ["count", "avg", "share"])
def test_an_estimate_page_has_the_numbers_of_the_estimate(target):
    scores = proxy()
    answers()
    assert run("estimate", "--proxy", "proxy.parquet", "--oracle-csv", "answers.csv",
               "--budget", 60, "--target", target, "--show-column", "text",
               "--class-column", "kind", "--out", "o.json", "--report",
               "o.html") == 0  # fmt: skip
    made = json.loads(Path("o.json").read_text())["estimate"]
    page = read("o.html")
    write = percent if target == "share" else short
    assert write(made["value"]) in page.row("ABae")
    assert page.row("ABae")[2] == f"± {write((made['high'] - made['low']) / 2)}"
    for place, one in enumerate(made["by_stratum"], start=1):
        numbers = [f"{one['size']}", f"{one['labelled']}", f"{one['positives']}"]
        row = page.row(f"stratum\N{NO-BREAK SPACE}{place}")
        assert [row[1], row[3], row[4]] == numbers
    positives = np.flatnonzero(KIND == "rare")
    assert page.row("rare")[1:4] == [str(len(positives)), "10 %", str(len(positives))]
    lowest = positives[np.argmin(scores[positives])]
    assert f"text {lowest} of" in page.text
    (narrower,) = next_commands("o.html")
    assert narrower[narrower.index("--budget") + 1] == "240"
    assert command(narrower) == 0
    again = json.loads(Path("o-narrower.json").read_text())["estimate"]
    assert again["high"] - again["low"] < made["high"] - made["low"]


def test_a_page_of_groups_has_one_estimate_each():
    scores = proxy()
    np.save("rare.npy", scores)
    np.save("common.npy", 1 - scores)
    lines = [f"{row},{KIND[row]}" for row in range(N)]
    Path("groups.csv").write_text("\n".join(["id,group", *lines]) + "\n")
    assert run("estimate-groups", "--group", "rare=rare.npy", "--group",
               "common=common.npy", "--oracle-csv", "groups.csv", "--budget", 80,
               "--out", "g.json", "--report", "g.html") == 0  # fmt: skip
    page = read("g.html")
    for name in ("rare", "common"):
        assert f"By stratum: {name}" in page.text
        assert f"{name}: positives" in page.text


def test_a_graph_page_shows_hubs_pairs_and_outliers():
    assert run("graph", "items.gleann", "--k", 5, "--out", "g.npz", "--show-from",
               "items.parquet", *SHOWN, "--report", "g.html") == 0  # fmt: skip
    with np.load("g.npz") as graph:
        degrees = np.bincount(graph["indices"], minlength=N)
        nearest = graph["data"].reshape(N, 5)[:, 0]
        same = (np.repeat(KIND, 5) == KIND[graph["indices"]]).mean()
    page = read("g.html")
    hubs = page.text.partition("the most others")[2]
    assert f"neighbour of {degrees.max()} rows" in hubs
    assert f"n{degrees.argmax()}" in hubs
    outliers = page.text.partition("farthest from their nearest")[2]
    assert f"n{nearest.argmax()}" in outliers
    assert f"{percent(same)} of the edges join" in page.text
    assert f"distance {nearest.min():.4g}" in page.text
    farthest_first, _ = next_commands("g.html")
    farthest_first[farthest_first.index("--k") + 1] = "5"
    assert command(farthest_first) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--report", "p.pdf"], "--report p.pdf: the suffix decides"),
        (["--report", "no/p.html"], "there is no folder no"),
        (["--report", "there.html"], "there.html exists already"),
        (["--show-column", "text"], "--show-column is for a report"),
        (["--class-column", "kind"], "--class-column is for a report"),
        (["--report", "p.html", "--show-column", "txt"], "txt"),
        (["--report", "p.html", "--show-column", "x", "--show-from", "costs.npy"],
         "costs.npy has no columns to show"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_before_any_work(options, said, capsys):
    Path("there.html").write_text("kept")
    assert run("select", "farthest-first", *PARQUET, "--k", 5, "--out", "out.parquet",
               *options) == 1  # fmt: skip
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not Path("out.parquet").exists()
    assert Path("there.html").read_text() == "kept"


def test_rows_in_order_must_be_as_many(capsys):
    pq.write_table(pa.table({"text": TEXTS[:-1]}), "short.parquet")
    assert select("farthest-first", *PARQUET, "--k", 5, "--show-from", "short.parquet",
                  "--show-column", "text") == 1  # fmt: skip
    assert "299 rows for 300 items" in capsys.readouterr().err
    assert not Path("picks.parquet").exists()


def test_a_page_is_bounded_however_long_the_texts_are():
    table = pq.read_table("items.parquet").set_column(
        2, "text", pa.array(["long " * 20_000] * N)
    )
    pq.write_table(table, "items.parquet")
    assert select("farthest-first", *PARQUET, "--k", 50, "--show-column", "text") == 0
    assert Path("p.html").stat().st_size < 100_000
    assert "99,719 more letters" in read().text
    assert "Shown: 12 of 50." in read().text


def test_ids_of_a_shown_file_are_what_was_written():
    points = np.eye(4, dtype=np.float32)
    names = ["007", "7", "08", "8"]
    params = BuildParams(metric="l2", nlist=1, tune_queries=0)
    SoarIndex.build(points, params, ids=names).save(Path("zips.gleann"))
    Path("t.csv").write_text('id,text\n7,seven\n007,"agent, ""Bond"""\n99,nobody\n')
    Path("t.jsonl").write_text(
        '{"id": "7", "text": "seven"}\n{"id": "007", "text": "agent, \\"Bond\\""}\n'
    )
    for shown in ("t.csv", "t.jsonl"):
        assert select("farthest-first", "zips.gleann", "--k", 3, "--show-from", shown,
                      "--show-column", "text", "--overwrite") == 0  # fmt: skip
        page = Path("p.html").read_text()
        assert "<b>7</b>" in page
        assert re.search(r"<b>7</b>.{,120}?seven", page)
        assert re.search(r"<b>007</b>.{,120}?agent, &quot;Bond&quot;", page)
        assert "nobody" not in page
    Path("t.csv").write_text("id,text\nnone,of them\n")
    assert select("farthest-first", "zips.gleann", "--k", 3, "--show-from", "t.csv",
                  "--show-column", "text", "--overwrite") == 1  # fmt: skip


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_smallest_graphs_have_a_page(n):
    points = np.eye(n, 3, dtype=np.float32)
    params = BuildParams(metric="l2", nlist=1, tune_queries=0)
    SoarIndex.build(points, params).save(Path("tiny.gleann"))
    assert run("graph", "tiny.gleann", "--k", 2, "--out", "g.npz", "--report",
               "g.html") == 0  # fmt: skip
    text = read("g.html").text
    assert f"of {counted(n, 'rows')}" in text
    assert ("distance 2" in text) == (n > 1)


def test_one_chosen_row_has_no_other_to_be_apart_from():
    assert select("farthest-first", *PARQUET, "--k", 1) == 0
    text = read().text
    assert "How far apart" not in text
    assert "1 of 300 items" in text


def test_a_page_of_rounds_goes_on_to_the_next_round():
    out = ("--out", "round-1.parquet", "--report", "round-1.html", "--json")
    assert run("select", "rounds", "items.parquet", "--batch", 8, "--picker", "margin",
               "--state", "r.json", *SHOWN, *out) == 0  # fmt: skip
    page = read("round-1.html")
    first = pq.read_table("round-1.parquet")["id"].to_pylist()
    assert all(one in page.text for one in first)
    assert "1 rounds so far" in " ".join(page.text.split())
    assert "How informative" not in page.text
    labels = {"id": first, "label": [int(one[1:]) % 2 for one in first]}
    pacsv.write_csv(pa.table(labels), "labels.csv")
    (again,) = next_commands("round-1.html")
    assert command(again) == 0
    second = pq.read_table("round-2.parquet")["id"].to_pylist()
    assert len(second) == 8
    assert not set(first) & set(second)
    page = read("round-2.html")
    assert page.row("0")[1] == str(labels["label"].count(0))
    assert "by margin" in page.text


def test_pictures_without_pillow_are_refused_with_the_command(monkeypatch, capsys):
    monkeypatch.setattr("gleann.service.cli.reports.find_spec", lambda name: None)
    assert select("farthest-first", *PARQUET, "--k", 5, "--image-column", "text") == 1
    assert "pip install pillow" in capsys.readouterr().err
    assert not Path("picks.parquet").exists()
