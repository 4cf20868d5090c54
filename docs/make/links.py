"""Links of documents of the repository, as links between pages of the site.

A page of the site may be a document that lies elsewhere in the repository, such as
`bench/README.md`. Its links are to files beside it, and anchors are as GitHub makes
them: here both become what the site has. A link to a file that is no page shows the
path of the file.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]

_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *#*$")
_ELSEWHERE = re.compile(r"^[a-z][a-z+.-]*:")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


class LinkError(Exception):
    """A link to nothing: the document, the link and what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where documents of the repository are in the site.

    Attributes:
        pages: by path in the repository, the path of the page in the site.
        assets: likewise, of images.
    """

    pages: Mapping[str, str]
    assets: Mapping[str, str]


def relinked(text: str, source: str, places: Places) -> str:
    """A document with its links as they are in the site.

    Args:
        text: of the document, in Markdown.
        source: its path in the repository.
        places: of all pages.

    Raises:
        LinkError: a link to a file that is not there, or to no heading of a page.
    """
    lines = []
    fenced = False
    for line in text.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        lines.append(line if fenced else _in_line(line, source, places))
    return "\n".join(lines)


def _in_line(line: str, source: str, places: Places) -> str:
    def link(found: re.Match[str]) -> str:
        if _ELSEWHERE.match(found["target"]):
            return found[0]
        return _link(found, source, places)

    return _LINK.sub(link, line)


def _link(found: re.Match[str], source: str, places: Places) -> str:
    path, _, anchor = found["target"].partition("#")
    target = _joined(source, path) if path else source
    here = PurePosixPath(places.pages[source]).parent
    if target in places.pages:
        if anchor:
            anchor = f"#{_anchor(anchor, target, source)}"
        shown = os.path.relpath(places.pages[target], here)
        return f"[{found['text']}]({shown if path else ''}{anchor})"
    if target in places.assets:
        shown = os.path.relpath(places.assets[target], here)
        return f"{found['image']}[{found['text']}]({shown})"
    if not (ROOT / target).exists():
        raise LinkError(f"{source}: [{found['text']}] leads to {target}, which is not")
    return found["text"] if found["text"] == target else f"{found['text']} (`{target}`)"


def _joined(source: str, path: str) -> str:
    return os.path.normpath(PurePosixPath(source).parent / path)


def _anchor(anchor: str, target: str, source: str) -> str:
    """The anchor of a heading; of equal ones the site numbers with `_`, GitHub `-`."""
    document = ROOT / target
    counts = Counter(anchor_of(heading) for heading in headings(document.read_text()))
    if counts[anchor]:
        return anchor
    stem, _, number = anchor.rpartition("-")
    if number.isdecimal() and int(number) < counts[stem]:
        return f"{stem}_{number}"
    raise LinkError(f"{source}: #{anchor} is no heading of {target}")


def headings(text: str) -> list[str]:
    """Headings of a document, those in fences left out."""
    found = []
    fenced = False
    for line in text.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        heading = _HEADING.match(line)
        if heading and not fenced:
            found.append(heading[1])
    return found


def anchor_of(heading: str) -> str:
    """The anchor of a heading, as GitHub and `pymdownx.slugs` make it."""
    plain = _LINK.sub(lambda found: found["text"], heading)
    return _NOT_IN_ANCHORS.sub("", plain.lower()).replace(" ", "-")
