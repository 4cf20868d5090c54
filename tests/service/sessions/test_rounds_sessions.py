"""Sessions of rounds as the service keeps them."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.selection.rounds import PickerName, RoundsParams, RoundsSession

EVERY = np.arange(240) * 10
SEED = EVERY[:40]


@pytest.mark.parametrize("picker", get_args(PickerName))
def test_rounds_are_those_of_the_library(
    built: gleann.Client, rows: np.ndarray, labels_of: Any, picker: PickerName
) -> None:
    params = RoundsParams(picker=picker, batch=6, seed=4, splits=2)
    session = built.rounds.start(
        "built", ids=SEED, labels=labels_of(SEED), params=params
    )
    assert (session.kind, session.labelled) == ("rounds", 40)
    here = RoundsSession.start(
        rows, params, ids=EVERY, rows=np.arange(40), labels=labels_of(SEED)
    )
    for number in (1, 2):
        batch, expected = built.next_batch(session), here.next_batch()
        assert batch.ids.tolist() == expected.ids.tolist()
        assert batch.summary == expected.summary
        assert batch.provenance == json.loads(json.dumps(expected.provenance))
        info = built.submit_labels(session, batch.ids, labels_of(batch.ids))
        here.submit_labels(batch.ids, labels_of(batch.ids))
        assert info.labelled == 40 + 6 * number
    scores = built.rounds.score_items(session, EVERY[7:9])
    np.testing.assert_allclose(scores.probabilities, here.probabilities([7, 8]))
    assert scores.classes.tolist() == list(here.classes)


def test_a_restart_goes_on_with_the_same_batch(
    rows: np.ndarray, labels_of: Any, tmp_path: Path
) -> None:
    params = RoundsParams(picker="cluster_margin", batch=5)
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=rows.shape[1], metric="l2")
        client.upsert("a", EVERY, rows)
        client.build("a", BuildParams(metric="l2", nlist=8)).wait(timeout=60)
        session = client.rounds.start(
            "a", ids=SEED, labels=labels_of(SEED), params=params, request_id="one"
        )
        again = client.rounds.start(
            "a", ids=SEED, labels=labels_of(SEED), params=params, request_id="one"
        )
        assert again.name == session.name
        batch = client.next_batch(session).ids
        client.submit_labels(session.name, batch[:2], labels_of(batch[:2]))
    with gleann.Client(tmp_path) as client:
        assert client.next_batch(session.name).ids.tolist() == batch[2:].tolist()
        client.rounds.submit_labels(session, batch[2:], labels_of(batch[2:]))
        resumed = client.rounds.next_batch(session).ids.tolist()
    here = RoundsSession.start(
        rows, params, ids=EVERY, rows=np.arange(40), labels=labels_of(SEED)
    )
    here.submit_labels(here.next_batch().ids, labels_of(batch))
    assert resumed == here.next_batch().ids.tolist()


def test_rounds_begin_without_labels(built: gleann.Client, labels_of: Any) -> None:
    session = built.start_rounds_session("built", params=RoundsParams(batch=12))
    batch = built.next_batch(session)
    assert len(batch) == 12
    with pytest.raises(errors.NotReadyError, match="0 labels have 0 class"):
        built.rounds.score_items(session, EVERY[:2])
    info = built.submit_labels(session, batch.ids, labels_of(batch.ids))
    assert info.labelled == 12
    built.rounds.ignore(session, built.next_batch(session).ids[:1])
    assert len(built.next_batch(session)) == 11


def test_what_is_refused(built: gleann.Client, labels_of: Any) -> None:
    session = built.rounds.start("built", ids=SEED, labels=labels_of(SEED))
    with pytest.raises(errors.InvalidInputError, match="differ from those given"):
        built.submit_labels(session, SEED[:1], labels_of(SEED[:1]) + 1)
    with pytest.raises(errors.UnknownIdError, match="5"):
        built.submit_labels(session, [5], [0])
    with pytest.raises(errors.InvalidInputError, match="of kind rounds, not active"):
        built.active.stop_advice(session)
    with pytest.raises(errors.DimensionMismatchError, match="1 entries for 2 ids"):
        built.rounds.start("built", ids=SEED[:2], labels=[1])
    with pytest.raises(errors.UnknownJobError, match="rounds-0"):
        built.rounds.next_batch("sessions/rounds-0")
