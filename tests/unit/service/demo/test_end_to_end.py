"""`gleann demo --quick`: a real server, every stage, and the report it leaves."""

import json
import re
import shlex
from html import unescape
from html.parser import HTMLParser
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gleann.service.cli.main import run
from gleann.service.demo import digits, estimating, labelling, speed
from gleann.service.demo.scale import QUICK
from gleann.service.demo.words import PACKAGES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in PACKAGES),
        reason=f"the demo's packages ({', '.join(PACKAGES)}) are not all installed",
    ),
]

VOID = {"meta", "br", "hr", "img", "input"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "report"
    assert run(["demo", "--quick", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def figures(folder):
    return json.loads((folder / "report.json").read_text())


class Balance(HTMLParser):
    """Follows open tags."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(folder):
    text = (folder / "report.html").read_text()
    balance = Balance()
    balance.feed(text)
    assert balance.open == []
    plain = re.sub(r'src="data:image/png;base64,[\w+/=]+"', 'src="#"', text)
    assert "http" not in plain
    assert not re.search(
        r"""(?:src|href)\s*=\s*["'](?!\#)|url\(|@import|<script""", plain
    )
    assert "nan" not in re.sub("<[^>]*>", " ", text).lower().split()
    # Words and pictures of every part are there.
    assert text.count("<svg") == 2 + 4 + 4 + 2
    for heading in ("Through the service", "Recall and speed", "Finding rare concepts",
                    "How many, and what mean", "A subset to train on"):  # fmt: skip
        assert f"<h2>{heading}</h2>" in text


def test_the_page_shows_what_was_found(folder, figures):
    text = unescape((folder / "report.html").read_text())
    assert len(figures["found"]) == 4
    for one in figures["found"]:
        assert one["seeds"] == labelling.SEED_POSITIVES
        assert ", ".join(one["words"]) in text
        runs = [r for r in figures["runs"] if r["concept"] == one["concept"]]
        run = next(r for r in runs if r["method"] == one["method"])
        positives = run["checkpoints"][-1]["positives"]
        assert one["count"] == positives - one["seeds"]
    assert text.count('src="data:image/png') == len(digits.METHODS) * QUICK.digits


def test_every_table_of_methods_marks_its_best(folder):
    text = (folder / "report.html").read_text()
    tables = re.findall(r"<table>.*?</table>", text, re.S)
    methods = [one for one in tables if '<th scope="col">method</th>' in one]
    assert len(methods) == 4
    assert all("(best)" in one for one in methods)


def test_the_page_ends_with_commands_for_the_readers_file(
    folder, tmp_path, monkeypatch
):
    text = unescape((folder / "report.html").read_text())
    end = text.partition("<h2>Now with your file</h2>")[2]
    commands = [shlex.split(one) for one in re.findall(r"<pre>(gleann.*?)</pre>", end)]
    assert [words[1] for words in commands] == ["build", "select", "estimate"]
    monkeypatch.chdir(tmp_path)
    points = np.random.default_rng(1).normal(size=(1_500, 6)).astype(np.float32)
    columns = {"id": [f"n{n}" for n in range(1_500)], "text": ["a"] * 1_500}
    pq.write_table(pa.table({**columns, "vector": list(points)}), "items.parquet")
    # The last one asks for labels, which is exit code 3.
    assert [run(words[1:]) for words in commands] == [0, 0, 3]
    assert "covers" in (tmp_path / "picks.html").read_text()


def test_every_method_was_measured(figures):
    runs = {(r["concept"], r["method"], r["seed"]) for r in figures["runs"]}
    assert len(runs) == 4 * len(labelling.METHODS) * QUICK.label_seeds
    assert {t["method"] for t in figures["trials"]} == set(estimating.METHODS)
    assert {s["method"] for s in figures["digits"]["subsets"]} == set(digits.METHODS)
    for target in speed.TARGETS:
        race = figures["speed"]["raced"][str(target)]
        methods = {point["method"]: point for point in race}
        assert {"SOAR", "no spilling", "exact (gleann)"} <= set(methods)
        assert all(point["recall"] >= target for point in race)
        assert all(point["qps"] > 0 for point in race)


def test_the_service_and_the_library_agree(figures):
    assert figures["session"]["same"]
    assert figures["digits"]["remote_same"]
    assert figures["tour"]["count"] == figures["words"]
    assert "france" in [word for word, _ in figures["tour"]["nearest"]["paris"]]


def test_the_run_says_what_it_ran_on(figures):
    assert figures["about"]["machine"]["cores"] >= 1
    assert figures["about"]["versions"]["gleann"]
    assert set(figures["about"]) == {"machine", "versions", "command", "finished"}


def test_a_second_run_does_not_overwrite(folder, capsys):
    before = (folder / "report.html").read_bytes()
    assert run(["demo", "--quick", "--out", str(folder)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "report.html").read_bytes() == before
