"""What a command prints with --dry-run: the plan of work."""

from dataclasses import asdict
from typing import Any

from gleann.service.cli.say import result, say
from gleann.service.client.operation import Operation
from gleann.service.values import Plan


def show_plan(planned: Operation[Any]) -> None:
    """Print the plan of a request that was only checked."""
    plan = planned.plan
    assert plan is not None, "the answer to a request that was only checked has one"
    for line in plan_lines(plan):
        say(line)
    result(**asdict(plan))


def plan_lines(plan: Plan) -> list[str]:
    """What work would do and take, in lines."""
    seconds = "unknown" if plan.seconds is None else f"{plan.seconds:,.1f} s"
    return [
        *plan.steps,
        f"rows: {plan.rows:,}",
        f"time: about {seconds}, without the queue",
        f"memory: at most about {plan.memory_bytes:,} bytes more",
        f"disk: at most about {plan.disk_bytes:,} bytes more while it runs,"
        f" {plan.disk_bytes_after:+,} bytes afterwards",
    ]
