"""Proxies after each round, kept between processes."""

import numpy as np
import pytest

from gleann.selection.estimate.refreshed.round_proxies import RoundProxies, StageLabels

N = 300
POINTS = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
HELD = POINTS[:, 0] > 1
STAGES = np.random.default_rng(1).permutation(N)[:120].reshape(4, 30)


def proxies_of(scanned=None, *, origin="h", held=HELD):
    """Over four stages of labels; `scanned` gets an entry for each scan of a stage."""

    def stage(number):
        rows = STAGES[number]
        return StageLabels(rows=rows, positives=held[rows])

    def report(progress):
        if scanned is not None and progress.done == progress.total == N:
            scanned.append(progress.phase)

    return RoundProxies(POINTS, stage, origin=origin, progress=report)


def test_each_stage_is_scanned_once():
    scanned = []
    proxies = proxies_of(scanned)
    made = [proxies.after(rounds).copy() for rounds in range(4)]
    assert scanned == 4 * ["propagate"]
    assert proxies.after(0).tolist() == made[0].tolist()
    assert scanned == 4 * ["propagate"]
    for rounds in (3, 1):
        assert proxies_of().after(rounds).tobytes() == made[rounds].tobytes()


def test_proxies_beside_the_last_stay_until_they_are_not_asked_for():
    scanned = []
    proxies = proxies_of(scanned)
    one = proxies.after(1).copy()
    proxies.after(2, beside=1)
    assert proxies.after(1).tolist() == one.tolist()
    assert len(scanned) == 3
    proxies.after(3)
    assert proxies.after(1).tolist() == one.tolist()
    assert len(scanned) == 4 + 2


@pytest.mark.parametrize("rounds", range(4))
def test_what_is_saved_goes_on_bit_by_bit_without_a_scan(rounds):
    before = proxies_of()
    before.after(0)
    before.after(rounds, beside=max(0, rounds - 1))
    scanned = []
    after = proxies_of(scanned)
    assert after.restore(before.saved(), stages=rounds + 1)
    assert after.after(rounds).tobytes() == before.after(rounds).tobytes()
    assert after.after(0).tobytes() == before.after(0).tobytes()
    assert scanned == []
    if rounds < 3:
        assert after.after(3).tobytes() == proxies_of().after(3).tobytes()
        assert len(scanned) == 3 - rounds


def damaged(arrays, name, change):
    return {**arrays, name: change(arrays[name].copy())}


def one_more(array):
    array[5] += 1
    return array


@pytest.mark.parametrize("name", ["nearest", "weights", "votes", "proxies-0"])
def test_a_changed_array_is_not_taken(name):
    proxies = proxies_of()
    proxies.after(0)
    proxies.after(2)
    saved = proxies.saved()
    for change in (
        one_more,
        lambda array: array[:-1],
        lambda array: array.astype("S8"),
    ):
        assert not proxies_of().restore(damaged(saved, name, change), stages=3)
    assert not proxies_of().restore(
        {key: array for key, array in saved.items() if key != name}, stages=3
    )
    assert proxies_of().restore(saved, stages=3)


def test_sums_of_other_labels_or_vectors_are_not_taken():
    proxies = proxies_of()
    proxies.after(2)
    saved = proxies.saved()
    assert not proxies_of(origin="other").restore(saved, stages=3)
    assert not proxies_of().restore(saved, stages=2)
    assert not proxies_of().restore({}, stages=3)
    changed = HELD.copy()
    changed[STAGES[1][0]] ^= True
    assert not proxies_of(held=changed).restore(saved, stages=3)
    assert proxies_of().saved() == {}
