"""What a command prints: lines for a reader or, with --json, one JSON object."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

Callback = TypeVar("Callback", bound=Callable[..., None])

_WANTED, _RESULT = "gleann.json.wanted", "gleann.json.result"
_PRINTED = "gleann.json.printed"


def json_option(function: Callback) -> Callback:
    """The option --json."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_want,
        help="Print the result as one JSON object, for programs.",
    )(function)


def is_json_wanted() -> bool:
    """Whether the command was given --json."""
    return bool(_meta().get(_WANTED))


def say(line: str) -> None:
    """Print a line to stdout, unless JSON is wanted."""
    if not is_json_wanted():
        click.echo(line)


def warn(line: str) -> None:
    """Print to stderr, with --json too, what a reader should know beside the result."""
    click.echo(f"gleann: warning: {line}", err=True)


def result(**values: object) -> None:
    """Add to the JSON object; what has no JSON form is written as text."""
    _meta().setdefault(_RESULT, {}).update(values)


def add_to(name: str, values: Iterable[object]) -> None:
    """Add to a list in the JSON object."""
    _meta().setdefault(_RESULT, {}).setdefault(name, []).extend(values)


def echo_json(context: click.Context) -> None:
    """Print the JSON object if it is wanted: once, at the latest at the end."""
    if context.meta.get(_WANTED) and not context.meta.get(_PRINTED):
        context.meta[_PRINTED] = True
        found: Mapping[str, object] = context.meta.get(_RESULT, {})
        click.echo(json.dumps(found, default=str, ensure_ascii=False))


def _want(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    context.meta[_WANTED] = wanted


def _meta() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    return {} if context is None else context.meta
