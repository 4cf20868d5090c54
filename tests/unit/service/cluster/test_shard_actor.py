"""What holds a shard on a cluster, in this process."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import EngineUnavailableError
from gleann.index.shards.cut import cut
from gleann.index.shards.questions import Describe
from gleann.service.cluster.search import shard_actor
from gleann.service.cluster.search.shard_actor import Opening, ShardActor


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
    questions = pickle.dumps({0: None, 1: Describe()})
    as_array = np.frombuffer(questions, np.uint8)
    for asked in (questions, as_array):
        assert ShardActor(what).answer(asked).n == what.manifest.shards[1].n


@pytest.mark.parametrize(
    "error", [MemoryError("no room"), PermissionError(13, "Permission denied", "rows")]
)
def test_it_says_why_it_has_no_shard_and_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: Opening) -> None:
        raise error

    monkeypatch.setattr(shard_actor, "opened", fail)
    actor = ShardActor(opening(tmp_path / "cut"))
    for call in (actor.process, lambda: actor.answer(b"")):
        with pytest.raises(type(error)) as said:
            call()
        assert said.value is error


def test_another_gleann_is_told_from_its_own(tmp_path: Path) -> None:
    actor = ShardActor(opening(tmp_path / "cut", version="0.0.1"))
    with pytest.raises(EngineUnavailableError, match=r"asked by gleann 0\.0\.1"):
        actor.process()
