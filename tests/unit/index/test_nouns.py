"""Nouns of messages, in the number that they count."""

import pytest

from gleann.index.nouns import counted, noun, number_of, verb


@pytest.mark.parametrize(
    ("things", "one"),
    [
        ("rows", "row"),
        ("queries", "query"),
        ("training classes", "training class"),
        ("indexes", "index"),
        ("given labels", "given label"),
        ("leaked", "leaked"),
    ],
)
def test_one_takes_the_singular(things: str, one: str) -> None:
    assert noun(1, things) == one
    assert [noun(count, things) for count in (0, 2, 1.5)] == [things] * 3


def test_numbers_have_their_nouns_and_verbs() -> None:
    assert counted(1, "pairs") == "1 pair"
    assert counted(0, "pairs") == "0 pairs"
    assert number_of(1, "training rows") == "1 training row"
    assert number_of(12_345, "entries") == "12345 entries"
    assert counted(12_345, "entries") == "12,345 entries"
    assert [verb(count, "is", "are") for count in (0, 1, 2)] == ["are", "is", "are"]
