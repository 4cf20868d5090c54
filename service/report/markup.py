"""Markup that is safe by default: what is not `Html` is escaped."""

from collections.abc import Mapping, Sequence
from html import escape

VOID_TAGS = frozenset({"br", "circle", "col", "hr", "line", "path", "rect"})


class Html(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


def element(
    tag: str, attributes: Mapping[str, object] | None = None, *children: str
) -> Html:
    """Make one element.

    Args:
        tag: its name, trusted.
        attributes: names (trusted) and values (escaped); a value of None is left out.
        children: `Html` goes in as it is, any other string is escaped.
    """
    opening = tag + "".join(
        f' {name}="{escape(_number(value))}"'
        for name, value in (attributes or {}).items()
        if value is not None
    )
    if tag in VOID_TAGS and not children:
        return Html(f"<{opening}/>")
    return Html(f"<{opening}>{join(children)}</{tag}>")


def join(children: Sequence[str]) -> Html:
    """Put fragments one after another; plain strings are escaped."""
    return Html("".join(c if isinstance(c, Html) else escape(c) for c in children))


def _number(value: object) -> str:
    # Tenths of a pixel are enough, and they keep a chart of 2,000 points small.
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
