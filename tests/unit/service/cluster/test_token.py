"""Ray's client shows the token that there is, unless a user says otherwise."""

import os
from pathlib import Path

import pytest

from gleann.service.cluster import session


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it would be."""
    monkeypatch.setattr(session, "TOKEN_FILE", tmp_path / "token")
    # Set first, so that what it was before is there again afterwards.
    for name in (session.AUTH_MODE, *session.TOKEN_VARIABLES):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path / "token"


def test_without_a_token_nothing_is_set(token: Path) -> None:
    session.show_token()
    assert session.AUTH_MODE not in os.environ


@pytest.mark.parametrize("where", ["file", *session.TOKEN_VARIABLES])
def test_a_token_is_shown(
    token: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "file":
        token.write_text("secret")
    else:
        monkeypatch.setenv(where, "secret")
    session.show_token()
    assert os.environ[session.AUTH_MODE] == "token"


def test_what_a_user_has_set_stays(
    token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token.write_text("secret")
    monkeypatch.setenv(session.AUTH_MODE, "disabled")
    session.show_token()
    assert os.environ[session.AUTH_MODE] == "disabled"
