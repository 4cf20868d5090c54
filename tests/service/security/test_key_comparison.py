"""The time of a refusal tells nothing of a key: all keys are compared alike."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from gleann.service.security import key_ring
from gleann.service.security.key_ring import KeyRefusal, KeyRing

SINGLE = "the-single-key"


class Header(NamedTuple):
    key: str
    value: str


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """What is compared in constant time, in order."""
    seen: list[tuple[Any, Any]] = []
    real = key_ring.hmac.compare_digest

    def compare(one: Any, other: Any) -> bool:
        seen.append((one, other))
        return real(one, other)

    monkeypatch.setattr(key_ring.hmac, "compare_digest", compare)
    return seen


@pytest.mark.parametrize(
    "shown",
    [
        SINGLE,
        SINGLE[:-1],
        SINGLE[:3],
        "x",
        "x" * 500,
        "gln_" + "0" * 12 + "_" + "s" * 43,
    ],
)
def test_every_key_is_compared_alike(
    compared: list[tuple[Any, Any]], shown: str
) -> None:
    ring = KeyRing(single=SINGLE, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    try:
        ring.find([Header("authorization", f"Bearer {shown}")])
        assert shown == SINGLE
    except KeyRefusal:
        assert shown != SINGLE
    assert len(compared) == 2
    # Hashes, so that not even the length of a key is compared.
    assert {len(side) for pair in compared for side in pair} == {32}
