"""A stream of upserts by its messages, without the client."""

import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gleann.service.wire.arrays import ids_to_wire, vectors_to_wire
from gleann.v1 import vector_pb2, vector_pb2_grpc

Request = vector_pb2.StreamUpsertVectorsRequest
END = Request(end=vector_pb2.UpsertEnd())


def start(stream_id: str = "", index: str = "w") -> Request:
    """A start."""
    return Request(start=vector_pb2.UpsertStart(index=index, stream_id=stream_id))


def batch(sequence: int, vectors: np.ndarray, first_id: int | None = None) -> Request:
    """A batch; its ids go on from those of the batches before it, if all are alike."""
    begin = (sequence - 1) * len(vectors) if first_id is None else first_id
    ids = np.arange(begin, begin + len(vectors))
    message = vector_pb2.UpsertBatch(
        sequence=sequence, ids=ids_to_wire(ids), vectors=vectors_to_wire(vectors)
    )
    return Request(batch=message)


class RawStream:
    """A call of the method.

    Attributes:
        call: of gRPC; iterating it reads answers.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        stream_id: str = "",
        *,
        index: str = "w",
        starts: bool = True,
        timeout: float | None = 60.0,
    ) -> None:
        """Call, and send a start."""
        self._channel = channel
        self._messages: SimpleQueue[Any] = SimpleQueue()
        stub = vector_pb2_grpc.VectorServiceStub(channel)
        feed = iter(self._messages.get, None)
        self.call = stub.StreamUpsertVectors(feed, timeout=timeout)
        if starts:
            self.send(start(stream_id, index))

    def send(self, *messages: Request) -> None:
        """Send messages."""
        for message in messages:
            self._messages.put(message)

    def half_close(self) -> None:
        """Say that no message follows."""
        self._messages.put(None)

    def started(self) -> tuple[int, int]:
        """Read the answer to the start: sequence and count."""
        answer = next(self.call)
        assert answer.HasField("started"), answer
        return answer.started.sequence, answer.started.count

    def read_to(self, sequence: int) -> list[tuple[str, int]]:
        """Read answers up to that of a batch; their kinds and sequences."""
        found: list[tuple[str, int]] = []
        while not found or found[-1][1] < sequence:
            answer = next(self.call)
            kind = answer.WhichOneof("message")
            assert kind in ("acknowledged", "refused")
            found.append((kind, getattr(answer, kind).sequence))
        return found

    def rest(self) -> list[Any]:
        """All further answers, up to an end with OK."""
        return list(self.call)

    def failure(self) -> tuple[grpc.StatusCode, str, str, list[Any]]:
        """Code, reason and text of how it fails, and the answers before that."""
        answers: list[Any] = []
        try:
            answers.extend(self.call)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            info = error_details_pb2.ErrorInfo()
            if status is not None:
                _ = [detail.Unpack(info) for detail in status.details]
            return error.code(), info.reason, str(error.details()), answers
        raise AssertionError(f"the stream ended with OK after {answers}")

    def close(self) -> None:
        """Leave."""
        self.call.cancel()
        self.half_close()
        self._channel.close()


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.02)
