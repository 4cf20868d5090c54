"""The caller of a key, and keys that are none."""

import hmac
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleann.service.calls.caller import EVERYTHING, LOCAL, Grant, Right
from gleann.service.security import key_ring
from gleann.service.security.key_ring import KeyRefusal, KeyRing, OpenRing
from gleann.service.security.making_keys import new_key

NOW = datetime(2026, 11, 28, tzinfo=UTC)
KEY, TOKEN = new_key(
    "app", [Grant(Right.READ)], now=NOW, expires=NOW + timedelta(days=1)
)
SINGLE = "single-key"


def ring_at(now: datetime) -> KeyRing:
    return KeyRing([KEY], single=SINGLE, clock=lambda: now)


def headers(*values: str | bytes) -> list[SimpleNamespace]:
    found = [SimpleNamespace(key="authorization", value=value) for value in values]
    return [SimpleNamespace(key="user-agent", value="test"), *found]


def test_each_key_has_its_caller() -> None:
    ring = ring_at(NOW)
    assert ring.find(headers(f"Bearer {TOKEN}")).name == "app"
    assert ring.find(headers(f"bearer {TOKEN}".encode())).grants == KEY.grants
    single = ring.find(headers(f"Bearer {SINGLE}"))
    assert (single.name, single.grants) == ("api_key", EVERYTHING)
    assert OpenRing().find(headers()) is LOCAL


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "no key"),
        (["Bearer a", "Bearer b"], "several keys"),
        ([f"Bearer {TOKEN}", f"Bearer {TOKEN}"], "several keys"),
        (["Basic a"], "no bearer token"),
        ([TOKEN], "no bearer token"),
        (["Bearer "], "a wrong key"),
        ([f"Bearer {SINGLE} "], "a wrong key"),
        ([f"Bearer gl_{'0' * 12}_{'a' * 43}"], "an unknown key"),
        ([f"Bearer {TOKEN[:-2]}zz"], "a wrong secret of the key 'app'"),
    ],
)
def test_why_a_key_is_refused(values: list[str], why: str) -> None:
    with pytest.raises(KeyRefusal, match=why) as caught:
        ring_at(NOW).find(headers(*values))
    assert TOKEN not in str(caught.value)


def test_a_key_ends_by_the_clock_of_the_machine() -> None:
    almost = NOW + timedelta(days=1) - timedelta(microseconds=1)
    assert ring_at(almost).find(headers(f"Bearer {TOKEN}")).name == "app"
    with pytest.raises(KeyRefusal, match="has expired"):
        ring_at(NOW + timedelta(days=1)).find(headers(f"Bearer {TOKEN}"))
    # A clock that is set back makes it good again: it is the clock that is wrong.
    assert ring_at(NOW - timedelta(days=400)).find(headers(f"Bearer {TOKEN}"))


def test_all_keys_take_the_same_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return hmac.compare_digest(left, right)

    monkeypatch.setattr(key_ring, "hmac", SimpleNamespace(compare_digest=compare))
    for token in (TOKEN, SINGLE, TOKEN[:-2] + "zz", f"gl_{'0' * 12}_{'a' * 43}", "x"):
        compared.clear()
        try:
            ring_at(NOW).find(headers(f"Bearer {token}"))
        except KeyRefusal:
            assert token not in (TOKEN, SINGLE)
        assert compared == [(32, 32), (32, 32)]


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=80), st.text(max_size=80)), max_size=3))
def test_any_other_header_is_refused(values: list[str | bytes]) -> None:
    with pytest.raises(KeyRefusal):
        ring_at(NOW).find(headers(*values))
