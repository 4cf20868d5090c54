"""One self-contained page: title, lead, sections and style."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from gleann.service.report.markup import Html, element, join


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and its content.

    Attributes:
        title: the heading.
        body: paragraphs, tables and figures, in order.
    """

    title: str
    body: tuple[Html, ...]


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Render a whole HTML document."""
    contents = [
        element("li", {}, element("a", {"href": f"#s{n}"}, one.title))
        for n, one in enumerate(sections)
    ]
    body = [
        element("section", {"id": f"s{n}"}, element("h2", {}, one.title), *one.body)
        for n, one in enumerate(sections)
    ]
    template = Template(files(__package__).joinpath("page.html").read_text("utf-8"))
    return template.substitute(
        title=join([title]),
        lead=join([lead]),
        contents=element("ul", {}, *contents),
        body=join(body),
    )


def paragraph(words: str) -> Html:
    """One paragraph of plain text."""
    return element("p", {}, words)


def code(words: str) -> Html:
    """A command or output as preformatted text."""
    return element("pre", {}, words)


def figure(chart: Html, *, caption: str) -> Html:
    """A chart with its caption."""
    return element("figure", {}, chart, element("figcaption", {}, caption))


def side_by_side(figures: Sequence[Html]) -> Html:
    """Figures side by side if the window is wide enough."""
    return element("div", {"class": "beside"}, *figures)


def tiles(pairs: Sequence[tuple[str, str]]) -> Html:
    """Tiles with key figures: a value and its label each."""
    made = [
        element("div", {}, element("b", {}, value), element("span", {}, what))
        for value, what in pairs
    ]
    return element("div", {"class": "tiles"}, *made)


def note(words: str) -> Html:
    """A caveat that the reader must not miss."""
    return element("p", {"class": "note", "role": "note"}, words)
