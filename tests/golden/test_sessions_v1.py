"""Sessions, selections and queued jobs that commit 71bbc26 wrote go on, for ever after.

The answers were recorded by that commit, from a copy of the directory.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_sessions import go_on

import gleann
from gleann.service.state.database import open_database

pytestmark = pytest.mark.golden

GOLDEN = Path(__file__).parent / "sessions-v1"
EXPECTED = json.loads(
    (GOLDEN.parent / "sessions-v1-expected.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    """On a copy of the directory, as if written today: what is old expires."""
    copy = shutil.copytree(GOLDEN, tmp_path_factory.mktemp("golden") / "data")
    connection = open_database(copy)  # migrated, and with its checksums kept
    ended = "UPDATE operations SET ended = ? WHERE ended IS NOT NULL"
    connection.execute(ended, [time.time()])
    connection.execute("UPDATE sessions SET updated = ?", [time.time()])
    connection.commit()
    connection.close()
    with gleann.Client(copy) as client:
        yield client


def test_every_kind_of_session_is_there_and_listed(client: gleann.Client) -> None:
    names = EXPECTED["names"]
    assert len(names) == 32
    assert {info.name for info in client.sessions.list()} == set(names.values())
    kinds = [answer["kind"] for answer in EXPECTED["answers"].values()]
    assert sorted(set(kinds)) == ["active", "estimate", "groups"]


@pytest.mark.parametrize("key", EXPECTED["names"])
def test_a_session_goes_on_as_it_would_have(client: gleann.Client, key: str) -> None:
    right = dict(EXPECTED["answers"][key])
    found = go_on(client, key, EXPECTED["names"][key])
    scores = right.pop("scores", None)
    # How far the solver goes depends on the version of scikit-learn.
    np.testing.assert_allclose(found.pop("scores", []), scores or [], atol=1e-3)
    assert near(found.pop("estimates", {}), right.pop("estimates", {}))
    assert found == right


def near(estimates: dict[str, list[Any]], right: dict[str, list[Any]]) -> bool:
    """Whether they are the same but for rounding."""
    return list(estimates) == list(right) and all(
        here == there or here == pytest.approx(there, rel=1e-9)
        for group in right
        for here, there in zip(estimates[group], right[group], strict=True)
    )


@pytest.mark.parametrize("method", EXPECTED["selections"])
def test_a_selection_that_was_done_is_kept(client: gleann.Client, method: str) -> None:
    name, ids = EXPECTED["selections"][method]
    kept = client.coresets.get(name)
    assert kept.ids.tolist() == ids
    assert kept.provenance["method"]


@pytest.mark.parametrize("method", EXPECTED["selections"])
def test_a_selection_job_that_was_queued_is_done(
    client: gleann.Client, method: str
) -> None:
    operation = client.operations.get(EXPECTED["queued"][method])
    assert operation.wait(timeout=60).ids.tolist() == EXPECTED["selections"][method][1]


def test_a_build_that_was_queued_is_done(client: gleann.Client) -> None:
    client.operations.get(EXPECTED["build"]).wait(timeout=60)
    assert client.get_index("points").count == 160
