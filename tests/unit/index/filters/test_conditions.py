"""Conditions: what they pass, by hand, and how what does not fit is refused."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.index.filters.condition import Condition
from gleann.index.filters.parse import parse
from gleann.index.filters.words import MAX_BYTES, MAX_DEPTH, MAX_TESTS
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema

SCHEMA = Schema.of(
    {
        "split": "string",
        "year": "int64",
        "score": "float64",
        "flag": "bool",
        "added": "timestamp",
        "tags": "strings",
        "meta": "json",
        "group": "string",
        "timestamp": "timestamp",
        "contains": "string",
    }
)
N = 6
PAYLOAD = Payload.of(
    {
        "split": ["train", "test", None, "it's", "train", "TRAIN"],
        "year": [2019, 2020, 2021, None, -5, 2**63 - 1],
        "score": [0.5, None, 1.0, 2.5, -0.0, 1e300],
        "flag": [True, False, None, True, False, None],
        "added": ["2024-01-01T00:00:00Z", None] * 3,
        "tags": [["a"], [], None, ["b", "a"], ["ab"], None],
        "meta": ["1", None, "{}", None, "[]", "2"],
        "group": list("xyxyxy"),
        "timestamp": ["2024-01-01T00:00:00Z"] * N,
        "contains": list("abcdef"),
    },
    SCHEMA,
)
IDS = np.array([10, 11, 12, 13, 14, 15])


def passing(where: str, *parameters: Any) -> list[int]:
    bound = Condition(where, parameters).bound(SCHEMA, id_type="int64")
    return np.flatnonzero(bound.mask(PAYLOAD, IDS)).tolist()


PASSING: list[tuple[str, tuple[Any, ...], list[int]]] = [
    ("split = 'train'", (), [0, 4]),
    ("split <> 'train'", (), [1, 3, 5]),
    ("NOT split = 'train'", (), [1, 3, 5]),
    ("split = 'it''s'", (), [3]),
    ("split = '$' OR split = '--' OR split = '/*' OR split = '$1'", (), []),
    ("year BETWEEN $1 AND 2020 AND split <> ''", (2020,), [1]),
    ("split = $1", ("it's",), [3]),
    ("split IS NULL", (), [2]),
    ("split IS NOT NULL AND NOT flag", (), [1, 4]),
    ("split LIKE 't%'", (), [0, 1, 4]),
    ("split NOT LIKE 't%'", (), [3, 5]),
    ("split LIKE '%'", (), [0, 1, 3, 4, 5]),
    ("starts_with(split, 'T')", (), [5]),
    ("split > 'it''s' AND split <= 'test'", (), [1]),
    ("year > 2019", (), [1, 2, 5]),
    ("year = -5", (), [4]),
    ("year = 9223372036854775807", (), [5]),
    ("year BETWEEN 2020 AND 2021", (), [1, 2]),
    ("year NOT BETWEEN 2020 AND 2021", (), [0, 4, 5]),
    ("year IN (2019, -5, 7)", (), [0, 4]),
    ("year NOT IN (2019, -5)", (), [1, 2, 5]),
    ("year NOT IN (2019, $1)", (None,), []),
    ("year IN (2019, $1)", (None,), [0]),
    ("year IN $1", ([2019, None, 2020],), [0, 1]),
    ("year IN (2019, NULL)", (), [0]),
    ("year NOT IN (2019, null)", (), []),
    ("NOT year IN (NULL)", (), []),
    ("split IN (NULL, 'NULL', $1)", ("test",), [1]),
    ("year IN $1", (np.array([2020, 2021]),), [1, 2]),
    ("year IN $1", ([],), []),
    ("NOT year IN $1", ([],), [0, 1, 2, 3, 4, 5]),
    ("year = $1", (None,), []),
    ("NOT year = $1", (None,), []),
    ("score >= 1", (), [2, 3, 5]),
    ("score = 0", (), [4]),
    ("score < 1e-3", (), [4]),
    ("flag", (), [0, 3]),
    ("NOT flag", (), [1, 4]),
    ("flag = FALSE OR flag IS NULL", (), [1, 2, 4, 5]),
    ("flag IN (TRUE, FALSE)", (), [0, 1, 3, 4]),
    ("flag <> $1", (True,), [1, 4]),
    ("added = '2024-01-01T01:00:00+01:00'", (), [0, 2, 4]),
    ("added > TIMESTAMP '2023-12-31 23:59:59.999999Z'", (), [0, 2, 4]),
    ("added < $1", (datetime(2024, 1, 1, 0, 0, 1),), [0, 2, 4]),
    ("added >= $1", (datetime(2024, 1, 1, 1, tzinfo=UTC),), []),
    ("added = $1", (np.datetime64("2024-01-01"),), [0, 2, 4]),
    ("added = $1", (np.datetime64("2024", "Y"),), [0, 2, 4]),
    ("added = $1", (date(2024, 1, 1),), [0, 2, 4]),
    ("added < $1", (date(2024, 1, 2),), [0, 2, 4]),
    ("added IN $1", ([date(2024, 1, 1), date(2024, 1, 2)],), [0, 2, 4]),
    ("contains(tags, 'a')", (), [0, 3]),
    ("NOT contains(tags, $1)", ("a",), [1, 4]),
    ("tags IS NULL", (), [2, 5]),
    ("meta IS NOT NULL", (), [0, 2, 4, 5]),
    ("id >= 14 OR id = 10", (), [0, 4, 5]),
    ("id IS NULL", (), []),
    ("group = 'x' AND timestamp = TIMESTAMP '2024-01-01T00:00:00Z'", (), [0, 2, 4]),
    ("\"group\" = 'x' AND contains = 'c'", (), [2]),
    ("TRUE", (), [0, 1, 2, 3, 4, 5]),
    ("FALSE OR NOT TRUE", (), []),
    ("flag OR (year > 2019 AND score > 0)", (), [0, 2, 3, 5]),
    ("flag OR year > 2019 AND score > 0", (), [0, 2, 3, 5]),
    ("NOT (flag AND split IS NULL)", (), [0, 1, 3, 4, 5]),
    ("year\n  =\t2020", (), [1]),
    ("Year_is_not = 1 OR TRUE".replace("Year_is_not", "year"), (), [0, 1, 2, 3, 4, 5]),
    ("year = $2 AND split = $1", ("test", 2020), [1]),
]


@pytest.mark.parametrize(("where", "parameters", "rows"), PASSING)
def test_rows_that_pass(
    where: str, parameters: tuple[Any, ...], rows: list[int]
) -> None:
    assert passing(where, *parameters) == rows


REFUSED: list[tuple[str, tuple[Any, ...], int | None, str]] = [
    # what the grammar lacks
    ("", (), None, "empty"),
    ("  \n ", (), None, "empty"),
    ("year", (), 0, "'year' .int64. is no condition"),
    ("year = 1;", (), 8, "';'"),
    ("year = 1 -- why", (), 7, "comments"),
    ("year /* why */ = 1", (), 0, "comments"),
    ("year == 2020", (), 5, "'=='"),
    ("year = 'a", (), 7, "the quote ' is not closed"),
    ("split = 'it''s' AND year = 'a''b", (), 27, "the quote ' is not closed"),
    ('year = 1 OR "year = 2', (), 12, 'the quote " is not closed'),
    ("year = '", (), 7, "the quote ' is not closed"),
    ("split = '/*' OR year = 1 /* why", (), 25, "comments"),
    ("year = ", (), 5, "parsed near '='"),
    ("year = 1 year", (), 9, "parsed near 'year'"),
    ("(year = 1", (), 8, "parsed"),
    ("1 = year", (), 0, "is no column"),
    ("year = score", (), 7, "is no value"),
    ("year = 1 = 2", (), 0, "is no column"),
    ("year + 1 = 2", (), 5, r"'\+'"),
    ("year = 1 + 1", (), 9, r"'\+'"),
    ("year = NULL", (), 7, "NULL is no value here, .*IS NULL"),
    ("flag AND (year <> null)", (), 18, "NULL is no value here"),
    ("year BETWEEN 1 AND NULL", (), 19, "NULL is no value here"),
    ("contains(tags, NULL)", (), 15, "NULL is no value here"),
    ("split LIKE NULL", (), 11, "NULL is no value here"),
    ("year IN NULL", (), 8, "is no parameter"),
    ("flag OR NULL", (), 8, "NULL is no column"),
    ("NOT NULL", (), 4, "NULL is no column"),
    ("NULL IS NULL", (), 0, "NULL is no column"),
    ("flag IS TRUE", (), 0, "is no condition"),
    ("lower(split) = 'a'", (), 0, "is no column"),
    ("CAST(year AS text) = 'a'", (), 10, "parsed near 'AS'"),
    ("year::text = 'a'", (), 4, "'::'"),
    ("year IN (SELECT 1)", (), 16, "parsed near '1'"),
    ("year = (SELECT year)", (), 8, "is no value"),
    ("EXISTS (year)", (), 0, "is no condition"),
    ("split ~ 'a'", (), 6, "'~'"),
    ("split ILIKE 'a%'", (), 6, "parsed near 'ILIKE'"),
    ("split SIMILAR TO 'a'", (), 6, "'SIMILAR TO'"),
    ("split LIKE 'a%' ESCAPE 'b'", (), 16, "parsed near 'ESCAPE'"),
    ("split = E'a'", (), 9, "parsed near"),
    ("split = $$a$$", (), 8, r"\$\$a\$\$"),
    ("split = 'a' 'b'", (), 8, "is no value"),
    ("split = `a`", (), 8, "`"),
    ("a.year = 1", (), 1, r"'\.'"),
    ("year = 0x10", (), 8, "parsed near 'x10'"),
    ("year = 1_000", (), 8, "parsed near '_000'"),
    ("score = .5", (), 8, r"'\.'"),
    ("score = 1e999", (), 8, "not a finite number"),
    ("score = nan", (), 8, "is no value"),
    ("year IN ()", (), 0, "needs values"),
    ("year IN (1,)", (), 10, "missing behind the comma"),
    ("year IN 1", (), 8, "is no parameter"),
    ("year IN (1, (2))", (), 13, "is no value"),
    ("CASE WHEN flag THEN flag END", (), 5, "parsed near 'WHEN'"),
    ("\ud800", (), 0, "no UTF-8"),
    # columns
    ("color = 'red'", (), 0, "no column 'color', the columns are split .string., year"),
    ("flag AND Split = 'a'", (), 9, "no column 'Split'"),
    # values
    ("year = '2020'", (), 7, "'year' .int64. does not compare with '2020': .*whole"),
    ("flag AND year = 2.0", (), 16, "whole number"),
    ("year = TRUE", (), 0, "whole number"),
    ("year = 9223372036854775808", (), 7, "9223372036854775807"),
    ("year > -9223372036854775809", (), 8, "-9223372036854775808"),
    ("split = 5", (), 8, "expected a text"),
    ("score = 'high'", (), 8, "expected a number"),
    ("score = 9007199254740993", (), 8, "nearest is 9007199254740992"),
    (f"score = 1{'0' * 399}", (), 8, "range"),
    (f"score = 1{'0' * 400}", (), 8, "401 digits, at most 400"),
    ("flag = 1", (), 7, "TRUE or FALSE"),
    ("added > '2024-01-01'", (), 8, "RFC 3339"),
    ("added > '2024-13-01T00:00:00Z'", (), 8, "month"),
    ("added > 5", (), 8, "expected a moment"),
    ("split = TIMESTAMP '2024-01-01T00:00:00Z'", (), 18, "it is a moment"),
    ("id = 'a'", (), 5, "the id .int64."),
    ("contains(tags, 5)", (), 15, "expected a text"),
    # tests that a column does not have
    ("flag < TRUE", (), 0, "'flag' .bool. has no <"),
    ("flag BETWEEN FALSE AND TRUE", (), 0, "has no >="),
    ("tags = 'a'", (), 0, "'tags' .strings. has no =, its tests are contains"),
    ("tags IN ('a')", (), 0, "has no IN"),
    ("meta = '1'", (), 0, "'meta' .json. has no =, its tests are IS NULL"),
    ("contains(split, 'a')", (), 9, "'split' .string. has no contains"),
    ("starts_with(year, '2')", (), 12, "'year' .int64. has no starts_with"),
    ("year LIKE '2%'", (), 0, "has no LIKE"),
    ("split LIKE 'a'", (), 11, "is not a prefix"),
    ("split LIKE '%a%'", (), 11, "is not a prefix"),
    ("split LIKE 'a_%'", (), 11, "is not a prefix"),
    ("split LIKE 'a\\%'", (), 11, "is not a prefix"),
    ("split LIKE $1", ("a",), 11, "is not a prefix"),
    # parameters
    ("year = $1", (), 7, r"\$1 is not given: there are 0"),
    ("year = $2", (1,), 7, r"\$2 is not given: there are 1"),
    ("year = $1", (1, 2), None, r"does not use parameter \$2 of 2"),
    ("year = $0", (), 7, "is no parameter"),
    ("year = $x", (), 7, r"'\$x'"),
    ("year = $70000", (), 7, "is no parameter"),
    ("year = $99999999999999999999", (), 7, "is no parameter"),
    ("year = $ 1", (1,), 7, r"'\$'"),
    ("year = ?", (), 7, r"'\?'"),
    ("year = :a", (), 7, "':'"),
    ("year = $1", ([1],), 7, "a list goes with IN only"),
    ("year IN $1", (1,), 8, "needs a list"),
    ("year IN $1", ([1, "a"],), 8, r"\$1, 'a'"),
    ("year = $1", (True,), 7, "whole number"),
    ("year = $1", (1.0,), 7, "whole number"),
    ("score = $1", (float("nan"),), 8, "finite"),
    ("split = $1", ("\ud800",), 8, "no UTF-8"),
]


@pytest.mark.parametrize(("where", "parameters", "position", "says"), REFUSED)
def test_what_does_not_fit_is_refused_at_its_place(
    where: str, parameters: tuple[Any, ...], position: int | None, says: str
) -> None:
    condition = Condition(where, parameters)
    with pytest.raises(errors.InvalidFilterError, match=f"^where.*{says}") as refused:
        condition.bound(SCHEMA, id_type="int64")
    assert refused.value.position == position
    if position is not None:
        assert f"character {position + 1}:" in str(refused.value)


@pytest.mark.parametrize("where", ["IN", "is", "flag AND in = 1", "LIKE IS NULL"])
def test_words_of_the_language_are_no_names(where: str) -> None:
    schema = SCHEMA.with_columns(
        [Column("IN", "bool"), Column("is", "bool"), Column("LIKE", "bool")]
    )
    with pytest.raises(errors.InvalidFilterError):
        Condition(where).bound(schema, id_type=None)
    quoted = Condition('"IN" AND "is" AND "LIKE" IS NULL')
    assert quoted.bound(schema, id_type=None).columns == {"IN", "is", "LIKE"}


def test_the_column_is_named() -> None:
    with pytest.raises(errors.InvalidFilterError) as refused:
        Condition("flag AND year = 'a'").bound(SCHEMA, id_type="int64")
    assert refused.value.column == "year"


@pytest.mark.parametrize(
    "value", [b"a", object(), [[1]], {"a": 1}, 1j, np.timedelta64(5, "ns")]
)
def test_parameters_of_other_types_are_refused(value: Any) -> None:
    with pytest.raises(errors.InvalidFilterError, match="a parameter is"):
        Condition("year = $1", (value,))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.datetime64("NaT"), "None is null"),
        (np.datetime64("2024-01-01T00:00:00.000000001"), "finer"),
        (np.datetime64(2**62, "Y"), "outside"),
        (np.datetime64(2**40, "s"), "outside"),
    ],
)
def test_parameters_that_are_no_moment_of_a_column(value: Any, reason: str) -> None:
    for given in (value, [value], np.array([value])):
        with pytest.raises(errors.InvalidFilterError, match=reason):
            Condition("added = $1", (given,))


def test_conditions_are_texts_and_parameters_sequences() -> None:
    for where in (5, None, ["flag"], b"flag"):
        with pytest.raises(errors.InvalidFilterError, match="where is a text"):
            Condition(where)  # type: ignore[arg-type]
    for parameters in (5, "abc", None):
        with pytest.raises(errors.InvalidFilterError, match="parameters is a sequence"):
            Condition("flag", parameters)  # type: ignore[arg-type]


def test_conditions_have_caps() -> None:
    at_most = " OR ".join(["flag"] * MAX_TESTS)
    assert parse(at_most) is not None
    with pytest.raises(errors.InvalidFilterError, match=f"over {MAX_TESTS} tests"):
        parse(at_most + " OR flag")
    assert parse("(" * MAX_DEPTH + "flag" + ")" * MAX_DEPTH) is not None
    for where in ("(" * 33 + "flag" + ")" * 33, "NOT " * 33 + "flag", "(" * 60_000):
        with pytest.raises(errors.InvalidFilterError, match=f"over {MAX_DEPTH} deep"):
            parse(where)
    long = "split = '" + "x" * MAX_BYTES + "'"
    for where in (long, "é" * (MAX_BYTES // 2 + 1), "x" * 10_000_000):
        with pytest.raises(errors.InvalidFilterError, match=f"at most {MAX_BYTES}"):
            parse(where)
    many = ", ".join(map(str, range(10_000)))
    assert passing(f"year IN ({many})") == [0, 1, 2]


def test_the_depth_of_the_caller_is_no_crash() -> None:
    """Whatever is left of the stack: an answer, or the error that says so."""

    def at(depth: int, where: str) -> None:
        if depth:
            at(depth - 1, where)
            return
        parse.cache_clear()
        try:
            parse(where)
        except errors.InvalidFilterError:
            outcomes.add("refused")
        else:
            outcomes.add("parsed")

    outcomes: set[str] = set()
    where = "(" * MAX_DEPTH + "flag" + ")" * MAX_DEPTH
    for depth in range(0, 850, 50):
        at(depth, where)
    assert outcomes == {"refused", "parsed"}


def test_ids_that_are_strings() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    index = SoarIndex.build(
        rows, BuildParams(tune_queries=0), ids=["a1", "a2", "b", "é"]
    )
    assert np.flatnonzero(index.where("id LIKE 'a%' OR id = 'é'")).tolist() == [0, 1, 3]
    with pytest.raises(errors.InvalidFilterError, match=r"the id \(string\)"):
        index.where("id = 1")
    with pytest.raises(errors.InvalidFilterError, match="there are no columns, and id"):
        index.where("year = 1")


def test_ids_of_no_kind_yet_take_either() -> None:
    for where in ("id = 1", "id = 'a'"):
        bound = Condition(where).bound(Schema(), id_type=None)
        assert bound.mask(Payload.nulls(Schema(), 0), np.empty(0, np.int64)).size == 0


def test_a_search_goes_among_the_rows_that_pass() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((3000, 8)).astype(np.float32)
    kinds = rng.integers(0, 5, 3000)
    payload = {"kind": kinds, "name": [f"n{row}" for row in range(3000)]}
    params = BuildParams(metric="l2", nlist=20, tune_queries=32)
    index = SoarIndex.build(rows, params, payload=payload)
    allowed = index.where("kind = $1", [3])
    assert allowed.tolist() == (kinds == 3).tolist()
    assert not allowed.flags.writeable
    found = index.search(rows[:7], SearchParams(k=5, allowed=allowed, nprobe=20))
    exact = ((rows[:7, None] - rows[kinds == 3]) ** 2).sum(2).argsort(1)[:, :5]
    assert found.ids.tolist() == np.flatnonzero(kinds == 3)[exact].tolist()
    hits = index.payload_of(found.ids, ["name"])
    assert hits.to_pylist() == [{"name": f"n{row}"} for row in found.ids.ravel()]
    nothing = index.search(rows[:1], SearchParams(allowed=index.where("kind = 9")))
    assert (
        index.payload_of(nothing.ids).to_pylist() == [{"kind": None, "name": None}] * 10
    )
    with pytest.raises(errors.UnknownColumnError, match="'zz'"):
        index.payload_of(found.ids, ["zz"])


def test_conditions_are_keys() -> None:
    one, same = (Condition("year = $1", (1,)) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != Condition("year = $1", (True,))
    assert Condition("a = $1", [[1, 2]]) == Condition("a = $1", [(1, 2)])
    key = one.bound(SCHEMA, id_type="int64").key
    assert key == Condition("(year = 1)").bound(SCHEMA, id_type="int64").key
    assert key != Condition("year = 2").bound(SCHEMA, id_type="int64").key
    assert len({key, same.bound(SCHEMA, id_type="int64").key}) == 1
    floats = Schema.of({"year": "float64"})
    assert key != one.bound(floats, id_type="int64").key


def test_equalities_that_every_passing_row_meets() -> None:
    def of(where: str) -> Any:
        return Condition(where).bound(SCHEMA, id_type="int64").equalities

    assert of("split = 'a' AND (year = 5 AND score > 1)") == (
        ("split", "a"),
        ("year", 5),
    )
    assert of("split = 'a'") == (("split", "a"),)
    assert of("split IN ('a')") == (("split", "a"),)
    assert of("split = 'a' OR year = 5") == ()
    assert of("NOT split = 'a'") == ()
    assert of("NOT (split <> 'a' OR year <> 5)") == (("split", "a"), ("year", 5))


def test_a_column_that_payload_lacks_is_null() -> None:
    bound = Condition("split IS NULL AND NOT year > 5").bound(SCHEMA, id_type="int64")
    older = PAYLOAD.with_schema(SCHEMA.without(["split"]))
    assert np.flatnonzero(bound.mask(older, IDS)).tolist() == [4]
    with pytest.raises(errors.DimensionMismatchError, match="6 entries for 5 rows"):
        bound.mask(PAYLOAD, IDS[:5])


def test_parameters_need_a_condition() -> None:
    assert Condition.of(None) is None
    assert Condition.of("flag") == Condition("flag")
    with pytest.raises(
        errors.InvalidFilterError, match="2 parameters and no condition"
    ):
        Condition.of(None, [1, 2])


@pytest.mark.parametrize(
    "value",
    [1 << 20_000, -(1 << 20_000), [1, 1 << 1000]],
    ids=["high", "low", "listed"],
)
def test_a_parameter_far_too_large(value: object) -> None:
    """Python neither shows nor converts it, so no later message could."""
    with pytest.raises(errors.InvalidFilterError, match="bits, at most 1000"):
        Condition("score = $1", [value])
