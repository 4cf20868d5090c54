"""Groups by words, and quotas as numbers or shares."""

from enum import Enum
from functools import partial

import numpy as np
import pytest

from gleann import selection
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection import equal_quotas, proportional_quotas, within_groups
from gleann.selection.coreset import CoresetRequest, draw, select
from gleann.selection.coreset.methods.draws import draw_within_groups
from gleann.selection.groups import Groups, largest_remainder, resolved

N = 90
RNG = np.random.default_rng(12)
ROWS = RNG.standard_normal((N, 3)).astype(np.float32)
PLACES = RNG.permutation(np.repeat([0, 1, 2], [20, 30, 40]))
NO_ROWS = np.empty(0, np.int64)


class Kind(Enum):
    CAT = 0
    DOG = 1
    BIRD = 2


WORDS = {
    "integers": (5, 7, 9),
    "texts": ("bird", "cat", "dog"),
    "enum": (Kind.CAT, Kind.DOG, Kind.BIRD),
    "tuples": (("a", 1), ("a", 2), ("b", 1)),
}


def named(words):
    return [words[place] for place in PLACES]


def counts(quotas, k=50, words=("cat", "dog", "bird"), locked=NO_ROWS):
    return resolved(quotas, Groups.of(named(words)), k=k, locked=locked)


@pytest.mark.parametrize("kind", WORDS)
def test_groups_by_any_word_are_the_groups_by_number(kind):
    words = WORDS[kind]
    method = partial(selection.coreset.uniform)
    plain = within_groups(
        method, ROWS, groups=PLACES, quotas={2: 6, 0: 3, 1: 4}, seed=3
    )
    quotas = {words[2]: 6, words[0]: 3, words[1]: 4}
    worded = within_groups(method, ROWS, groups=named(words), quotas=quotas, seed=3)
    assert worded.rows.tolist() == plain.rows.tolist()
    assert worded.why["group"].tolist() == [words[PLACES[row]] for row in worded.rows]
    drawn = draw_within_groups(named(words), quotas=quotas, seed=3)
    assert drawn.why["group"].tolist() == [words[PLACES[row]] for row in drawn.rows]
    for rule in (equal_quotas, proportional_quotas):
        by_place = rule(PLACES, k=20)
        assert rule(named(words), k=20) == {words[x]: y for x, y in by_place.items()}
    worded.to_selection().to_dict()
    assert worded.to_arrow()["group"].null_count == 0


def test_numbers_and_shares_and_the_rest():
    assert counts({"cat": 10, "dog": 0.2}) == {"cat": 10, "dog": 10, "bird": 30}
    assert counts({"cat": 0.2, "dog": 0.6, "bird": 0.2}) == {
        "cat": 10,
        "dog": 30,
        "bird": 10,
    }
    assert counts({"bird": 1.0}, k=40) == {"bird": 40}
    assert counts({"bird": 1}, k=1) == {"bird": 1}
    assert counts({"bird": 0, "dog": 25}, k=45) == {"bird": 0, "dog": 25, "cat": 20}
    assert counts({}, k=9) == {"cat": 2, "dog": 3, "bird": 4}


def test_the_rest_counts_open_rows_only():
    cats = np.flatnonzero(PLACES == 0)
    assert counts({"dog": 20}, k=40, locked=cats) == {"dog": 20, "bird": 20}


@pytest.mark.parametrize("k", range(1, 60))
def test_shares_that_sum_to_one_are_k_rows(k):
    made = counts({"cat": 0.25, "dog": 0.35, "bird": 0.4}, k=k)
    assert sum(made.values()) == k
    exact = {"cat": 0.25 * k, "dog": 0.35 * k, "bird": 0.4 * k}
    assert all(abs(made[name] - exact[name]) < 1 for name in exact)


def test_half_a_row_too_many_is_rounding():
    assert counts({"cat": 3, "dog": 0.5}, k=5)["dog"] == 2
    assert counts({"cat": 4, "dog": 0.5}, k=9)["dog"] == 5
    assert largest_remainder(np.array([2.5, 2.5, 5.0]), total=10) == [3, 2, 5]


@pytest.mark.parametrize(
    ("quotas", "k", "says"),
    [
        ({"cat": 10, "dog": 0.9}, 50, "sum to 55, but k is 50"),
        ({"cat": 0.7, "dog": 0.5}, 10, "sum to 12, but k is 10"),
        ({"cat": 20, "dog": 31}, 50, "sum to 51, but k is 50"),
        (
            {"cat": 10, "dog": 20, "bird": 1},
            50,
            "sum to 31, but k is 50, .* have 0 open",
        ),
        ({"cat": 0.5}, 50, "group 'cat' is 25, but it has 20 open rows"),
        (
            {"cow": 0.5},
            50,
            "group 'cow' is 25, but it has 0 open rows; groups are 'bird', 'cat'",
        ),
        ({"cat": 0.0}, 50, r"quota of 'cat' .* must be in \(0, 1\]; got 0.0"),
        (
            {"cat": 10.0},
            50,
            r"quota of 'cat' must be an integer, or a share .* got 10.0",
        ),
        ({"cat": float("nan")}, 50, "quota of 'cat'"),
        ({"cat": True}, 50, "quota of 'cat' must be an integer"),
        ({"cat": "3"}, 50, "quota of 'cat' must be an integer"),
        ({"cat": -1}, 50, "quota of 'cat' must be at least 0"),
        ({"cat": 0.5}, None, "quota of 'cat' .* share of k, which needs k"),
    ],
)
def test_quotas_that_do_not_fit_are_refused_with_their_numbers(quotas, k, says):
    with pytest.raises(InvalidParamsError, match=says):
        counts(quotas, k=k)


def test_every_call_takes_shares():
    groups = named(("cat", "dog", "bird"))
    quotas = {"cat": 4, "dog": 0.5}
    expected = {"cat": 4, "dog": 10, "bird": 6}

    def found(chosen):
        return dict(
            zip(*np.unique(chosen.why["group"], return_counts=True), strict=True)
        )

    assert (
        found(
            within_groups(
                selection.coreset.margin,
                ROWS,
                groups=groups,
                quotas=quotas,
                k=20,
                costs=RNG.random(N),
            )
        )
        == expected
    )
    for method in ("farthest_first", "random"):
        request = CoresetRequest(method=method, k=20, groups=groups, quotas=quotas)
        assert found(select(request, ROWS).chosen) == expected
    assert found(draw(request, n=N)) == expected
    chosen = select(request, ROWS).chosen
    assert chosen.provenance["params"]["quotas"] == expected


@pytest.mark.parametrize(
    "groups", [np.zeros(N), np.zeros((N, 1), int), [["a"]] * N, [None] * N]
)
def test_what_names_no_groups_is_refused(groups):
    with pytest.raises(InvalidInputError, match="groups"):
        Groups.of(groups)
