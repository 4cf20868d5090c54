"""Single items of a data set: id, facts, texts and a small picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from gleann.service.report.markup import Html, element
from gleann.service.report.page import paragraph

MOST_LETTERS = 280


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One item.

    Attributes:
        id: of the caller.
        facts: what the job knows of it, such as ("distance", "0.42").
        texts: names and contents of the shown columns.
        picture: a data URI, or "" for none.
        missing: why there is no picture, or "".
    """

    id: str
    facts: tuple[tuple[str, str], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    picture: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleSet:
    """Items of one kind.

    Attributes:
        title: what they have in common.
        examples: some of them.
        count: number of them.
    """

    title: str
    examples: Sequence[Example]
    count: int


def clip(text: str, *, most: int = MOST_LETTERS) -> str:
    """At most `most` letters of a text on one line, with the number left out."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    return f"{line[:most].rstrip()}… ({len(line) - most:,} more letters)"


def example_grid(
    examples: Sequence[Example], *, of: int, before: Sequence[Example] = ()
) -> Html:
    """Examples as cards.

    Args:
        examples: to show.
        of: number of items they come from; a line says how many are left out.
        before: cards in front of them that do not count, such as what they are for.
    """
    if not examples:
        return paragraph("There is none.")
    cards = [_card(one) for one in (*before, *examples)]
    grid = element("ul", {"class": "examples"}, *cards)
    if of <= len(examples):
        return grid
    left_out = f"Shown: {len(examples):,} of {of:,}."
    return element("div", {}, grid, element("p", {"class": "small"}, left_out))


def _card(one: Example) -> Html:
    parts = [_picture(one)] if one.picture or one.missing else []
    parts.append(element("b", {}, one.id))
    if one.facts:
        said = ", ".join(f"{name} {value}" for name, value in one.facts)
        parts.append(element("span", {"class": "small"}, said))
    several = len(one.texts) > 1
    for name, text in one.texts:
        words = f"{name}: {clip(text)}" if several else clip(text)
        parts.append(element("span", {"class": "text"}, words))
    return element("li", {}, *parts)


def _picture(one: Example) -> Html:
    if not one.picture:
        return element("span", {"class": "missing"}, one.missing)
    return element("img", {"src": one.picture, "alt": f"picture of {one.id}"})


def strip(pictures: Sequence[tuple[str, str]]) -> Html:
    """Small pictures beside each other: data URIs with the text for each."""
    images = [
        element("img", {"src": source, "alt": words, "title": words})
        for source, words in pictures
    ]
    return element("div", {"class": "strip"}, *images)
