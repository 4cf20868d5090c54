"""String ids cost their own length, also where one is far longer than the others."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.index.ids.checks import MAX_ID_BYTES
from gleann.index.texts import Texts
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.jobs.candidates import resolve
from gleann.service.local import application_stubs
from gleann.service.values import Limits
from gleann.service.wire.arrays import ids_of, ids_to_wire
from gleann.service.wire.index_messages import found_to_wire
from gleann.v1 import coreset_pb2, types_pb2, vector_pb2

LONG = "x" * 9_500_000
QUICK = BuildParams(metric="l2", nlist=2, tune_queries=0, spill="none")
ROWS = np.eye(8, dtype=np.float32)
IDS = [f"id-{i}" for i in range(8)]


def uneven(n: int, longest: int) -> list[str]:
    return ["z" * longest, *(f"{i:06d}" for i in range(1, n))]


@pytest.mark.parametrize("packed", [True, False])
def test_a_small_message_takes_little_memory(packed: bool) -> None:
    names = uneven(100_000, 10_000)
    message = types_pb2.Ids(strings=types_pb2.Strings(values=names))
    if packed:
        message = ids_to_wire(Texts.of_texts(names))
    tracemalloc.start()
    ids = ids_of(message, name="ids")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ids.tolist() == names
    assert peak < 30 * message.ByteSize()


def test_the_index_is_looked_up_before_ids_are_unpacked(tmp_path: Path) -> None:
    stubs = application_stubs(Application(Config(data_dir=tmp_path)))
    nonsense = types_pb2.Ids(strings=types_pb2.Strings(text=b"\xff", lengths=b"\1"))
    for call, kind in (
        (stubs.vector.GetVectors, vector_pb2.GetVectorsRequest),
        (stubs.vector.UpsertVectors, vector_pb2.UpsertVectorsRequest),
        (stubs.vector.DeleteVectors, vector_pb2.DeleteVectorsRequest),
    ):
        with pytest.raises(errors.UnknownIndexError, match="nowhere"):
            call(kind(index="nowhere", ids=nonsense))
    stubs.close()


def test_a_long_id_is_refused_and_nothing_is_stored(client: gleann.Client) -> None:
    client.create_index("i", dim=8, metric="l2")
    says = rf"row 1 is 'y+\.\.\. of {MAX_ID_BYTES + 1} bytes"
    with pytest.raises(errors.InvalidInputError, match=says):
        client.upsert("i", ["a", "y" * (MAX_ID_BYTES + 1)], ROWS[:2])
    assert client.get_index("i").count == 0
    with pytest.raises(errors.UnknownIdError, match=r"no id 'y+\.\.\. in 'i'"):
        client.get_vectors("i", ["y" * 100_000])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ü" * (MAX_ID_BYTES // 2 + 1), r"ids.npy row 7 is 'ü+\.\.\."),
        ("y" * (MAX_ID_BYTES + 1), "ids.npy has room for 4097 characters an id"),
    ],
    ids=["bytes", "letters"],
)
def test_a_long_id_of_a_file_is_refused(
    client: gleann.Client, tmp_path: Path, name: str, says: str
) -> None:
    np.save(tmp_path / "v.npy", ROWS)
    np.save(tmp_path / "ids.npy", [*IDS[:7], name])
    client.create_index("i", dim=8, metric="l2")
    job = client.import_vectors("i", tmp_path / "v.npy", ids_path=tmp_path / "ids.npy")
    with pytest.raises(errors.InvalidInputError, match=says):
        job.wait(timeout=60)
    assert client.get_index("i").count == 0


def test_a_long_id_that_an_earlier_version_took_is_kept(tmp_path: Path) -> None:
    """In the log, in an answer, in a sealed version, and as long as it is wanted."""
    application = Application(Config(data_dir=tmp_path))
    application.create_index("i", dim=8, metric="l2")
    application.create_index("other", dim=8, metric="l2")
    # Past the checks of this version, as an earlier one stored it.
    application.registry.upsert("i", Texts.of_texts([LONG, *IDS[1:]]), ROWS)
    application.close()
    with gleann.Client(tmp_path) as client:
        client.upsert("other", IDS, ROWS)
        client.upsert("i", ["new"], ROWS[:1] * 2)
        for _ in range(2):
            found = client.search("i", ROWS, SearchParams(k=1))
            assert found.ids[:, 0].tolist() == [LONG, *IDS[1:]]
            client.build("i", QUICK).wait(timeout=60)
    with gleann.Client(tmp_path) as client:
        assert client.get_index("i").count == 9
        assert np.array_equal(client.get_vectors("i", [LONG]), ROWS[:1])
        assert client.delete_vectors("i", [LONG]) == 1
        assert client.get_index("i").count == 8


def test_an_answer_is_not_padded_to_its_longest_id(tmp_path: Path) -> None:
    application = Application(Config(data_dir=tmp_path))
    application.create_index("i", dim=8, metric="l2")
    n = 4000
    rows = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    ids = Texts.of_texts(uneven(n, MAX_ID_BYTES))
    application.upsert("i", ids, rows)
    queries = rows[:500]
    found, view = application.search(
        "i", queries, SearchParams(k=200), allowed_ids=None
    )
    tracemalloc.start()
    reply = found_to_wire(found, view.ids_at(found.rows.ravel()), view.state)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Padded, these ids would take 500 x 200 x 4096 x 4 bytes, 1.6 GB.
    assert peak < 30 * reply.ByteSize()
    application.close()


def test_an_answer_is_refused_before_it_is_gathered(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path, limits=Limits(message_bytes=100_000))
    application = Application(config)
    application.create_index("i", dim=8, metric="l2")
    application.registry.upsert("i", Texts.of_texts([LONG, *IDS[1:]]), ROWS)
    with pytest.raises(errors.AnswerTooLargeError, match="takes 76000736 bytes"):
        application.search("i", ROWS, SearchParams(k=8), allowed_ids=None)
    application.close()


def test_long_names_of_groups_are_refused(tmp_path: Path) -> None:
    application = Application(Config(data_dir=tmp_path))
    application.create_index("i", dim=8, metric="l2")
    application.upsert("i", Texts.of_texts(IDS), ROWS)
    request = coreset_pb2.CreateSelectionJobRequest(
        index="i",
        k=2,
        random=coreset_pb2.Random(),
        quotas=coreset_pb2.Quotas(
            ids=ids_to_wire(Texts.of_texts(IDS)), groups=[*"aaaabbb", LONG]
        ),
    )
    with pytest.raises(errors.InvalidInputError, match=r"group 7 is 'x.* of 9500000"):
        resolve(application.registry.view("i"), request)
    application.close()
