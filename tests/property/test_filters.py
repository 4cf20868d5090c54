"""Conditions against an evaluator that goes row by row with three truth values."""

from typing import Any

import numpy as np
from filter_model import moment, text, truth
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gleann.index.errors import InvalidFilterError
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_ids
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema

SCHEMA = Schema.of(
    {
        "s": "string",
        "i": "int64",
        "f": "float64",
        "b": "bool",
        "t": "timestamp",
        "l": "strings",
        "j": "json",
    }
)
# Few values each, so that tests hit; the ends of their types among them.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "s": st.sampled_from(["", "a", "ab", "aB", "it's", "ä\0", "日本", "%_\\"]),
    "i": st.sampled_from([-(2**63), -1, 0, 1, 2, 2**53 + 1, 2**63 - 1]),
    "f": st.sampled_from([-1.5, -0.0, 0.0, 0.1, 1.0, 2.0**60, 1e300, 5e-324]),
    "b": st.booleans(),
    "t": st.sampled_from([0, 1, -1, -62135596800000000, 253402300799999999]).map(
        moment
    ),
    "l": st.lists(st.sampled_from(["", "x", "y", "xy"]), max_size=3),
    "j": st.sampled_from(["1", '{"a": null}', "[]"]),
}
# None of them in VALUES: they make a list of IN as long as those that are hashed.
OTHERS: dict[str, list[Any]] = {
    "s": [f"other {number}" for number in range(9)],
    "i": [2**53, *range(-20, -12)],
    "f": [2.0**60 + 256, *(number + 0.25 for number in range(8))],
    "t": [moment(number) for number in range(5, 14)],
    "id": list(range(100, 109)),
}
IDS = [7, 0, 3, 2**63 - 1, 11, 12, 13, 14]


def leaves_of(name: str) -> st.SearchStrategy[tuple[Any, ...]]:
    value = st.none() | VALUES.get(name, st.sampled_from(IDS))
    some = [st.tuples(st.just("null"), st.just(name))]
    if name == "l":
        member = st.sampled_from(["", "x", "y", "z"])
        some.append(st.tuples(st.just("contains"), st.just("l"), member))
    elif name != "j":
        signs = ["=", "<>", "!="] + ([] if name == "b" else ["<", "<=", ">", ">="])
        some.append(st.tuples(st.sampled_from(signs), st.just(name), value))
        several = st.lists(value, min_size=1, max_size=3)
        if name in OTHERS:
            several |= several.map(lambda values: [*values, *OTHERS[name]])
        some.append(st.tuples(st.just("in"), st.just(name), several))
    if name not in ("l", "j", "b"):
        some.append(st.tuples(st.just("between"), st.just(name), value, value))
    if name == "s":
        some.append(st.tuples(st.just("prefix"), st.just("s"), VALUES["s"]))
    if name == "b":
        some.append(st.tuples(st.just("bare"), st.just("b")))
    return st.one_of(some)


LEAVES = st.one_of(
    *[leaves_of(name) for name in (*SCHEMA.names, "id")],
    st.tuples(st.just("constant"), st.booleans()),
)
NODES = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.tuples(st.just("not"), parts),
        st.tuples(st.sampled_from(["and", "or"]), parts, parts),
        st.tuples(st.sampled_from(["and", "or"]), parts, parts, parts),
    ),
    max_leaves=8,
)
ROWS = st.lists(
    st.fixed_dictionaries({k: st.none() | v for k, v in VALUES.items()}),
    min_size=1,
    max_size=len(IDS),
)
NULLS: dict[str, Any] = dict.fromkeys(SCHEMA.names)
ZEROS = [{**NULLS, "f": value} for value in (0.0, -0.0, None, 1.0)]
LARGE = [{**NULLS, "i": value} for value in (2**53 + 1, 2**53, 2**53 + 2)]


def payload_of(rows: list[dict[str, Any]]) -> Payload:
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    return Payload.of(columns, SCHEMA)


@settings(deadline=None, max_examples=400)
@given(node=NODES, rows=ROWS, inline=st.booleans(), cut=st.integers(0, 8))
@example(node=("in", "f", [0.0, *OTHERS["f"]]), rows=ZEROS, inline=True, cut=1)
@example(node=("in", "f", [-0.0, *OTHERS["f"]]), rows=ZEROS, inline=False, cut=1)
@example(
    node=("not", ("in", "f", [-0.0, *OTHERS["f"]])), rows=ZEROS, inline=True, cut=1
)
@example(node=("in", "i", [2**53 + 1, *OTHERS["i"]]), rows=LARGE, inline=True, cut=1)
def test_a_condition_passes_the_rows_of_which_it_is_true(
    node: tuple[Any, ...], rows: list[dict[str, Any]], inline: bool, cut: int
) -> None:
    parameters: list[Any] = []
    where = text(node, parameters, inline=inline)
    bound = Condition(where, parameters).bound(SCHEMA, id_type="int64")
    whole = payload_of(rows)
    payload = Payload.concat([whole.slice(0, cut), whole.slice(cut, len(rows))])
    ids = np.array(IDS[: len(rows)])

    expected = [
        truth(node, {**row, "id": id_}) is True
        for row, id_ in zip(rows, IDS, strict=False)
    ]

    assert bound.mask(payload, ids).tolist() == expected
    for name, value in bound.equalities:
        passing = [row for row, passes in zip(rows, expected, strict=True) if passes]
        if name in ("s", "i", "f", "b"):
            assert all(row[name] == value for row in passing)


@settings(deadline=None, max_examples=100)
@given(node=leaves_of("s"), rows=ROWS)
def test_strings_compare_as_ids_do(
    node: tuple[Any, ...], rows: list[dict[str, Any]]
) -> None:
    texts = [f"{row['s'] or ''}{number}" for number, row in enumerate(rows)]
    ids = hold_ids(texts, n=len(rows))
    parameters: list[Any] = []
    kind, _, *rest = node
    node = (kind, "id", *rest)
    where = text(node, parameters, inline=True)
    bound = Condition(where, parameters).bound(Schema(), id_type="string")

    mask = bound.mask(Payload.nulls(Schema(), len(rows)), ids)

    assert mask.tolist() == [truth(node, {"id": one}) is True for one in texts]


SOUP = (
    "s i f b t l id ( ) , = <> != < <= > >= - + * / % . ; : :: $ $1 $2 'x' 'x%' \"s\" 1"
    " 1.5 1e5 AND OR NOT IN BETWEEN IS NULL LIKE TRUE FALSE TIMESTAMP starts_with"
    " contains SELECT FROM CASE WHEN END CAST AS INT ARRAY INTERVAL DATE EXISTS ANY"
    " ESCAPE OVER WITH -- /* */ \\ ' \" ` # @ ? [ ] { } | & ^ ~ ! DISTINCT"
)
WORDS = st.sampled_from(SOUP.split())


@settings(deadline=None, max_examples=600)
@given(
    where=st.one_of(st.lists(WORDS, max_size=12).map(" ".join), st.text(max_size=20))
)
@example(where="(" * 40)
@example(where="NOT " * 500 + "b")
@example(where="\ud800")
@example(where="s = '")
@example(where="\0")
def test_any_text_is_a_condition_or_an_invalid_one(where: str) -> None:
    payload = payload_of([dict.fromkeys(SCHEMA.names)])
    try:
        bound = Condition(where, ["x"]).bound(SCHEMA, id_type="int64")
    except InvalidFilterError:
        return
    assert bound.mask(payload, np.array([1])).shape == (1,)
