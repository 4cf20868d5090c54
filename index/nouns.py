"""Nouns of messages in the number that they count: 1 row, 2 rows."""


def noun(count: float, things: str) -> str:
    """The noun for a count; messages have none in -ches, -shes, -uses or -ices.

    Args:
        count: 1 takes the singular.
        things: the plural, whose last word is the noun: "rows", "training classes".
    """
    if count != 1:
        return things
    for ending, single in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if things.endswith(ending):
            return things.removesuffix(ending) + single
    return things


def counted(count: int, things: str) -> str:
    """A count and its noun: "1 row", "2,000 rows"."""
    return f"{count:,} {noun(count, things)}"


def number_of(count: int, things: str) -> str:
    """As `counted`, with the count as errors have it: "2000 rows"."""
    return f"{count} {noun(count, things)}"


def verb(count: float, singular: str, plural: str) -> str:
    """The verb of a subject that a count comes before: "is" or "are"."""
    return singular if count == 1 else plural
