"""Tasks that are stopped: those that have not answered."""

import pytest

from gleann.service.cluster import engine


class Tasks:
    """As the module ray: odd tasks have answered, and some are run once more.

    Args:
        again: tasks that go on after they were cancelled so many times.
    """

    def __init__(self, again: dict[int, int] | None = None) -> None:
        self.cancelled: list[tuple[int, bool]] = []
        self._again = dict(again or {})

    def wait(
        self, tasks: list[int], *, num_returns: int, timeout: float
    ) -> tuple[list[int], list[int]]:
        assert num_returns == len(tasks)
        assert tasks, "ray refuses to wait for none"
        assert (timeout == 0) == (not self.cancelled)
        going = [n for n in tasks if self._goes_on(n)]
        return [n for n in tasks if n not in going], going

    def _goes_on(self, task: int) -> bool:
        times = [one for one, _ in self.cancelled].count(task)
        return task % 2 == 0 and times <= self._again.get(task, 0)

    def cancel(self, task: int, *, force: bool) -> None:
        self.cancelled.append((task, force))


@pytest.mark.parametrize("force", [True, False])
def test_tasks_that_have_answered_are_left_alone(force: bool) -> None:
    ray = Tasks()
    engine.stop(ray, range(5), force=force)
    assert ray.cancelled == [(0, force), (2, force), (4, force)]


def test_a_task_that_is_run_once_more_is_cancelled_again() -> None:
    ray = Tasks(again={2: 1, 4: 99})
    engine.stop(ray, range(5), force=True)
    times = [task for task, _ in ray.cancelled]
    assert times == [0, 2, 4, 2, 4] + [4] * (engine.CANCELS - 2)


def test_no_tasks_are_stopped() -> None:
    ray = Tasks()
    engine.stop(ray, [], force=True)
    assert ray.cancelled == []
