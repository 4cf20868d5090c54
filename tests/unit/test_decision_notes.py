"""Decision notes: one form, a table that agrees with them, citations that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ["index", "service"]
HEADING = re.compile(r"^## (\d+)\. (.+)\n\n\*(\d{4}-\d\d-\d\d), (.+)\.\*$", re.M)
ROW = re.compile(r"^\| (\d+) \| (.+) \| (\d{4}-\d\d-\d\d) \| (.+) \|$", re.M)


def notes_of(room):
    return (ROOT / room / "DECISIONS.md").read_text("utf-8")


@pytest.mark.parametrize("room", ROOMS)
def test_the_table_lists_every_note(room):
    text = notes_of(room)
    headings = HEADING.findall(text)
    assert len(headings) == len(re.findall(r"^## ", text, re.M))
    assert [int(number) for number, *_ in headings] == [*range(1, len(headings) + 1)]
    assert ROW.findall(text) == headings


@pytest.mark.parametrize("room", ROOMS)
def test_notes_cite_notes_that_exist(room):
    text = notes_of(room)
    count = len(HEADING.findall(text))
    cited = re.findall(r"\b(?:note|decision|revised by|revises|since) (\d+)\b", text)
    assert cited
    assert all(1 <= int(number) <= count for number in cited)
