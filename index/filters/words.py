"""The words of a condition: sqlglot splits it, and what the grammar lacks is refused.

All words but those of the grammar become names in quotes. So a column may be called
`date` or `group`, and what else sqlglot knows of SQL (functions, casts, subqueries)
cannot be written at all.
"""

import re
from typing import Any, NoReturn, TypeAlias

from sqlglot import tokens as sqlglot_tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from gleann.index.errors import InvalidFilterError

Word: TypeAlias = Any
"""A `sqlglot.tokens.Token`."""
_Kind: Any = sqlglot_tokens.TokenType  # type: ignore[attr-defined, unused-ignore]

MAX_BYTES = 65_536
"""Most bytes of a condition."""
MAX_DEPTH = 32
"""Most parentheses and NOTs around a test."""
MAX_TESTS = 1_000
"""Most tests of a condition, counted by its ANDs and ORs."""

DIALECT = Dialect.get_or_raise(None)
"""sqlglot's own, in which `$1` is one word. In PostgreSQL's a $ may begin a text, and
`a BETWEEN $1 AND ''` could not be split."""

_KEYWORDS = frozenset(
    ("AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "LIKE", "TRUE", "FALSE")
)
_FUNCTIONS = frozenset(("STARTS_WITH", "CONTAINS"))
_SIGNS = frozenset(("=", "<>", "!=", "<", "<=", ">", ">=", "(", ")", ",", "-"))
_PARAMETER = re.compile(r"\$[0-9]+")
_CLOSED = re.compile(
    r"""'(?:[^']|'')*+'|"(?:[^"]|"")*+"|--[^\n]*|/\*.*?\*/|[^'"/-]+|/(?!\*)|-""",
    re.DOTALL,
)
"""What ends by itself: a text or name in quotes, a comment, or anything between."""
_DIGITS = frozenset("0123456789.eE+-")
_SHOWN = 40


def refuse(message: str, position: int | None, column: str | None = None) -> Any:
    """Raise `InvalidFilterError` with the position in the message, counted from 1."""
    at = "" if position is None else f", character {position + 1}"
    raise InvalidFilterError(f"where{at}: {message}", position=position, column=column)


def words_of(where: str) -> list[Word]:
    """The words of a condition within the caps, all of them of the grammar.

    Raises:
        InvalidFilterError: over a cap, or what the grammar lacks.
    """
    # A character has at most 4 bytes, so that this also bounds what is encoded.
    size = len(where) if len(where) > MAX_BYTES else _utf8_size(where)
    if size > MAX_BYTES:
        raise InvalidFilterError(
            f"where has {size} bytes, at most {MAX_BYTES} are allowed"
        )
    try:
        tokens = DIALECT.tokenize(where)
    except SqlglotError as error:
        _refuse_unclosed(where, error)
    if not tokens:
        raise InvalidFilterError("where is empty: leave it out to let all vectors pass")
    words = [_word(where, tokens, place) for place in range(len(tokens))]
    _require_caps(words)
    return words


def _refuse_unclosed(where: str, error: SqlglotError) -> NoReturn:
    """Name the place of the quote that is not closed: nothing else is no word."""
    position = 0
    while whole := _CLOSED.match(where, position):
        position = whole.end()
    opened = where[position : position + 1]
    if opened == "/":
        refuse("comments are not allowed", position)
    if opened:
        refuse(f"the quote {opened} is not closed", position)
    raise InvalidFilterError(f"where cannot be split into words: {error}") from error


def _utf8_size(where: str) -> int:
    try:
        return len(where.encode())
    except UnicodeEncodeError as error:
        raise InvalidFilterError(
            f"where, character {error.start + 1}: it has no UTF-8 (half of a"
            " surrogate pair)",
            position=error.start,
        ) from error


def _word(where: str, tokens: list[Word], place: int) -> Word:
    """A word of the grammar; another word, a parameter or a NULL becomes a name.

    So the parser keeps the place of a NULL; that of IS NULL needs none.
    """
    token = tokens[place]
    raw = where[token.start : token.end + 1]
    if token.comments:
        refuse("comments are not allowed", token.start)
    is_word = raw.isidentifier()
    if is_word and raw.upper() == "NULL" and not _follows_is(tokens, place):
        return _changed(token, _Kind.IDENTIFIER, raw)
    if is_word and _is_keyword(raw.upper(), tokens[place + 1 : place + 2]):
        return token
    if is_word or _PARAMETER.fullmatch(raw):
        return _changed(token, _Kind.IDENTIFIER, raw)
    if raw in _SIGNS or _is_value(token, raw):
        return token
    return refuse(
        f"{raw!r:.{_SHOWN}} is not part of the grammar of conditions", token.start
    )


def _is_value(token: Word, raw: str) -> bool:
    """Whether it is a name in quotes, a text or a number as the grammar has them."""
    kind = token.token_type
    if kind == _Kind.NUMBER:
        return raw[0].isdigit() and set(raw) <= _DIGITS
    quotes = {_Kind.STRING: "'", _Kind.IDENTIFIER: '"'}
    return kind in quotes and raw.startswith(quotes[kind])


def numbered(words: list[Word]) -> list[Word]:
    """The words, with its number in place of the text of each name and value."""
    named = (_Kind.IDENTIFIER, _Kind.NUMBER, _Kind.STRING)
    return [
        _changed(word, word.token_type, str(number))
        if word.token_type in named
        else word
        for number, word in enumerate(words)
    ]


def is_parameter(word: Word, where: str) -> bool:
    """Whether a name is a parameter; in double quotes it is not."""
    return where[word.start] == "$"


def is_null(word: Word, where: str) -> bool:
    """Whether a name is a NULL; in double quotes it is not."""
    return where[word.start : word.end + 1].upper() == "NULL"


def _follows_is(tokens: list[Word], place: int) -> bool:
    """Whether IS or IS NOT is before a word."""
    before = [token.token_type for token in tokens[max(0, place - 2) : place]]
    return before[-1:] == [_Kind.IS] or before == [_Kind.IS, _Kind.NOT]


def _changed(word: Word, kind: Any, text: str) -> Word:
    return type(word)(kind, text, word.line, word.col, word.start, word.end)


def _is_keyword(word: str, following: list[Word]) -> bool:
    kind = following[0].token_type if following else None
    if word == "TIMESTAMP":
        return kind == _Kind.STRING
    if word in _FUNCTIONS:
        return kind == _Kind.L_PAREN
    return word in _KEYWORDS


def _closes(word: Word | None) -> bool:
    return word is not None and word.token_type == _Kind.R_PAREN


def _require_caps(words: list[Word]) -> None:
    depth = nots = joins = 0
    for word, following in zip(words, [*words[1:], None], strict=True):
        kind = word.token_type
        if kind == _Kind.COMMA and _closes(following):
            refuse("a value is missing behind the comma", word.start)
        nots = nots + 1 if kind == _Kind.NOT else nots
        depth += (kind == _Kind.L_PAREN) - (kind == _Kind.R_PAREN)
        joins += kind in (_Kind.AND, _Kind.OR)
        if depth + nots > MAX_DEPTH:
            refuse(
                f"conditions are nested over {MAX_DEPTH} deep in parentheses and NOT",
                word.start,
            )
        if joins >= MAX_TESTS:
            refuse(f"it has over {MAX_TESTS} tests joined by AND and OR", word.start)
        if kind not in (_Kind.NOT, _Kind.L_PAREN):
            nots = 0
