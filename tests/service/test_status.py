"""The table of errors is complete, and works both ways."""

import pytest

from gleann.index import errors
from gleann.service.status import (
    MAX_MESSAGE,
    STATUS_OF,
    all_errors,
    code_of,
    error_of,
    reason_of,
    status_of,
)

ALL = list(all_errors())


def test_every_family_has_a_status() -> None:
    assert set(STATUS_OF) == set(errors.GleannError.__subclasses__())


@pytest.mark.parametrize("kind", ALL)
def test_there_and_back(kind: type[errors.GleannError]) -> None:
    status = status_of(kind("7 is not 8"))
    assert status.code == code_of(kind()).value[0] != 0
    back = error_of(status)
    assert type(back) is kind
    assert str(back) == "7 is not 8"


def test_subclasses_have_their_parents_code() -> None:
    for kind in ALL:
        family = next(parent for parent in STATUS_OF if issubclass(kind, parent))
        assert code_of(kind()) == STATUS_OF[family]


def test_reasons_are_distinct_and_upper_snake() -> None:
    reasons = {reason_of(kind) for kind in ALL}
    assert len(reasons) == len(ALL)
    assert all(reason.replace("_", "").isalpha() for reason in reasons)
    assert reason_of(errors.UnknownIndexError) == "UNKNOWN_INDEX"


def test_an_unknown_reason_is_a_service_error() -> None:
    status = status_of(errors.LimitError("x"))
    status.details[0].value = status.details[0].value.replace(b"LIMIT", b"OTHER")
    assert type(error_of(status)) is errors.ServiceError
    del status.details[:]
    assert type(error_of(status)) is errors.ServiceError


def test_long_messages_are_cut() -> None:
    assert len(status_of(errors.LimitError("x" * 10_000)).message) == MAX_MESSAGE
