"""What holds a shard on a cluster, in this process."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import CorruptDataError, EngineUnavailableError
from gleann.index.shards.cut import cut
from gleann.index.shards.questions import Describe
from gleann.service.cluster.search import shard_actor
from gleann.service.cluster.search.pieces import (
    ANSWER_PIECES,
    PIECE_BYTES,
    QUESTION_PIECES,
    answer_pieces,
    packed,
    question_pieces,
    unpacked,
)
from gleann.service.cluster.search.shard_actor import Opening, ShardActor, UnopenedError


def opening(path: Path, version: str = gleann.__version__) -> Opening:
    rows = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(nlist=2, tune_queries=0))
    manifest = cut(index, path, shards=2)
    return Opening(
        path=path,
        manifest=manifest,
        number=1,
        engine="auto",
        threads=1,
        version=version,
    )


def test_it_answers_the_question_for_its_shard(tmp_path: Path) -> None:
    what = opening(tmp_path / "cut")
    whole = packed({0: None, 1: Describe()})
    cut = [whole[:7], whole[7:]]
    for asked in ([whole], cut, [np.frombuffer(whole, np.uint8)]):
        answer = ShardActor(what).answer(*asked)
        assert len(answer) == ANSWER_PIECES
        assert unpacked(answer).n == what.manifest.shards[1].n


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 1, 10**6])
def test_what_is_cut_into_pieces_is_whole_again(size: int) -> None:
    value = bytes(size)
    pieces = answer_pieces(packed(value))
    assert len(pieces) == ANSWER_PIECES
    assert unpacked(pieces) == value
    asked = question_pieces(packed(value))
    if asked is None:
        assert size > (QUESTION_PIECES - 1) * PIECE_BYTES
    else:
        assert max(map(len, asked)) <= PIECE_BYTES
        assert unpacked(asked) == value


@pytest.mark.parametrize(
    "error", [MemoryError("no room"), PermissionError(13, "Permission denied", "rows")]
)
def test_it_says_why_it_has_no_shard_and_opens_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: Opening) -> None:
        raise error

    seconds = [50.0]
    monkeypatch.setattr(shard_actor, "monotonic", lambda: seconds[0])
    whole = packed({1: Describe()})
    with monkeypatch.context() as failing:
        failing.setattr(shard_actor, "opened", fail)
        actor = ShardActor(opening(tmp_path / "cut"))
        with pytest.raises(type(error)) as said:
            actor.process()
        assert said.value is error
    with pytest.raises(UnopenedError) as unopened:
        actor.answer(whole)
    assert unopened.value.failure is error
    assert pickle.loads(pickle.dumps(unopened.value)).failure.args == error.args
    with pytest.raises(type(error)):  # so soon it is not tried again
        actor.process()
    seconds[0] += shard_actor.REOPEN_SECONDS
    with pytest.raises(UnopenedError):  # nor for a question
        actor.answer(whole)
    assert actor.process() == os.getpid()
    assert unpacked(actor.answer(whole)).n > 0


def test_a_shard_that_took_long_is_tried_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [50.0]

    def fail(_: Opening) -> None:
        seconds[0] += 60
        raise CorruptDataError("damaged")

    monkeypatch.setattr(shard_actor, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(shard_actor, "opened", fail)
    actor = ShardActor(opening(tmp_path / "cut"))
    for pause, tries in ((539, 0), (1, 1), (539, 0)):
        seconds[0] += pause
        before = seconds[0]
        with pytest.raises(CorruptDataError):
            actor.process()
        assert seconds[0] == before + 60 * tries


def test_another_gleann_is_told_from_its_own(tmp_path: Path) -> None:
    actor = ShardActor(opening(tmp_path / "cut", version="0.0.1"))
    with pytest.raises(EngineUnavailableError, match=r"asked by gleann 0\.0\.1"):
        actor.process()
