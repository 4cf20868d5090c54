"""Fields of serialised messages: how they are written."""

from typing import Any

VARINT, LENGTH_DELIMITED = 0, 2
"""Wire types."""


def tag_of(message: Any, name: str, wire_type: int) -> int:
    """The number and wire type of a field of a kind of message, in one."""
    number: int = message.DESCRIPTOR.fields_by_name[name].number
    return number << 3 | wire_type


def varint(value: int) -> bytes:
    """An integer from 0 on, as protobuf writes it."""
    packed = bytearray()
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)
    return bytes(packed)


def varint_at(message: bytes, place: int) -> tuple[int, int]:
    """An integer of 64 bits, and the place behind it.

    Raises:
        IndexError: the message ends within it.
        ValueError: it is longer than that.
    """
    value = shift = 0
    while (byte := message[place]) > 0x7F:
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if shift > 63:
            raise ValueError("an integer of more than 10 bytes")
    return value | byte << shift, place + 1
