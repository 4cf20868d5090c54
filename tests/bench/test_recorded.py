"""The documents' tables are what the recorded results give, to the letter."""

import json
import re
from argparse import ArgumentParser
from pathlib import Path

import pytest

from bench.recorded import add_table, filled, tables
from bench.records import RESULTS, default_file, read_results, write_json
from bench.summary import headline, summary

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def recorded():
    return read_results(RESULTS)


@pytest.mark.parametrize(
    "document", ["README.md", "bench/README.md", "service/DECISIONS.md"]
)
def test_documents_show_what_was_recorded(document, recorded):
    text = (ROOT / document).read_text()
    assert "<!-- results: " in text
    assert filled(text, recorded) == text, "run: python -m bench table --into README.md"


def test_every_kind_of_result_here_has_its_table(recorded):
    found = dict(tables(recorded))
    for name, result in recorded.items():
        if result.get("mode") in ("batch", "single", "build", "knn-graph", "on-disk"):
            data = result["data"]
            shape = f"{data['n']} x {data['dim']}"
            assert data.get("name", shape) in found[name]


def test_a_document_keeps_all_but_its_tables():
    results = {"tiny": batch({"scann": 2.0})}
    text = (
        "before\n\n<!-- results: tiny -->\nold 1 2 3\n<!-- end of results -->\nafter\n"
    )
    new = filled(text, results)
    assert new.startswith("before\n\n<!-- results: tiny -->\n\n")
    assert new.endswith("\n\n<!-- end of results -->\nafter\n")
    assert "old" not in new
    assert "| scann | 500 | 2.00x (1.50..2.50) |" in new
    assert filled(new, results) == new


def test_an_unknown_result_is_named():
    text = "<!-- results: nothing -->\n<!-- end of results -->\n"
    with pytest.raises(KeyError, match="nothing"):
        filled(text, {})


def test_the_command_prints_and_renews(tmp_path, capsys):
    write_json(batch({"scann": 2.0}), tmp_path / "tiny.json")
    document = tmp_path / "page.md"
    document.write_text("<!-- results: summary -->\n<!-- end of results -->\n")
    run(["--results", str(tmp_path)])
    assert "## tiny\n\ntiny (10 x 2, ip), mode batch" in capsys.readouterr().out
    run(["--results", str(tmp_path), "--into", str(document)])
    assert "2.00x (1.50..2.50)" in document.read_text()
    assert capsys.readouterr().out == ""


def test_the_summary_takes_the_best_of_each_kind():
    ratios = {"hnswlib": 9.0, "usearch": 4.0, "faiss-hnsw": 6.0, "scann": 3.0}
    (line,) = re.findall(r"^\| tiny .*", summary({"a": batch(ratios)}), flags=re.M)
    assert line.split(" | ")[4:] == [
        "1,000",
        "3.00x (2.50..3.50)",
        "-",
        "4.00x (3.50..4.50) |",
    ]


def test_the_headline_joins_the_runs_of_a_data_set():
    graphs = batch({"hnswlib": 9.0, "usearch": 4.0})
    spilling = batch({}) | {"comparisons": []}
    other = batch({"scann": 2.0})
    other["data"] = other["data"] | {"name": "other"}
    runs = {"0": spilling, "a": batch({"scann": 3.0}), "b": graphs, "d": other}
    assert headline(runs).splitlines()[2:] == [
        "| tiny (10 x 2, ip) | 1,000 | 3.00x (2.50..3.50) | - | 4.00x (3.50..4.50) |",
        "| other (10 x 2, ip) | 1,000 | 2.00x (1.50..2.50) | - | - |",
    ]


def test_the_summary_says_who_did_not_get_there():
    result = batch({"scann": 3.0})
    result["peers"]["faiss-ivfpq"] = {"status": "measured"}
    result["peers"]["hnswlib"] = {"status": "skipped", "reason": "not installed"}
    (line,) = re.findall(r"^\| tiny .*", summary({"a": result}), flags=re.M)
    assert line.endswith("| 3.00x (2.50..3.50) | not reached | - |")


def test_the_summary_of_single_queries_and_builds():
    single = batch({"scann": 1.25}) | {"mode": "single"}
    runs = [{"seconds": 2.0, "peak_anonymous_bytes": 1, "serving_bytes": 1}]
    ratio = {"median": 3.0, "low": 2.9, "high": 3.1}
    build = batch({}) | {
        "mode": "build",
        "builds": [
            {"peer": "gleann", "runs": runs, "ratio": None, "build": {}},
            {"peer": "scann", "runs": runs, "ratio": ratio, "build": {}},
        ],
    }
    text = summary({"single": single, "build": build})
    assert "gleann, p50 us" in text
    assert "| 800 | 1.25x (0.75..1.75) |" in text
    assert "| tiny (10 x 2, ip) | 1 | 2.00 | 3.00x (2.90..3.10) | - | - |" in text


def test_quick_results_stay_out_of_the_folder():
    assert default_file("x") == RESULTS / "x.json"
    assert RESULTS not in default_file("x", quick=True).parents


def test_a_result_is_whole_or_not_there(tmp_path):
    write_json({"a": 1}, tmp_path / "new" / "a.json")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.json"]
    assert read_results(tmp_path / "new") == {"a": {"a": 1}}
    with pytest.raises(TypeError):
        write_json({"a": object()}, tmp_path / "new" / "a.json")
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"a": 1}


def run(line):
    parser = ArgumentParser()
    add_table(parser)
    arguments = parser.parse_args(line)
    assert arguments.run(arguments) == 0


def batch(ratios):
    """A result with gleann beside peers that are slower by `ratios` at recall 0.95."""
    return {
        "mode": "batch",
        "data": {"name": "tiny", "n": 10, "dim": 2, "metric": "ip"},
        "machine": {"cpu": "a CPU", "cores": 1}
        | dict.fromkeys(("amx", "vnni", "avx512", "avx2"), False),
        "threads": 1,
        "k": 10,
        "quick": False,
        "levels": [0.95],
        "load_at_start": 0.1,
        "peers": {name: {"status": "measured"} for name in ratios},
        "comparisons": [
            {
                "level": 0.95,
                "ours": side("gleann", 1000, work=True),
                "theirs": side(name, 1000 / ratio),
                "ratio": ratio,
                "low": ratio - 0.5,
                "high": ratio + 0.5,
            }
            for name, ratio in ratios.items()
        ],
    }


def side(name, qps, *, work=False):
    counts = ("lists_probed", "entries_scanned", "survivors", "reranked")
    told = {"engine": "reference", "spilled_share": 0.5} | dict.fromkeys(counts, 1.0)
    return {
        "name": name,
        "qps": qps,
        "recall": 0.96,
        "p50_seconds": 8e-4,
        "p99_seconds": 9e-4,
        "search": {},
        "build": {},
        "cores": [1.0],
        "work": told if work else None,
    }
