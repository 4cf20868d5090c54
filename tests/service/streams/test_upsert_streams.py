"""StreamUpsertVectors: answers in order, refusals, ends, places, and back-pressure."""

import threading
import time
from typing import Any

import grpc
import numpy as np
import pytest
from stream_calls import END, RawStream, Request, batch, start, until

from gleann.index.texts import Texts
from gleann.service.config.queues import LoadSettings
from gleann.service.wire.arrays import ids_to_wire
from gleann.v1 import vector_pb2

CODE = grpc.StatusCode


def test_answers_come_in_order_and_say_what_is_there(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    stream: RawStream = open_stream(server, "a")
    stream.send(*(batch(number, vectors) for number in range(1, 41)), END)
    answers = stream.rest()
    assert answers[0].started.sequence == 0
    acknowledged = [answer.acknowledged for answer in answers[1:]]
    numbers = [one.sequence for one in acknowledged]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 40
    assert [one.count for one in acknowledged] == [10 * n for n in numbers]
    assert [one.version.sequence for one in acknowledged] == numbers
    assert client.count("w") == 400
    assert np.array_equal(client.get_vectors("w", np.arange(10) + 70), vectors)


def test_batches_that_wait_share_a_transaction(
    serve_index: Any,
    open_stream: Any,
    vectors: np.ndarray,
    slow_store: Any,
) -> None:
    server, client = serve_index()
    stream: RawStream = open_stream(server, "a")
    stream.started()
    (opened,) = server.upserts.streams()
    slow_store.clear()
    stream.send(batch(1, vectors))
    assert slow_store.begun.wait(60)  # the first is being committed
    stream.send(*(batch(number, vectors) for number in range(2, 12)))
    until(lambda: opened.ahead == 11)
    slow_store.set()
    assert stream.read_to(11) == [("acknowledged", 1), ("acknowledged", 11)]
    assert client.count("w") == 110


def test_a_refused_batch_leaves_the_others(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    wrong = vectors.copy()
    wrong[4, 2] = np.nan
    narrow = vectors[:, :3].copy()
    stream: RawStream = open_stream(server, "a")
    stream.send(batch(1, vectors), batch(2, wrong), batch(3, vectors))
    stream.send(batch(4, narrow), batch(5, vectors), END)
    answers = stream.rest()
    refused = [a.refused for a in answers if a.HasField("refused")]
    assert [(one.sequence, one.error.code) for one in refused] == [(2, 3), (4, 3)]
    assert "row 4 has NaN" in refused[0].error.message
    assert "3" in refused[1].error.message
    assert "8" in refused[1].error.message
    kinds = [a.WhichOneof("message") for a in answers[1:]]
    assert kinds.index("refused") > 0
    assert kinds[-1] == "acknowledged"
    last = answers[-1].acknowledged
    assert (last.sequence, last.count) == (5, 30)
    assert client.count("w") == 30


def test_ids_of_the_other_kind_are_refused_in_the_transaction(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    """The first batch decides the kind: before the transaction nobody knows it."""
    server, client = serve_index()
    named = batch(1, vectors)
    texts = Texts.of_texts([f"n{number}" for number in range(10)])
    named.batch.ids.CopyFrom(ids_to_wire(texts))
    named.batch.sequence = 2
    stream: RawStream = open_stream(server, "a")
    stream.send(batch(1, vectors), named, batch(3, vectors), END)
    answers = stream.rest()
    assert [a.refused.sequence for a in answers if a.HasField("refused")] == [2]
    assert client.count("w") == 20


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([END], "the first message of a stream is a start, this is its end"),
        ([batch(1, np.ones((1, 8), "f4"))], "a start, this is its batch"),
        ([Request()], "no start, batch or end"),
        ([start(), start()], "two starts"),
        ([start(), batch(2, np.ones((1, 8), "f4"))], "where batch 1 is the next"),
        ([start(), batch(0, np.ones((1, 8), "f4"))], "where batch 1 is the next"),
        ([start(), batch(-3, np.ones((1, 8), "f4"))], "where batch 1 is the next"),
    ],
)
def test_messages_out_of_turn_end_the_stream(
    serve_index: Any, open_stream: Any, messages: list[Request], said: str
) -> None:
    server, _ = serve_index()
    stream: RawStream = open_stream(server, starts=False)
    stream.send(*messages)
    code, reason, text, answers = stream.failure()
    assert (code, reason) == (CODE.INVALID_ARGUMENT, "INVALID_INPUT")
    assert said in text
    assert len(answers) == (messages[0].HasField("start"))


def test_what_was_before_an_error_is_answered_first(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    stream: RawStream = open_stream(server, "a")
    stream.send(batch(1, vectors), batch(2, vectors), batch(4, vectors))
    code, _, text, answers = stream.failure()
    assert code == CODE.INVALID_ARGUMENT
    assert "batch 4 comes where batch 3 is the next" in text
    assert answers[-1].acknowledged.sequence == 2
    assert client.count("w") == 20


def test_a_stream_that_stops_without_an_end(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    stream: RawStream = open_stream(server)
    stream.send(batch(1, vectors))
    stream.half_close()
    code, _, text, answers = stream.failure()
    assert code == CODE.INVALID_ARGUMENT
    assert "stops after batch 1 without an end" in text
    assert answers[-1].acknowledged.count == 10
    assert client.count("w") == 10


def test_bytes_that_are_no_message_and_unknown_fields(
    serve_index: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    good = start().SerializeToString(), batch(1, vectors).SerializeToString()
    for bad, said in (
        (b"\xff\xff", "2 bytes that are no request"),
        (b"\xa2\x06\x01x", "has a field 100"),
    ):
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = channel.stream_stream(
                "/gleann.v1.VectorService/StreamUpsertVectors"
            )(iter([*good, bad]), timeout=60)
            answers = []
            with pytest.raises(grpc.RpcError, match=said) as raised:
                answers.extend(call)
            assert raised.value.code() == CODE.INVALID_ARGUMENT
    assert client.count("w") == 10


def test_an_unknown_index(serve_index: Any, open_stream: Any) -> None:
    server, _ = serve_index()
    stream = open_stream(server, index="nothing")
    code, reason, text, answers = stream.failure()
    assert (code, reason, answers) == (CODE.NOT_FOUND, "UNKNOWN_INDEX", [])
    assert "nothing" in text


@pytest.mark.parametrize("again", [False, True], ids=["deleted", "made anew"])
def test_an_index_that_is_deleted_meanwhile(
    serve_index: Any, open_stream: Any, vectors: np.ndarray, again: bool
) -> None:
    server, client = serve_index()
    stream: RawStream = open_stream(server, "a")
    assert stream.started() == (0, 0)
    stream.send(batch(1, vectors))
    stream.read_to(1)
    client.delete_index("w")
    if again:
        client.create_index("w", dim=8, metric="l2")
    stream.send(batch(2, vectors))
    assert stream.failure()[:2] == (CODE.NOT_FOUND, "UNKNOWN_INDEX")
    if again:
        assert client.count("w") == 0
        # The position was of the old index.
        assert open_stream(server, "a").started() == (0, 0)


def test_a_stream_goes_on_where_it_stopped(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    first: RawStream = open_stream(server, "a")
    first.send(*(batch(number, vectors) for number in range(1, 6)))
    assert first.started() == (0, 0)
    first.read_to(5)
    first.call.cancel()
    again: RawStream = open_stream(server, "a")
    assert again.started() == (5, 50)
    client.delete_vectors("w", np.arange(10))
    # The first is answered again and not stored: what was deleted stays so.
    again.send(batch(1, vectors), batch(6, vectors), END)
    assert [a.acknowledged.sequence for a in again.rest()][-1] == 6
    assert client.count("w") == 50
    # Another stream, and one without a name, begin at 0.
    assert open_stream(server, "b").started() == (0, 0)
    assert open_stream(server).started() == (0, 0)


def test_a_refusal_is_answered_again(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    wrong = vectors.copy()
    wrong[0] = np.inf
    for _ in range(2):
        stream: RawStream = open_stream(server, "a")
        stream.send(batch(1, vectors), batch(2, wrong), batch(3, vectors), END)
        answers = stream.rest()
        refused = [a.refused.sequence for a in answers if a.HasField("refused")]
        assert refused == [2]
        assert answers[-1].acknowledged.count == 20
    assert answers[0].started == vector_pb2.UpsertStarted(
        sequence=3, count=20, window=16
    )
    assert client.get_index("w").sequence == 2


def test_a_stream_id_belongs_to_an_index(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    client.create_index("other", dim=8, metric="l2")
    stream: RawStream = open_stream(server, "a")
    stream.send(batch(1, vectors), END)
    stream.rest()
    other = open_stream(server, "a", index="other")
    assert other.failure()[:2] == (CODE.ALREADY_EXISTS, "ALREADY_EXISTS")
    for name in ("x" * 257, "a\0b"):
        assert open_stream(server, name).failure()[0] == CODE.INVALID_ARGUMENT


def test_the_newer_call_has_the_stream(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index()
    older: RawStream = open_stream(server, "a")
    older.send(batch(1, vectors))
    older.started()
    older.read_to(1)
    newer: RawStream = open_stream(server, "a")
    assert newer.started() == (1, 10)
    older.send(batch(2, vectors, first_id=500))
    assert older.failure()[:2] == (CODE.ABORTED, "CONFLICT")
    newer.send(batch(2, vectors), END)
    assert newer.rest()[-1].acknowledged.count == 20
    assert client.count("w") == 20


def test_no_more_than_the_window_is_read_ahead(
    serve_index: Any,
    open_stream: Any,
    slow_store: threading.Event,
) -> None:
    """The disk hangs: the server holds the window, and the client the rest."""
    load = LoadSettings(stream_window=3)
    server, client = serve_index(load=load)
    large = np.ones((4000, 8), np.float32)  # 160 KB a batch: flow control holds few
    stream: RawStream = open_stream(server, "a")
    stream.started()
    slow_store.clear()
    stream.send(*(batch(number, large) for number in range(1, 41)))
    (opened,) = server.upserts.streams()
    until(lambda: opened.ahead == 3)
    time.sleep(0.5)
    assert opened.ahead == 3
    slow_store.set()
    answers = stream.read_to(40)
    assert answers[-1] == ("acknowledged", 40)
    assert client.count("w") == 40 * 4000


def test_answers_that_are_not_read_stop_the_reading(
    serve_index: Any, open_stream: Any
) -> None:
    """A client that sends tiny batches and reads no answer gets no memory for them."""
    window = 8
    server, _ = serve_index(load=LoadSettings(stream_window=window, stream_seconds=2.0))
    stream: RawStream = open_stream(server, "a")
    stream.started()
    (opened,) = server.upserts.streams()
    for number in range(1, 5001):
        wrong = batch(number, np.ones((1, 8), np.float32))
        wrong.batch.ids.int64s = b"1"  # refused, with a text
        stream.send(wrong)
    most = 0
    deadline = time.monotonic() + 60
    while server.upserts.streams():
        assert time.monotonic() < deadline
        most = max(most, opened.unsent)
        time.sleep(0.01)
    # The answers of one turn may come on top.
    assert window < most <= 3 * window
    # They are not read: no status would be either.
    assert stream.failure()[0] in (CODE.CANCELLED, CODE.DEADLINE_EXCEEDED)


def test_silent_streams_are_ended(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index(load=LoadSettings(stream_seconds=2.0))
    stream: RawStream = open_stream(server, "a")
    stream.send(batch(1, vectors))
    code, _, text, answers = stream.failure()
    assert code == CODE.DEADLINE_EXCEEDED
    assert "no message within 2 s" in text
    assert answers[-1].acknowledged.sequence == 1
    until(lambda: not server.upserts.streams())
    # The client goes on by itself after such a pause.
    with client.vectors.stream("w", stream_id="a") as sending:
        for number in (2, 3):
            time.sleep(3.0)
            sending.send(np.arange(10) + 10 * number, vectors)
    assert client.count("w") == 30


def test_places_are_bounded(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    load = LoadSettings(streams=4, client_share=0.5)
    server, client = serve_index(load=load)
    streams = [open_stream(server) for _ in range(2)]
    for stream in streams:
        stream.started()
    refused = open_stream(server)
    code, reason, text, _ = refused.failure()
    assert (code, reason) == (CODE.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert "at most 2" in text
    assert client.upsert("w", np.arange(10), vectors) == 10
    streams[0].call.cancel()
    until(lambda: len(server.upserts.streams()) == 1)
    assert open_stream(server).started() == (0, 0)


def test_open_streams_hold_no_thread(
    serve_index: Any, open_stream: Any, vectors: np.ndarray
) -> None:
    server, client = serve_index(rpc_threads=2)
    streams = [open_stream(server, f"s{number}") for number in range(24)]
    for stream in streams:
        stream.started()

    def lanes() -> int:
        """Threads that answer changes, maybe some of a server that is just stopped."""
        names = [one.name for one in threading.enumerate()]
        return sum(name.startswith("gleann-write") for name in names)

    until(lambda: lanes() <= 2)
    assert client.server_status(["streams"]).streams == 24
    assert client.upsert("w", np.arange(10), vectors) == 10
    for stream in streams:
        stream.send(batch(1, vectors), END)
    for stream in streams:
        assert stream.rest()[-1].acknowledged.sequence == 1
