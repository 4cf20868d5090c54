"""What long work is in memory, beside what the rows on disk say."""

from gleann.service.jobs.queue import Demand, Entry, JobQueue
from gleann.service.jobs.schedule import Schedule

WORK = Entry(
    name="operations/1",
    index="a",
    demand=Demand(changes="version", background=True),
    kind="optimize",
)


def test_work_that_cannot_begin_is_not_under_way() -> None:
    """It gave way, and was cancelled or paused before it was queued again.

    Otherwise the optimizer would take it for one that runs, and start no other.
    """
    schedule = Schedule()
    schedule.forget(WORK.name)
    schedule.enqueue(WORK)
    run = schedule.next(JobQueue.take_background)
    assert run is not None
    assert schedule.under_way("optimize", "a") == WORK.name
    schedule.keep(run, [])
    assert run.names == []
    schedule.done(run)
    assert schedule.under_way("optimize", None) is None
    assert schedule.run_of(WORK.name) is None
    assert schedule.is_settled("a")
