from gleann.service.sessions.open_sessions import OpenSessions


def opened(*rows, busy=(), most_rows=100):
    sessions = OpenSessions(most_rows)
    for number, count in enumerate(rows):
        sessions.add(f"s{number}", object(), rows=count, busy=busy)
    return sessions


def names(sessions, count):
    return [f"s{k}" for k in range(count) if f"s{k}" in sessions]


def test_the_sessions_used_longest_ago_are_closed():
    sessions = opened(40, 40)
    assert names(sessions, 2) == ["s0", "s1"]
    assert sessions.get("s0") is not None
    sessions.add("s2", object(), rows=40, busy=())
    assert names(sessions, 3) == ["s0", "s2"]
    assert sessions.get("s1") is None


def test_a_session_in_use_is_not_closed():
    assert names(opened(40, 40, 40, busy=("s0",)), 3) == ["s0", "s2"]
    assert names(opened(60, 60, 60, busy=("s0", "s1", "s2")), 3) == ["s0", "s1", "s2"]


def test_a_session_larger_than_the_bound_is_held_alone():
    assert names(opened(10, 500), 2) == ["s1"]
    assert names(opened(10, 500, 10), 3) == ["s2"]


def test_a_session_is_counted_once_and_dropped():
    sessions = opened(60)
    for _ in range(3):
        sessions.add("s0", object(), rows=60, busy=())
    sessions.add("s1", object(), rows=40, busy=())
    assert names(sessions, 2) == ["s0", "s1"]
    sessions.drop("s0")
    sessions.drop("s0")
    assert names(sessions, 2) == ["s1"]
