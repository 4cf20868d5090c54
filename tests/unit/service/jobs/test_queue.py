"""Whose turn it is among the indexes, and which requests one run satisfies."""

from gleann.service.jobs.queue import SHORT, Demand, Entry, JobQueue


def build(name: str, index: str, *, params: str = "p", size: int = 1) -> Entry:
    demand = Demand(same=params, changes="version", size=lambda: size)
    return Entry(name=name, index=index, demand=demand)


def other(name: str, index: str, *, changes: str, size: int | None = 1) -> Entry:
    demand = Demand(changes=changes, size=lambda: size)  # type: ignore[arg-type]
    return Entry(name=name, index=index, demand=demand)


def queue_of(*entries: Entry) -> JobQueue:
    queue = JobQueue()
    for entry in entries:
        queue.add(entry)
    return queue


def served(queue: JobQueue, *, short: bool = False) -> list[list[str]]:
    """What runs one after the other until the queue is empty."""
    runs = []
    while taken := queue.take(short=short):
        runs.append([entry.name for entry in taken])
        queue.done(taken[0].index)
    return runs


def test_equal_builds_of_an_index_are_one_run() -> None:
    queue = queue_of(
        build("a1", "a"),
        build("b1", "b"),
        build("a2", "a", params="q"),
        build("a3", "a"),
        build("a4", "a", params="q"),
    )
    assert served(queue) == [["a1", "a3"], ["b1"], ["a2", "a4"]]


def test_a_build_sees_the_rows_asked_for_before_it() -> None:
    """A selection between two builds changes nothing for them; an import does."""
    queue = queue_of(
        build("a1", "a"),
        other("select", "a", changes="nothing"),
        build("a2", "a"),
        other("import", "a", changes="rows"),
        build("a3", "a"),
        build("a4", "a"),
    )
    assert served(queue) == [["a1", "a2"], ["select"], ["import"], ["a3", "a4"]]


def test_selections_and_imports_are_never_merged() -> None:
    entries = [other(str(i), "a", changes=c) for i, c in enumerate(["rows"] * 2)]
    entries += [other(str(i), "b", changes="nothing") for i in (2, 3)]
    assert all(len(run) == 1 for run in served(queue_of(*entries)))


def test_one_piece_of_work_of_an_index_at_a_time() -> None:
    queue = queue_of(build("a1", "a"), build("a2", "a", params="q"), build("b1", "b"))
    assert [entry.name for entry in queue.take(short=False)] == ["a1"]
    assert [entry.name for entry in queue.take(short=False)] == ["b1"]
    assert queue.take(short=False) == []
    queue.done("a")
    assert [entry.name for entry in queue.take(short=False)] == ["a2"]


def test_an_index_with_much_to_do_does_not_keep_others_waiting() -> None:
    queue = queue_of(*(build(f"a{i}", "a", params=str(i)) for i in range(4)))
    assert [entry.name for entry in queue.take(short=False)] == ["a0"]
    queue.add(build("b1", "b"))
    queue.add(build("c1", "c"))
    queue.done("a")
    order = served(queue)
    assert order[:2] == [["b1"], ["c1"]]
    # Nor does one that comes again and again keep the first from its turn.
    queue = queue_of(*(build(f"a{i}", "a", params=str(i)) for i in range(2)))
    queue.add(build("b0", "b"))
    runs = []
    for i in range(1, 4):
        (taken,) = queue.take(short=False)
        runs.append(taken.name)
        queue.done(taken.index)
        queue.add(build(f"b{i}", "b", params=str(i)))
    assert runs == ["a0", "b0", "a1"]


def test_the_second_worker_takes_short_work_only() -> None:
    queue = queue_of(
        build("long", "a", size=SHORT + 1),
        other("unknown", "b", changes="rows", size=None),
        build("short", "c", size=SHORT),
    )
    assert [entry.name for entry in queue.take(short=True)] == ["short"]
    assert queue.take(short=True) == []
    assert served(queue) == [["long"], ["unknown"]]


def test_short_work_waits_for_what_was_asked_of_its_index_before() -> None:
    queue = queue_of(build("long", "a", size=SHORT + 1), build("a2", "a", params="q"))
    assert queue.take(short=True) == []
    assert [entry.name for entry in queue.take(short=False)] == ["long"]
    assert queue.take(short=True) == []
    queue.done("a")
    assert [entry.name for entry in queue.take(short=True)] == ["a2"]


def test_what_was_dropped_does_not_run() -> None:
    queue = queue_of(build("a1", "a"), build("a2", "a"), build("b1", "b"))
    queue.drop("a1")
    queue.drop("b1")
    queue.drop("unknown")
    assert served(queue) == [["a2"]]


def test_what_is_settled() -> None:
    queue = queue_of(other("s", "a", changes="nothing"), build("b1", "b"))
    assert queue.is_settled("a")
    assert queue.is_settled("never heard of")
    assert not queue.is_settled("b")
    queue.drop("b1")
    assert queue.is_settled("b")
    queue.add(other("i", "b", changes="rows"))
    assert [entry.name for entry in queue.take(short=False)] == ["s"]
    assert [entry.name for entry in queue.take(short=False)] == ["i"]
    assert not queue.is_settled("b")
    queue.done("b")
    assert queue.is_settled("b")


def fold(name: str, index: str, *, kind: str = "fold") -> Entry:
    demand = Demand(same=kind, changes="version", background=True)
    return Entry(name=name, index=index, demand=demand)


def names(entries: list[Entry]) -> list[str]:
    return [entry.name for entry in entries]


def test_background_work_waits_apart_and_runs_beside_reads() -> None:
    queue = queue_of(fold("f", "a"), other("select", "a", changes="nothing"))
    assert names(queue.take_background()) == ["f"]
    assert names(queue.take(short=False)) == ["select"]
    assert not queue.is_in_the_way("a")
    assert not queue.take(short=False)


def test_one_piece_of_background_work_runs_at_a_time() -> None:
    queue = queue_of(fold("f", "a"), fold("g", "b"))
    assert names(queue.take_background()) == ["f"]
    assert not queue.take_background()
    queue.done_background()
    assert names(queue.take_background()) == ["g"]


def test_background_work_waits_for_changes_of_its_index() -> None:
    queue = queue_of(build("b", "a"), fold("f", "a"), fold("g", "c"))
    assert names(queue.take_background()) == ["g"]
    queue.done_background()
    assert not queue.take_background()
    assert names(queue.take(short=False)) == ["b"]
    assert not queue.take_background()
    queue.done("a")
    assert names(queue.take_background()) == ["f"]


def test_a_change_waits_for_background_work_which_is_in_its_way() -> None:
    queue = queue_of(fold("f", "a"))
    queue.take_background()
    queue.add(build("b", "a"))
    queue.add(build("c", "c"))
    assert queue.is_in_the_way("a")
    assert not queue.is_in_the_way("c")
    assert names(queue.take(short=False)) == ["c"]
    assert not queue.take(short=False)
    queue.done_background()
    assert not queue.is_in_the_way("a")
    assert names(queue.take(short=False)) == ["b"]


def test_equal_background_requests_are_one_run_and_can_be_dropped() -> None:
    queue = queue_of(
        fold("f1", "a"), fold("f2", "a"), fold("r", "a", kind="rebuild"), fold("g", "a")
    )
    queue.drop("g")
    assert not queue.is_settled("a")
    assert names(queue.take_background()) == ["f1", "f2"]
    assert not queue.is_settled("a")
    queue.done_background()
    assert names(queue.take_background()) == ["r"]
    queue.done_background()
    assert queue.is_settled("a")
