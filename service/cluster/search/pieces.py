"""Questions and answers in pieces that travel with a call.

Ray sends a value of up to 100 KB with the call or its answer, and puts a larger one in
its object store: that costs more than the call itself. Several small ones go with it.
"""

import pickle
from collections.abc import Sequence
from typing import Any

PIECE_BYTES = 96 << 10
"""With what Ray puts around it, it is below the 100 KiB that are sent at once."""

QUESTION_PIECES = 8
"""Larger questions lie in the object store, where all actors of a machine read them."""

ANSWER_PIECES = 4
"""Of each answer, as a call says beforehand how many there will be."""


def packed(value: Any) -> bytes:
    """A value as bytes; what it has several times is in them once."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def question_pieces(question: bytes) -> list[bytes] | None:
    """What travels with a call; None where it is too large for that."""
    if len(question) > QUESTION_PIECES * PIECE_BYTES:
        return None
    starts = range(0, len(question), PIECE_BYTES)
    return [question[start : start + PIECE_BYTES] for start in starts]


def answer_pieces(answer: bytes) -> list[bytes]:
    """Always `ANSWER_PIECES` of them, the last ones may be empty."""
    size = max(PIECE_BYTES, -(-len(answer) // ANSWER_PIECES))
    starts = range(0, ANSWER_PIECES * size, size)
    return [answer[start : start + size] for start in starts]


def unpacked(pieces: Sequence[Any]) -> Any:
    """The value of pieces, each of bytes or an array of them."""
    return pickle.loads(pieces[0] if len(pieces) == 1 else b"".join(pieces))
