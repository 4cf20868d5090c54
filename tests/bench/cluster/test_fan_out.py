"""The simulation of searches over shards, against what queueing theory says."""

import numpy as np
import pytest

from bench.cluster.fan_out import FanOut, at_rate, in_turn

RNG = np.random.default_rng(0)
EXPONENTIAL = RNG.exponential(0.01, 20_000)
CONSTANT = np.array([0.01])


def test_one_shard_is_a_queue_with_one_server():
    """M/M/1: the mean time in the system is 1 / (mu - lambda)."""
    found = at_rate(FanOut(shards=1, answer=EXPONENTIAL), rate=50, batches=40_000)
    mean = EXPONENTIAL.mean()
    assert found.latencies.mean() == pytest.approx(1 / (1 / mean - 50), rel=0.06)


def test_constant_answers_wait_half_as_long():
    """M/D/1: the mean wait is half of that of M/M/1."""
    found = at_rate(FanOut(shards=1, answer=CONSTANT), rate=50, batches=40_000)
    waited = found.latencies.mean() - 0.01
    assert waited == pytest.approx(0.5 * 0.5 * 0.01 / (1 - 0.5), rel=0.06)


@pytest.mark.parametrize("shards", [4, 32])
def test_a_batch_waits_for_the_slowest_shard(shards):
    """The mean of the greatest of S exponential times is H(S) times their mean."""
    of = FanOut(shards=shards, machines=shards, answer=EXPONENTIAL)
    found = in_turn(of, clients=1, batches=4000)
    harmonic = sum(1 / i for i in range(1, shards + 1))
    mean = EXPONENTIAL.mean()
    assert found.latencies.mean() == pytest.approx(harmonic * mean, rel=0.04)


def test_actors_share_the_cores_of_a_machine():
    of = FanOut(shards=4, machines=1, cores=2, answer=CONSTANT)
    found = in_turn(of, clients=1, batches=50)
    np.testing.assert_allclose(found.latencies, 0.02)
    alone = in_turn(FanOut(shards=2, cores=2, answer=CONSTANT), clients=1, batches=50)
    np.testing.assert_allclose(alone.latencies, 0.01)


def test_the_coordinator_prepares_and_merges_in_turn():
    of = FanOut(
        shards=3, machines=4, answer=CONSTANT, prepare=0.002, merge=0.001, cores=8
    )
    one = in_turn(of, clients=1, batches=20)
    np.testing.assert_allclose(one.latencies, 0.002 + 0.01 + 0.003)
    many = in_turn(of, clients=50, batches=2000)
    assert many.per_second == pytest.approx(1 / 0.01, rel=0.03)


def test_on_the_way_nobody_works():
    of = FanOut(shards=3, machines=4, answer=CONSTANT, delay=0.04, cores=8)
    found = in_turn(of, clients=1, batches=20)
    np.testing.assert_allclose(found.latencies, 0.05)
    assert in_turn(of, clients=5, batches=500).per_second == pytest.approx(100, rel=0.1)


def test_throughput_is_that_of_the_shards_where_many_ask():
    of = FanOut(shards=2, machines=2, answer=EXPONENTIAL, replicas=2, cores=4)
    found = in_turn(of, clients=64, batches=4000)
    assert found.per_second == pytest.approx(2 / EXPONENTIAL.mean(), rel=0.06)


def test_a_second_replica_shortens_the_tail():
    answer = np.append(np.full(97, 0.01), np.full(3, 0.5))
    of = FanOut(shards=16, machines=32, replicas=2, answer=answer)
    plain = in_turn(of, clients=1, batches=500)
    hedged = in_turn(
        FanOut(shards=16, machines=32, replicas=2, answer=answer, hedge=0.02),
        clients=1,
        batches=500,
    )
    assert plain.hedged == 0
    assert plain.quantile(0.99) == pytest.approx(0.5, rel=0.01)
    assert hedged.quantile(0.5) < plain.quantile(0.5)
    assert hedged.latencies.mean() < plain.latencies.mean() / 2
    # Three answers of a hundred are slow, so about as many are asked again.
    assert hedged.hedged / (16 * 500) == pytest.approx(0.03, abs=0.03)


def test_failures_are_waited_for_and_nothing_is_lost():
    of = FanOut(
        shards=8, machines=8, answer=CONSTANT, between_failures=20.0, restart=2.0
    )
    found = at_rate(of, rate=10, batches=20_000)
    assert len(found.latencies) == 20_000
    assert found.lost > 0
    late = (found.latencies > 0.1).mean()
    assert late == pytest.approx(1 - of.availability, rel=0.15)


def test_a_replica_answers_for_a_failed_one():
    alone = FanOut(
        shards=8, machines=8, answer=CONSTANT, between_failures=20.0, restart=2.0
    )
    two = FanOut(
        shards=8,
        machines=16,
        replicas=2,
        answer=CONSTANT,
        between_failures=20.0,
        restart=2.0,
    )
    late = [(at_rate(of, rate=10, batches=8000).latencies > 0.1) for of in (alone, two)]
    assert late[1].mean() == pytest.approx(1 - two.availability, abs=0.02)
    assert late[1].mean() < late[0].mean() / 5


def test_what_a_failed_actor_was_asked_goes_to_another_at_once():
    of = FanOut(
        shards=1,
        machines=2,
        replicas=2,
        answer=CONSTANT,
        between_failures=100.0,
        restart=2.0,
    )
    found = at_rate(of, rate=120, batches=48_000)
    assert found.lost > 0
    assert found.latencies.max() < of.restart / 2


def test_availability_by_hand():
    of = FanOut(
        shards=2, answer=CONSTANT, replicas=2, between_failures=90.0, restart=10.0
    )
    assert of.availability == pytest.approx((1 - 0.1**2) ** 2)
    assert FanOut(shards=2, answer=CONSTANT).availability == 1


def test_the_same_seed_gives_the_same_times():
    of = FanOut(shards=5, answer=EXPONENTIAL, between_failures=1.0, restart=0.1)
    first, again = (at_rate(of, rate=5, batches=200, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.latencies, again.latencies)
    other = at_rate(of, rate=5, batches=200, seed=4)
    assert (first.latencies != other.latencies).any()
