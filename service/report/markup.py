"""HTML markup, safe by default: strings other than `Html` are escaped."""

from collections.abc import Mapping, Sequence
from html import escape

VOID_TAGS = frozenset({"br", "circle", "col", "hr", "img", "line", "path", "rect"})


class Html(str):
    """Markup text, which is not escaped."""

    __slots__ = ()


def element(
    tag: str, attributes: Mapping[str, object] | None = None, *children: str
) -> Html:
    """Make one element.

    Args:
        tag: its name, trusted.
        attributes: names (trusted) and values (escaped); a value of None is left out.
        children: `Html` is kept as it is; other strings are escaped.
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
    """Concatenate fragments; plain strings are escaped."""
    return Html("".join(c if isinstance(c, Html) else escape(c) for c in children))


def _number(value: object) -> str:
    # A tenth of a pixel is enough and keeps a chart of 2,000 points small.
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
