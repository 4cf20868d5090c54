import pytest

from gleann.index.errors import PermissionDeniedError
from gleann.service.calls.caller import LOCAL, Caller, Grant, Right


def test_a_right_includes_those_below_it() -> None:
    writer = Caller("w", (Grant(Right.WRITE),))
    assert writer.may(Right.READ, "words")
    assert writer.may(Right.WRITE, "words")
    assert not writer.may(Right.ADMIN, "words")


def test_a_grant_is_for_the_indexes_of_its_pattern() -> None:
    caller = Caller("a", (Grant(Right.READ), Grant(Right.ADMIN, "team-*")))
    assert caller.may(Right.ADMIN, "team-a")
    assert not caller.may(Right.WRITE, "words")
    assert caller.may(Right.READ)
    assert not caller.may(Right.WRITE)
    assert caller.may_on_any(Right.ADMIN)


def test_a_refusal_names_key_right_and_index() -> None:
    caller = Caller("reader", (Grant(Right.READ, "words"),))
    caller.require(Right.READ, "words")
    with pytest.raises(PermissionDeniedError, match=r"'reader'.*write.*'words'"):
        caller.require(Right.WRITE, "words")
    with pytest.raises(PermissionDeniedError):
        caller.require(Right.READ, "Words")


def test_owners_and_admins_of_the_index_own() -> None:
    owner = Caller("a", (Grant(Right.READ),))
    admin = Caller("b", (Grant(Right.ADMIN, "words"),))
    assert owner.owns("a", "words")
    assert not owner.owns("b", "words")
    assert admin.owns("a", "words")
    assert not admin.owns("a", "other")
    assert LOCAL.owns("a", "words")
