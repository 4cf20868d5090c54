"""Page sizes and page tokens of list requests."""

import base64
import binascii

from gleann.index.errors import InvalidParamsError


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
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii")
        position = int(text)
    except (binascii.Error, ValueError) as error:
        raise InvalidParamsError("page_token is not one that was returned") from error
    if position < 0 or len(text) > 18:
        raise InvalidParamsError("page_token is not one that was returned")
    return position
