"""Tasks that are stopped: those that have not answered."""

from typing import Any

import pytest

from gleann.service.cluster import engine


class Tasks:
    """As the module ray: odd tasks have answered."""

    def __init__(self) -> None:
        self.cancelled: list[tuple[int, bool]] = []

    def wait(self, tasks: list[int], **how: Any) -> tuple[list[int], list[int]]:
        assert how == {"num_returns": len(tasks), "timeout": 0}
        assert tasks, "ray refuses to wait for none"
        return [n for n in tasks if n % 2], [n for n in tasks if not n % 2]

    def cancel(self, task: int, *, force: bool) -> None:
        self.cancelled.append((task, force))


@pytest.mark.parametrize("force", [True, False])
def test_tasks_that_have_answered_are_left_alone(force: bool) -> None:
    ray = Tasks()
    engine.stop(ray, range(5), force=force)
    assert ray.cancelled == [(0, force), (2, force), (4, force)]


def test_no_tasks_are_stopped() -> None:
    ray = Tasks()
    engine.stop(ray, [], force=True)
    assert ray.cancelled == []
