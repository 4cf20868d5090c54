"""Names of any letters: those that a path could be made of are refused."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import gleann
from gleann.index import errors

GOOD = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
PARTS = st.sampled_from(
    ["..", ".", "/", "\\", "\0", "\n", "a", "-", "9", "A", "é", "\u202e", "~", "%2e"]
)
NAMES = st.one_of(
    st.text(max_size=80),
    st.lists(PARTS, max_size=6).map("".join),
    st.from_regex(r"[a-z][a-z0-9-]{60,66}", fullmatch=True),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("names")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[gleann.Client]:
    with gleann.Client(folder / "data") as opened:
        yield opened


@settings(max_examples=150, deadline=None)
@given(name=NAMES)
@example("../other")
@example("/etc/passwd")
@example("a/../../b")
@example("a\0b")
@example("a\n")
@example("a" * 5000)
@example("con.")
def test_a_name_is_good_or_refused(
    client: gleann.Client, folder: Path, name: str
) -> None:
    if GOOD.fullmatch(name):
        client.create_index(name, dim=2)
        assert name in [info.name for info in client.list_indexes()]
        client.delete_index(name)
    else:
        with pytest.raises(
            (errors.InvalidInputError, errors.InvalidParamsError)
        ) as raised:
            client.create_index(name, dim=2)
        assert len(str(raised.value)) < 1000
    assert [entry.name for entry in folder.iterdir()] == ["data"]


@settings(max_examples=100, deadline=None)
@given(name=NAMES)
@example("snapshots/../../etc")
@example("sessions/../x")
@example("operations/\0")
def test_names_of_what_is_not_there_find_nothing(
    client: gleann.Client, folder: Path, name: str
) -> None:
    calls = (
        client.get_index,
        client.delete_index,
        client.sessions.get,
        client.operations.get,
        client.snapshots.get,
        client.snapshots.delete,
    )
    for call in calls:
        with pytest.raises((errors.NotFoundError, errors.InvalidInputError)):
            call(name)
    assert [entry.name for entry in folder.iterdir()] == ["data"]
