"""The page on data prints what it shows, and its table names what is read."""

import doctest
from pathlib import Path

from gleann.index.data.files import KINDS

PAGE = (Path(__file__).resolve().parents[4] / "docs/data.md").read_text()


def test_session_prints_what_it_shows():
    example = doctest.DocTestParser().get_doctest(PAGE, {}, "page", None, 0)
    assert len(example.examples) >= 8
    output = []
    failed = doctest.DocTestRunner().run(example, out=output.append).failed
    assert failed == 0, "".join(output)


def test_all_suffixes_are_named():
    assert [suffix for suffix in KINDS if f"`{suffix}`" not in PAGE] == [".arrows"]
