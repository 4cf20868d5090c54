"""Decision notes: one form, a table that agrees with them, citations that exist."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ["index", "index/engines/device", "selection", "service"]
FOLDERS = ["bench", "docs", "index", "proto", "selection", "service", "tests"]
SUFFIXES = {".cpp", ".hpp", ".md", ".proto", ".py", ".sh", ".toml"}

HEADING = re.compile(r"^## (\d+)\. (.+)\n\n\*(\d{4}-\d\d-\d\d), (.+)\.\*$", re.M)
ROW = re.compile(r"^\| (\d+) \| (.+) \| (\d{4}-\d\d-\d\d) \| (.+) \|$", re.M)
UNCHECKED = ("CHANGELOG.md",)
"""What was said of a release stays, though files have moved."""

LAST = "## Not done"
"""The one section that is no note; it may end a file."""

STATUS = re.compile(r"(in force|not taken|replaced by \d+)(; .+)?")
REVISED = re.compile(r"(?:revised|replaced) by (\d+)")
REVISES = re.compile(r"(?:revises|replaces) ((?:\d+)(?:(?:, | and )\d+)*)")
NOTE = re.compile(r"\b(?:decisions?|notes?|since)\s+(\d{1,2})\b", re.I)
ISSUE = re.compile(r"\bissues? #?\d+\b(?!\.\d)", re.I)
CITED = re.compile(r"([\w/-]*DECISIONS\.md)`?\s+(\d+)\b")
SOURCE = re.compile(r"`([\w./-]*\w\.(?:cpp|hpp|proto|py|sh|svg|toml))`")
DOCUMENT = re.compile(r'(?<![\w/.*-])(?<!tmp_path / ")[\w./-]*\w\.md\b')


def notes_of(room):
    return (ROOT / room / "DECISIONS.md").read_text("utf-8")


def count_of(room):
    return len(HEADING.findall(notes_of(room)))


@cache
def texts():
    """Every file that a person wrote, with its text."""
    files = [file for file in ROOT.iterdir() if file.is_file()]
    for folder in FOLDERS:
        files += (ROOT / folder).rglob("*")
    found = []
    for file in sorted(files):
        written = file.suffix in SUFFIXES or file.name == "Makefile"
        written = written and file.name not in UNCHECKED
        if written and "_pb2" not in file.name and file != Path(__file__).resolve():
            found.append((file, file.read_text("utf-8")))
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_the_table_lists_every_note(room):
    text = notes_of(room)
    headings = HEADING.findall(text)
    sections = re.findall(r"^## .+$", text, re.M)
    assert len(headings) == len([one for one in sections if one != LAST])
    assert LAST not in sections[:-1]
    assert [int(number) for number, *_ in headings] == [*range(1, len(headings) + 1)]
    assert ROW.findall(text) == headings


@pytest.mark.parametrize("room", ROOMS)
def test_a_note_and_the_one_that_revises_it_name_each_other(room):
    later, earlier = set(), set()
    for number, title, _, status in HEADING.findall(notes_of(room)):
        assert STATUS.fullmatch(status), title
        later |= {(int(number), int(by)) for by in REVISED.findall(status)}
        for of in REVISES.findall(status):
            earlier |= {(int(old), int(number)) for old in re.findall(r"\d+", of)}
    assert later == earlier
    assert all(1 <= number <= count_of(room) for pair in later for number in pair)


@pytest.mark.parametrize("room", ROOMS)
def test_notes_cite_notes_that_exist(room):
    cited = NOTE.findall(notes_of(room))
    assert cited
    assert all(1 <= int(number) <= count_of(room) for number in cited)


def test_citations_name_the_file_and_a_note_that_is_in_it():
    counts = {f"{room}/DECISIONS.md": count_of(room) for room in ROOMS}
    cited = []
    for file, text in texts():
        if file.name != "DECISIONS.md":
            assert not NOTE.findall(text), f"{file}: of which DECISIONS.md?"
        cited += [(file, name, int(number)) for name, number in CITED.findall(text)]
    assert len(cited) > 20
    for file, name, number in cited:
        assert number <= counts[name], f"{file} cites {name} {number}"


NAME_PAGES = {
    ROOT / "docs" / "make",
    ROOT / "docs" / "stopwatch",
    ROOT / "tests" / "docs",
}
"""Folders whose files name pages by their place in the site."""


def test_documents_that_are_cited_exist():
    cited = [
        (file, name)
        for file, text in texts()
        if file.parent not in NAME_PAGES
        for name in DOCUMENT.findall(text)
    ]
    assert len(cited) > 50
    for file, name in cited:
        places = [ROOT / name, file.parent / name]
        assert any(place.is_file() for place in places), f"{file} cites {name}"


def test_files_that_documents_name_exist():
    named = []
    for file, text in texts():
        if file.suffix == ".md":
            named += [(file, name) for name in SOURCE.findall(text)]
    assert len(named) > 100
    for file, name in named:
        places = [ROOT / name, file.parent / name]
        assert any(place.is_file() for place in places), f"{file} names {name}"


def test_issues_that_are_cited_name_their_repository():
    for file, text in texts():
        for found in ISSUE.finditer(text):
            before = text[: found.start()].split()[-1]
            assert "/" in before, f"{file}: {before} {found[0]}, of what?"
