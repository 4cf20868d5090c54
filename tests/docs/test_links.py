"""Links of documents lead to where their targets are in the site, or are errors."""

import pytest

from docs.make.links import LinkError, Places, anchor_of, headings, relinked

PLACES = Places(
    pages={
        "docs/index.md": "index.md",
        "docs/howto/gpu.md": "howto/gpu.md",
        "bench/README.md": "benchmarks.md",
        "docs/tutorials/search.py": "tutorials/search.md",
    },
    assets={"docs/architecture.svg": "assets/architecture.svg"},
)


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("docs/index.md", "[a](howto/gpu.md)", "[a](howto/gpu.md)"),
        ("docs/howto/gpu.md", "[a](../index.md)", "[a](../index.md)"),
        ("docs/howto/gpu.md", "[b](../../bench/README.md)", "[b](../benchmarks.md)"),
        (
            "docs/index.md",
            "[b](../bench/README.md#growth)",
            "[b](benchmarks.md#growth)",
        ),
        ("bench/README.md", "[c](#growth)", "[c](#growth)"),
        ("docs/index.md", "[s](tutorials/search.py)", "[s](tutorials/search.md)"),
        (
            "docs/howto/gpu.md",
            "![d](../architecture.svg)",
            "![d](../assets/architecture.svg)",
        ),
        ("docs/index.md", "[it](../LICENSE)", "it (`LICENSE`)"),
        (
            "docs/index.md",
            "[w](https://example.org/a.md)",
            "[w](https://example.org/a.md)",
        ),
        ("docs/index.md", "```\n[x](nothing.md)\n```", "```\n[x](nothing.md)\n```"),
    ],
)
def test_a_link_is_that_of_the_site(source, text, expected):
    assert relinked(text, source, PLACES) == expected


def test_the_second_of_equal_headings_is_numbered_as_the_site_does(tmp_path):
    text = "[g](#labels-over-the-graph-1)"
    assert relinked(text, "bench/README.md", PLACES) == "[g](#labels-over-the-graph_1)"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[a](nothing.md)", "leads to docs/nothing.md, which is not"),
        (
            "[a](../bench/README.md#no-such)",
            "#no-such is no heading of bench/README.md",
        ),
        ("[a](../bench/README.md#growth-7)", "#growth-7 is no heading"),
    ],
)
def test_a_link_to_nothing_is_an_error(text, why):
    with pytest.raises(LinkError, match=why):
        relinked(text, "docs/index.md", PLACES)


def test_headings_in_fences_are_none():
    text = "# One\n```sh\n# a comment\n```\n## Two `x`, three ##\n"
    assert headings(text) == ["One", "Two `x`, three"]
    assert anchor_of("Two `x`, three") == "two-x-three"
    assert anchor_of("A - b [c](d.md)") == "a---b-c"
