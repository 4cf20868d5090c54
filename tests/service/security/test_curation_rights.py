"""Curation reads no index and no stored result that its caller may not read."""

from collections.abc import Callable

import numpy as np
import pytest
from keys_of_tests import Keys

import gleann
from gleann.index import errors
from gleann.service.calls.caller import Right
from gleann.service.server import Server

ROWS = np.random.default_rng(5).normal(size=(40, 4)).astype(np.float32)


def test_other_indexes_and_known_results(
    keyed_server: Server, keys: Keys, client_of: Callable[..., gleann.Client]
) -> None:
    tokens = {
        "boss": keys.add("boss", (Right.ADMIN, "*")),
        "mine": keys.add("mine", (Right.WRITE, "mine")),
        "both": keys.add("both", (Right.WRITE, "mine"), (Right.READ, "secret")),
    }
    keyed_server.reread()
    boss, mine, both = (client_of(tokens[name]) for name in ("boss", "mine", "both"))
    for name in ("mine", "secret"):
        boss.create_index(name, dim=4, metric="l2")
        boss.upsert(name, np.arange(40), ROWS)
    secret = boss.curation.near_duplicates("secret", radius=0.1).wait(timeout=60)
    calls = (
        lambda client: client.curation.near_duplicates(
            "mine", radius=0.1, against="secret"
        ),
        lambda client: client.curation.join("mine", "secret", radius=0.1),
        lambda client: client.curation.join("mine", "secret", k=2),
    )
    for call in calls:
        with pytest.raises(
            errors.PermissionDeniedError, match="read on index 'secret'"
        ):
            call(mine)
        assert call(both).wait(timeout=60).info.index == "mine"
    for call in (
        lambda: mine.curation.near_duplicates("mine", radius=0.1, known=secret.name),
        lambda: mine.curation.rethreshold("mine", secret.name, radius=0.05),
        lambda: mine.curation.get(secret.name),
        lambda: mine.curation.delete(secret.name),
        lambda: both.curation.delete(secret.name),
        lambda: mine.curation.near_duplicates("secret", radius=0.1),
        lambda: both.curation.near_duplicates("secret", radius=0.1),
    ):
        with pytest.raises(errors.PermissionDeniedError):
            call()
    # An index that there is not is as one that may not be read.
    with pytest.raises(errors.PermissionDeniedError, match="read on index 'nothing'"):
        mine.curation.join("mine", "nothing", radius=0.1)
    names = [one.name for one in both.curation.list()]
    assert secret.name in names
    assert secret.name not in [one.name for one in mine.curation.list()]
    assert len(both.curation.get(secret.name).table("rows")) == 40
    assert len(names) == 4


def test_what_tells_of_two_indexes_takes_both_rights(
    keyed_server: Server, keys: Keys, client_of: Callable[..., gleann.Client]
) -> None:
    tokens = {
        "boss": keys.add("boss", (Right.ADMIN, "*")),
        "mine": keys.add("mine", (Right.WRITE, "mine")),
        "both": keys.add("both", (Right.WRITE, "mine"), (Right.READ, "secret")),
    }
    keyed_server.reread()
    boss, mine, both = (client_of(tokens[name]) for name in ("boss", "mine", "both"))
    for name in ("mine", "secret"):
        boss.create_index(name, dim=4, metric="l2")
        boss.upsert(name, np.arange(40), ROWS)
    own = mine.curation.near_duplicates("mine", radius=0.1).wait(timeout=60)
    made = [
        both.curation.near_duplicates("mine", radius=0.1, against="secret"),
        both.curation.join("mine", "secret", radius=0.1),
        both.curation.leakage("mine", "secret", radius=0.1),
    ]
    found = [one.wait(timeout=60) for one in made]
    thinner = both.curation.rethreshold("mine", found[0].name, radius=0.05)
    found.append(thinner.wait(timeout=60))
    closer = both.curation.rethreshold("mine", found[2].name, radius=0.05)
    found.append(closer.wait(timeout=60))
    for one in found:
        with pytest.raises(errors.PermissionDeniedError, match="no right to read"):
            mine.curation.get(one.name)
        assert both.curation.get(one.name).info.index == "mine"
    with pytest.raises(errors.PermissionDeniedError, match="read on index 'secret'"):
        mine.curation.rethreshold("mine", found[0].name, radius=0.05)
    assert [one.name for one in mine.curation.list()] == [own.name]
    assert len(both.curation.list()) == 6
    mine.curation.delete(found[1].name)  # that tells nothing
    assert len(both.curation.list()) == 5
