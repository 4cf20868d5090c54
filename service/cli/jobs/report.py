"""What the commands print of an operation."""

import shlex
from typing import Any

from gleann.service.cli.place import Place
from gleann.service.client.operation import Operation
from gleann.service.logs.formats import one_line

_SECONDS = (("d", 86_400), ("h", 3600), ("min", 60))


def job_values(operation: Operation[Any], place: Place) -> dict[str, Any]:
    """An operation in JSON values."""
    return {
        "name": operation.name,
        "kind": operation.kind,
        "index": operation.index,
        "state": operation.state,
        "owner": operation.owner,
        "attempts": operation.attempts,
        "phase": operation.phase,
        "done": operation.done_units,
        "total": operation.total,
        "rate": operation.rate,
        "eta_seconds": operation.eta_seconds,
        "created_at": operation.created_at,
        "started_at": operation.started_at,
        "ended_at": operation.ended_at,
        "expires_at": operation.expires_at,
        "message": operation.message,
        "error": None if operation.error is None else str(operation.error),
        "command": command_of(operation, place),
    }


def job_line(operation: Operation[Any]) -> str:
    """An operation in one line."""
    what = f"{operation.kind} {operation.index}".rstrip()
    line = f"{operation.name}: {what}, {operation.state or 'unknown'}"
    if operation.owner:
        line += f", of {operation.owner}"
    if operation.state == "running":
        return f"{line}, {_progress(operation)}"
    # Others may have chosen the words, such as the name of a file.
    error = operation.error
    return line if error is None else f"{line}: {one_line(str(error))}"


def job_lines(operation: Operation[Any], place: Place) -> list[str]:
    """An operation in several lines."""
    lines = [job_line(operation)]
    lines.append(f"asked for: {operation.created_at:%Y-%m-%d %H:%M:%S} UTC")
    for label, moment in (
        ("begun", operation.started_at),
        ("ended", operation.ended_at),
        ("kept until", operation.expires_at),
    ):
        if moment is not None:
            lines.append(f"{label}: {moment:%Y-%m-%d %H:%M:%S} UTC")
    lines.append(f"attempts: {operation.attempts}")
    if operation.message:
        lines.append(f"last line of its log: {one_line(operation.message)}")
    if again := command_of(operation, place):
        lines.append(f"to ask for it again: {again}")
    return lines


def command_of(operation: Operation[Any], place: Place) -> str:
    """The command that asks for the same again at this place; "" if none can."""
    if not operation.command:
        return ""
    name = "--data" if place.server is None else "--server"
    at = place.data if place.server is None else place.server
    return f"{operation.command} {shlex.join([name, str(at)])}"


def _progress(operation: Operation[Any]) -> str:
    """Phase, units, rate and time left of work that runs."""
    text = operation.phase
    if operation.total:
        text += f" {operation.done_units:,} of {operation.total:,}"
        text += f" ({operation.done_units / operation.total:.0%})"
    if operation.rate:
        text += f", {operation.rate:,.1f}/s"
    if operation.eta_seconds is not None:
        text += f", {shown_seconds(operation.eta_seconds)} left"
    return text


def shown_seconds(seconds: float) -> str:
    """A duration as people read it, such as "3.2 s" or "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    left, parts = round(seconds), []
    for name, size in _SECONDS:
        if left >= size:
            parts.append(f"{left // size} {name}")
            left %= size
    return " ".join(parts[:2])
