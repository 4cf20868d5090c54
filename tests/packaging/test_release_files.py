"""Files that other programs read about the project: they are valid and true."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
PAGES = [ROOT / "SECURITY.md", ROOT / "docs/packaging.md"]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def test_the_citation_has_what_the_format_needs() -> None:
    """https://github.com/citation-file-format, schema 1.2.0."""
    citation = read(ROOT / "CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["license"] == project["license"]
    assert citation["message"]
    assert citation["title"].startswith(project["name"])
    for work in (citation, *citation["references"]):
        assert work["authors"]
        for author in work["authors"]:
            assert set(author) in ({"name"}, {"family-names", "given-names"})


@pytest.mark.parametrize(
    "form",
    [form for form in FORMS if form.stem != "config"],
    ids=lambda form: form.stem,
)
def test_a_form_for_issues_is_one(form: Path) -> None:
    content = read(form)
    assert {"name", "description", "labels", "body"} == set(content)
    names = [part["id"] for part in content["body"]]
    assert len(set(names)) == len(names)
    for part in content["body"]:
        assert part["type"] in {"textarea", "input", "dropdown", "checkboxes"}
        assert part["attributes"]["label"]
        assert ("options" in part["attributes"]) == (
            part["type"] in {"dropdown", "checkboxes"}
        )


def test_there_are_two_forms_and_their_settings() -> None:
    assert [form.stem for form in FORMS] == ["bug", "config", "wish"]
    assert read(ROOT / ".github/ISSUE_TEMPLATE/config.yml") == {
        "blank_issues_enabled": True
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_and_paths_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    links = [page.parent / link for link in re.findall(r"\]\(([^):]+)\)", text)]
    paths = re.findall(r"`((?:service|tests|docs|\.ci)/[\w/.]+)`", text)
    assert links
    assert [str(one) for one in links if not one.exists()] == []
    assert [one for one in paths if not (ROOT / one).exists()] == []
