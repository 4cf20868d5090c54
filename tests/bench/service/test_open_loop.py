"""Calls at set times: what is late is counted from when it was due."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from bench.service.calls import EMPTY, EMPTY_CALL, connect
from bench.service.open_loop import (
    OK,
    REFUSED,
    UNSENT,
    OpenLoop,
    Outcome,
    arrivals,
    outcome_summary,
)
from gleann.v1 import admin_pb2

LOAD = OpenLoop(call=EMPTY_CALL, rate=100.0, seconds=0.5, deadline=60, connections=2)


class Slow(grpc.GenericRpcHandler):
    """A server that answers one call at a time, each after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.one = threading.Lock()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        assert details.method == EMPTY
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        with self.one:
            if context.is_active():
                time.sleep(self.seconds)
        return admin_pb2.ServerInfo().SerializeToString()


def offered(seconds: float, load: OpenLoop) -> Outcome:
    """What comes of a load on a server that takes `seconds` a call."""
    with ThreadPoolExecutor(128) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((Slow(seconds),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        channels = [connect(f"127.0.0.1:{port}") for _ in range(load.connections)]
        for channel in channels:
            grpc.channel_ready_future(channel).result(60)
        begun = OpenLoop(
            call=load.call,
            rate=load.rate,
            seconds=load.seconds,
            deadline=load.deadline,
            begin=time.monotonic() + 0.05,
            connections=load.connections,
        )
        try:
            return begun.carry_out(channels)
        finally:
            for channel in channels:
                channel.close()
            server.stop(None).wait()


def test_arrivals_are_poisson_and_repeat_with_their_seed():
    times = arrivals(200, 50, seed=3)
    assert np.array_equal(times, arrivals(200, 50, seed=3))
    assert len(times) == pytest.approx(10_000, rel=0.05)
    gaps = np.diff(times)
    assert gaps.min() >= 0
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # exponential


@pytest.mark.alone
def test_a_server_that_keeps_up_answers_all_in_time():
    found = outcome_summary(offered(0.0005, LOAD), LOAD)
    assert found["codes"] == {OK: found["offered"]}
    assert found["goodput"] == found["offered"] / LOAD.seconds
    assert found["answered"]["p50_ms"] < 100


def test_a_queue_at_the_server_shows_in_the_latencies():
    """A server of 50 calls a second, offered 100: the last wait for half a second.

    A closed loop of one client would report 20 ms for each.
    """
    patient = OpenLoop(call=EMPTY_CALL, rate=100.0, seconds=0.5, deadline=60)
    found = outcome_summary(offered(0.02, patient), patient)
    assert found["codes"] == {OK: found["offered"]}
    expected = 1000 * (0.02 * found["offered"] - patient.seconds)
    assert found["answered"]["max_ms"] > 0.8 * expected
    assert found["answered"]["p50_ms"] > 100


@pytest.mark.alone
def test_calls_past_their_deadline_are_no_goodput():
    load = OpenLoop(call=EMPTY_CALL, rate=100.0, seconds=0.5, deadline=1.0)
    found = outcome_summary(offered(0.1, load), load)
    late = found["codes"]["DEADLINE_EXCEEDED"]
    assert late > found["offered"] / 2
    assert 0 < found["goodput"] * load.seconds <= found["offered"] - late
    assert found["answered"]["max_ms"] <= 1000 * load.deadline


def test_rates_and_latencies_of_each_kind_of_end():
    due = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    outcome = Outcome(
        due=due,
        sent=due + np.array([0.0, 0.01, 0.0, 0.0, 0.3]),
        ended=due + np.array([0.1, 0.06, 0.5, 0.2, 0.3]),
        codes=np.array([OK, REFUSED, OK, "DEADLINE_EXCEEDED", UNSENT]),
    )
    load = OpenLoop(call=EMPTY_CALL, rate=1.0, seconds=5.0, deadline=0.2)
    found = outcome_summary(outcome, load)
    assert found["offered"] == 5
    assert found["goodput"] == 0.2  # the second OK came too late
    assert found["answered"]["max_ms"] == 100
    assert found["refused"]["p50_ms"] == 60
    assert found["refused_since_sent"]["p50_ms"] == 50
    assert found["codes"] == {OK: 2, REFUSED: 1, "DEADLINE_EXCEEDED": 1, UNSENT: 1}
    assert found["late"]["max_ms"] == 300
