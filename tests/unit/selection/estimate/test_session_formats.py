"""Estimate sessions are resumed by the format that their saved state has."""

import json

import numpy as np
import pytest

from gleann.index.errors import CorruptDataError
from gleann.selection import (
    ChoosingSession,
    DisjointGroupsSession,
    EstimateParams,
    EstimateSession,
    OverlappingGroupsSession,
    TastiSession,
)
from gleann.selection.estimate import proxy_names, session_type

N = 400
RNG = np.random.default_rng(0)
PROXY = RNG.random(N)
VECTORS = RNG.normal(size=(N, 4)).astype(np.float32)
PROXIES = {"b": PROXY, "a": PROXY[::-1].copy()}
PARAMS = EstimateParams(budget=100)
SESSIONS = {
    EstimateSession: (EstimateSession.start(PROXY, PARAMS), PROXY),
    ChoosingSession: (ChoosingSession.start(PROXIES, PARAMS), PROXIES),
    DisjointGroupsSession: (DisjointGroupsSession.start(PROXIES, PARAMS), PROXIES),
    OverlappingGroupsSession: (
        OverlappingGroupsSession.start(PROXIES, PARAMS),
        PROXIES,
    ),
    TastiSession: (TastiSession.start(VECTORS, PARAMS), VECTORS),
}


@pytest.mark.parametrize("kind", SESSIONS)
def test_the_format_names_the_session(kind):
    session, data = SESSIONS[kind]
    state = json.loads(json.dumps(session.state()))
    assert session_type(state) is kind
    if data is PROXIES:
        assert proxy_names(state) == ["b", "a"]
    assert session_type(state).resume(state, data).state() == session.state()


@pytest.mark.parametrize("other", ["gleann.active/2", "gleann.estimate/99", None, 3])
def test_another_format_is_refused(other):
    state = {**SESSIONS[EstimateSession][0].state(), "format": other}
    with pytest.raises(CorruptDataError, match="of no estimate session"):
        session_type(state)


@pytest.mark.parametrize("damage", [7, [1, 2], None])
def test_proxies_that_are_not_named_are_refused(damage):
    state = {**SESSIONS[DisjointGroupsSession][0].state(), "groups": damage}
    with pytest.raises(CorruptDataError, match="does not name its proxies"):
        proxy_names(state)


def test_a_state_of_other_data_says_so_before_anything_else():
    """Known rows beyond the end of shorter data are no reason to speak of damage."""
    state = SESSIONS[EstimateSession][0].state()
    with pytest.raises(CorruptDataError, match="the state is of proxies"):
        EstimateSession.resume(state, PROXY[:300])
