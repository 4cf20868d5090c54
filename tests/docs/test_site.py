"""The site: all pages are in its contents, and zensical finds no broken link."""

import json
import tomllib
from importlib.util import find_spec

import pytest

import gleann
from docs.make import contents, site

NO_ZENSICAL = not (find_spec("zensical") and find_spec("mkdocstrings"))


@pytest.fixture(scope="module")
def layout():
    return site.lay_out(run_scripts=False)


def paths_in(value):
    """Paths of pages in a table of contents."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from paths_in(inner)
    else:
        for item in value:
            yield from paths_in(item)


def test_contents_have_every_page_once(layout):
    settings = tomllib.loads(site.configured(layout))["project"]
    listed = list(paths_in(settings["nav"]))
    assert sorted(listed) == sorted(layout.texts)
    assert len(listed) > 60


def test_the_version_is_that_of_the_package(layout):
    settings = tomllib.loads(site.configured(layout))["project"]
    assert settings["site_name"] == f"gleann {gleann.__version__}"


def test_every_page_begins_with_its_title(layout):
    for path, text in layout.texts.items():
        assert text.startswith("# "), path


@pytest.mark.parametrize("source", sorted(contents.OWN))
def test_lists_and_tables_are_what_is_made(source):
    renewed = site.renewed_page(source, site.read_scripts())
    text = (contents.ROOT / source).read_text()
    assert renewed == text, "run: python -m docs --renew"


def test_a_page_has_the_recorded_results(layout):
    row = next(
        line
        for line in (contents.ROOT / "README.md").read_text().splitlines()
        if line.startswith("| glove-100 (")
    )
    assert row in layout.texts["comparison.md"]


def test_a_new_document_is_listed(monkeypatch, tmp_path):
    monkeypatch.setattr(contents, "ROOT", tmp_path)
    monkeypatch.setattr(contents, "DOCS", tmp_path / "docs")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "roadmap.md").write_text("# Roadmap\n")
    expected = {"docs/roadmap.md": "project/roadmap.md"}
    assert contents.further_documents() == expected


def test_quotes_in_titles_stay():
    toml = contents.as_toml([{'a "b" \\': "c.md"}, {"d": [{"e": "f.md"}]}])
    assert tomllib.loads(f"x = {toml}")["x"] == [
        {'a "b" \\': "c.md"},
        {"d": [{"e": "f.md"}]},
    ]


@pytest.mark.slow
@pytest.mark.skipif(NO_ZENSICAL, reason="needs the extra docs (make docs)")
def test_the_site_is_made_and_a_broken_link_is_not(layout, tmp_path):
    configuration = site.write(layout, tmp_path / "site")
    assert site.render(configuration) == 0
    made = tmp_path / "site" / "site"
    assert "def build" in (made / "reference/api/index.html").read_text() or (
        "SoarIndex" in (made / "reference/api/index.html").read_text()
    )
    assert json.loads((made / "search.json").read_text())
    page = tmp_path / "site" / "pages" / "index.md"
    page.write_text(page.read_text() + "\n[nowhere](first_steps.md#nothing)\n")
    assert site.render(configuration) != 0
