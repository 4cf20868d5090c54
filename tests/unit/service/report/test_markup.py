"""Markup is safe by default; numerals and tables write what people expect."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleann.service.report.examples import Example, clip, example_grid
from gleann.service.report.markup import Html, element, join
from gleann.service.report.numerals import MINUS, apart, compact, percent, short
from gleann.service.report.page import (
    Section,
    code,
    figure,
    note,
    page,
    paragraph,
    tiles,
)
from gleann.service.report.tables import best_of, facts, table

NASTY = '<script>alert("x")</script>&\''


def test_text_is_escaped_and_markup_is_not():
    inner = element("b", {}, "1 < 2")
    assert inner == "<b>1 &lt; 2</b>"
    assert element("p", {}, inner, " & more") == "<p><b>1 &lt; 2</b> &amp; more</p>"


def test_markup_that_is_put_together_by_hand_is_escaped():
    # Adding text to markup makes plain text: a slip shows, it does not open a hole.
    assert element("p", {}, Html("<b>") + NASTY).count("<") == 2


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_no_text_can_open_a_tag_or_leave_an_attribute(text):
    made = element("p", {"title": text}, text)
    assert made.count("<") == 2
    assert made.count('"') == 2


def test_attributes():
    assert element("i", {"a": None, "b": 1.0, "c": 2.25}) == '<i b="1" c="2.2"></i>'
    assert element("line", {"x1": 3.0}) == '<line x1="3"/>'


def test_join_escapes_plain_strings():
    assert join([Html("<b>"), "<b>"]) == "<b>&lt;b&gt;"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12_345.6, "12,346"),
        (350.4, "350"),
        (0.95123, "0.9512"),
        (-2.5, f"{MINUS}2.5"),
        (1.2e-6, "1.2e-6"),
        (3e9, "3.0e9"),
    ],
)
def test_short(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.0, 0.1, 0.25], ["0", "0.1", "0.25"]),
        ([0.04999, 0.05, 0.050001], ["0.04999", "0.05", "0.050001"]),
        ([1.0, 1.0], ["1", "1"]),
        ([], []),
    ],
)
def test_numbers_apart_look_different(values, texts):
    assert apart(values) == texts


@pytest.mark.parametrize(
    ("value", "text"), [(950, "950"), (12_300, "12.3k"), (1.5e6, "1.5M"), (2e9, "2G")]
)
def test_compact(value, text):
    assert compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (1, "100 %"), (0.5, "50 %"), (0.0213, "2.1 %"), (0.0021, "0.21 %"),
     (0.9987, "99.87 %"), (0.1, "10 %"), (0.9, "90 %"), (0.95, "95 %"),
     (0.051, "5.1 %"), (0.99999, "99.999 %"), (0.00001, "0.001 %")],
)  # fmt: skip
def test_percent_tells_small_shares_from_none(value, text):
    assert percent(value) == text


def test_columns_of_numbers_stand_at_the_right():
    made = table(["name", "n", "year"], [["a", 1.5, "x"], ["b", None, "1984"]])
    assert '<th scope="col" class="number">n</th>' in made
    assert '<th scope="col">year</th>' in made
    assert "<td>1984</td>" in made
    assert "\N{EN DASH}" in made


def test_the_best_of_a_column_is_marked_and_said():
    best = best_of([3.0, None, 1.0, 1.0], column=1, want="low")
    assert best == {(2, 1), (3, 1)}
    assert best_of([3.0, None, 1.0], column=0, want="high") == {(0, 0)}
    # Where all are equal, none is better than another.
    assert best_of([2.0, 2.0], column=0, want="low") == set()
    assert best_of([None, 2.0], column=0, want="low") == set()
    assert best_of([None, None], column=0, want="low") == set()
    assert best_of([0.1 + 0.2, 0.3], column=0, want="low") == set()
    assert best_of([0.1 + 0.2, 0.3, 1], column=0, want="low") == {(0, 0), (1, 0)}
    rows = [["a", 3.0], ["b", None], ["c", 1.0], ["d", 1.0]]
    made = table(["name", "n"], rows, best=best, caption="about")
    assert made.count('class="number best"') == 2
    assert made.count("(best)") == 2
    assert '<td class="number best">1<span class="said"> (best)</span></td>' in made
    assert "<caption>about</caption>" in made


def test_every_piece_of_a_page_escapes():
    body = (
        paragraph(NASTY),
        note(NASTY),
        code(NASTY),
        example_grid(
            [
                Example(
                    id=NASTY,
                    facts=((NASTY, NASTY),),
                    texts=((NASTY, NASTY), (NASTY, NASTY)),
                    picture=NASTY,
                ),
                Example(id="1", missing=NASTY),
            ],
            of=3,
        ),
        tiles([(NASTY, NASTY)]),
        table([NASTY], [[NASTY]]),
        facts([(NASTY, NASTY)]),
        figure(element("svg", {}, NASTY), caption=NASTY),
    )
    made = page(NASTY, NASTY, [Section(title=NASTY, body=body)])
    assert "<script" not in made
    assert made.count("&lt;script&gt;") >= 23


def test_dollars_in_text_are_only_text():
    assert "$title costs $$5" in page("x", "$title costs $$5", [])


@settings(deadline=None)
@given(st.text(max_size=400))
def test_clipped_text_is_one_line_and_counts_what_it_leaves_out(text):
    clipped = clip(text, most=50)
    whole = " ".join(text.split())
    if len(whole) <= 50:
        assert clipped == whole
    else:
        assert f"({len(whole) - 50} more letters)" in clipped
        assert len(clipped) < 50 + 30
    assert len(clipped.splitlines()) <= 1


def test_a_grid_says_how_many_items_it_leaves_out():
    three = [Example(id=str(n)) for n in range(3)]
    assert "Shown: 3 of 1,200." in example_grid(three, of=1200)
    assert "Shown" not in example_grid(three, of=3)
    assert "There is none." in example_grid([], of=0)
