"""The table of errors is complete, and works both ways."""

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import grpc
import pytest

import gleann
from gleann.index import errors
from gleann.service.status import (
    STATUS_OF,
    all_errors,
    code_of,
    error_of,
    reason_of,
    status_of,
)

ALL = list(all_errors())
OF_THEIR_OWN = {
    errors.DeadlineError,
    errors.UnavailableError,
    errors.UnsupportedError,
}
"""Subclasses whose code is not that of their family: gRPC has one for it."""


def test_every_family_has_a_status() -> None:
    families = set(errors.GleannError.__subclasses__())
    assert set(STATUS_OF) == families | OF_THEIR_OWN


@pytest.mark.parametrize("kind", ALL)
def test_there_and_back(kind: type[errors.GleannError]) -> None:
    status = status_of(kind("7 is not 8"))
    assert status.code == code_of(kind()).value[0] != 0
    back = error_of(status)
    assert type(back) is kind
    assert str(back) == "7 is not 8"


def test_subclasses_have_their_parents_code() -> None:
    families = set(STATUS_OF) - OF_THEIR_OWN
    for kind in set(ALL) - OF_THEIR_OWN:
        family = next(parent for parent in families if issubclass(kind, parent))
        assert code_of(kind()) == STATUS_OF[family]


def test_a_server_that_is_not_there_has_its_own_code() -> None:
    assert code_of(errors.UnavailableError()) == grpc.StatusCode.UNAVAILABLE
    assert issubclass(errors.UnavailableError, errors.ServiceError)


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


@pytest.mark.parametrize("letter", ["x", "%", "\n", "é", "€", "\U0001f600"])
@pytest.mark.parametrize("length", [200, 1_000, 5_000, 2_000_000])
def test_long_messages_are_cut_to_what_trailers_hold(letter: str, length: int) -> None:
    text = "row 7: " + letter * length
    said = status_of(errors.LimitError(text)).message
    header = quote(said, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
    assert len(header) + len(b64encode(said.encode())) <= 4_002
    if said != text:
        kept, cut = re.fullmatch(
            r"(.*) \.\.\. \((\d+) more characters\)", said, re.DOTALL
        ).groups()
        assert text.startswith(kept)
        assert len(kept) + int(cut) == len(text)
        assert len(kept) > 200


def test_any_text_can_be_told() -> None:
    """A file's name may hold bytes that are no text."""
    assert status_of(errors.StorageError("a\udcff b")).message == r"a\udcff b"


def test_a_long_message_gets_through(start_server: Callable[..., Any]) -> None:
    """Without a cap by bytes, gRPC answers with an error of its own, or none of it."""
    with gleann.Client(start_server().target) as client:
        client.create_index("i", dim=8)
        for letter in ("x", "é", "€", "\U0001f600"):
            for _ in range(5):
                with pytest.raises(errors.ForbiddenPathError, match=f"/{letter}+"):
                    client.import_vectors("i", "/" + letter * 2_000)


def test_a_status_of_overload_says_when_to_try_again() -> None:
    error = errors.OverloadedError("256 calls wait", retry_seconds=0.25)
    status = status_of(error)
    assert len(status.details) == 2
    back = error_of(status)
    assert type(back) is errors.OverloadedError
    assert back.retry_seconds == 0.25
    assert str(back) == "256 calls wait"
