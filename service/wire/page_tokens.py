"""Page sizes and page tokens.

A token is base64 of a position in a list, or of the id after which a page begins. It
names no state of the server, so it stays good while an index changes. Behind an id, the
rest of another listing would be an answer to no request: such a token has a digest of
the request that it continues.
"""

import base64
import json
import math
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from google.protobuf.message import Message

from gleann.index.errors import InvalidInputError, InvalidParamsError


def page_size(asked: int, *, default: int, most: int) -> int:
    """Page size: the default for 0, at most `most`.

    Raises:
        InvalidParamsError: a negative size.
    """
    if asked < 0:
        raise InvalidParamsError(f"page_size must be at least 0, got {asked}")
    return min(asked or default, most)


def page_token(position: int) -> str:
    """The token of the page that begins after `position`."""
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def next_token(position: int | None) -> str:
    """The token of the page at `position`; "" for None."""
    return "" if position is None else page_token(position)


def page_position(token: str) -> int:
    """The position of a page token; 0 for the first page.

    Raises:
        InvalidParamsError: not a valid token.
    """
    if not token:
        return 0
    try:
        text = _decoded(token).decode("ascii")
        position = int(text)
    except ValueError as error:
        raise InvalidParamsError(_NOT_OURS) from error
    if position < 0 or len(text) > 18:
        raise InvalidParamsError(_NOT_OURS)
    return position


def name_token(name: str) -> str:
    """The token of the page that begins after a name, in a list ordered by names."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def name_position(token: str, form: re.Pattern[str]) -> str:
    """The name after which a page begins; "" for the first page.

    Args:
        token: of the request.
        form: of the names of the list.

    Raises:
        InvalidParamsError: not a valid token.
    """
    try:
        name = _decoded(token).decode()
    except ValueError as error:
        raise InvalidParamsError(_NOT_OURS) from error
    if name and not form.fullmatch(name):
        raise InvalidParamsError(_NOT_OURS)
    return name


_NOT_OURS = "page_token is not one that was returned"
_LARGEST_ID = 2**63 - 1
_DIGEST_BYTES = 8
_OF_A_PAGE = frozenset(("page_size", "page_token", "columns", "with_vectors"))
"""Fields that may differ from page to page: they change no order and leave none out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HitPosition:
    """The last hit of a page of a radius search; the next page begins after it.

    Attributes:
        query: number of the query.
        distance: of the hit; None if the query has none on an earlier page.
        id: of the hit; None with its distance.
    """

    query: int
    distance: float | None = None
    id: int | str | None = None


def listing_of(request: Message) -> str:
    """A digest of the fields of a request that determine which hits or ids it lists."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for field, value in request.ListFields():
        if field.name in _OF_A_PAGE:
            continue
        part = (
            value.SerializeToString(deterministic=True)
            if isinstance(value, Message)
            else repr(value).encode()
        )
        digest.update(f"{field.number}:{len(part)}:".encode())
        digest.update(part)
    return digest.hexdigest()


def id_token(last: int | str, listing: str) -> str:
    """The token of the page that begins after the id `last`.

    Args:
        last: the id.
        listing: of the request, as `listing_of` makes it.
    """
    return _encoded([listing, last])


def id_position(token: str, listing: str) -> int | str | None:
    """The id after which a page begins; None for the first page.

    Raises:
        InvalidParamsError: not a valid token.
        InvalidInputError: a token of another listing.
    """
    if not token:
        return None
    match _parsed(token):
        case [str() as of, int() | str() as last] if _is_id(last):
            _require_listing(of, listing)
            return last
    raise InvalidParamsError(_NOT_OURS)


def hit_token(position: HitPosition, listing: str) -> str:
    """The token of the page that begins after a hit; `listing` as for `id_token`."""
    values: list[object] = [listing, position.query]
    if position.distance is not None:
        values += [position.distance.hex(), position.id]
    return _encoded(values)


def hit_position(token: str, listing: str) -> HitPosition:
    """The hit after which a page of a radius search begins.

    Raises:
        InvalidParamsError: not a valid token.
        InvalidInputError: a token of another listing.
    """
    if not token:
        return HitPosition(query=0)
    match _parsed(token):
        case [str() as of, int() as query] if _is_id(query):
            _require_listing(of, listing)
            return HitPosition(query=query)
        case [
            str() as of,
            int() as query,
            str() as distance,
            int() | str() as last,
        ] if _is_id(query) and _is_id(last):
            position = HitPosition(query=query, distance=_distance(distance), id=last)
            _require_listing(of, listing)
            return position
    raise InvalidParamsError(_NOT_OURS)


def _require_listing(of: str, listing: str) -> None:
    if of != listing:
        raise InvalidInputError(
            "page_token is of another request: from page to page only the columns,"
            " with_vectors and page_size may differ"
        )


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return bool(value) and _has_utf8(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return 0 <= value <= _LARGEST_ID


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can have half of a surrogate pair
        return False
    return True


def _distance(text: str) -> float:
    try:
        distance = float.fromhex(text)
    except (ValueError, OverflowError) as error:
        raise InvalidParamsError(_NOT_OURS) from error
    if not math.isfinite(distance):
        raise InvalidParamsError(_NOT_OURS)
    return distance


def _encoded(values: list[Any]) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def _parsed(token: str) -> object:
    try:
        return json.loads(_decoded(token).decode())
    except (ValueError, RecursionError) as error:
        raise InvalidParamsError(_NOT_OURS) from error


def _decoded(token: str) -> bytes:
    """The bytes of a token.

    Raises:
        ValueError: no base64.
    """
    return base64.b64decode(token, altchars=b"-_", validate=True)
