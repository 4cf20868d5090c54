"""When an index is compacted, as options declare it."""

from collections.abc import Iterable
from dataclasses import fields

import click

from gleann.index.errors import InvalidParamsError
from gleann.service.optimizer_params import OptimizerParams

SWITCH = {"on": True, "off": False}
NAMES = tuple(
    field.name for field in fields(OptimizerParams) if field.name != "enabled"
)

OPTION = click.option(
    "--optimizer",
    multiple=True,
    metavar="on|off|NAME=VALUE",
    help="When the index is compacted by itself: on, off, or a parameter such as"
    " pending_share=0.1; repeat for more. Names: " + ", ".join(NAMES) + ".",
)


def declared_optimizer(texts: Iterable[str]) -> OptimizerParams | None:
    """Parameters from texts such as "off" and "pending_share=0.1"; None for no text.

    Raises:
        InvalidParamsError: a text of another form, a parameter twice or out of range.
    """
    values: dict[str, float | bool] = {}
    for text in texts:
        name, value = _declared(text)
        if name in values:
            raise InvalidParamsError(
                f"--optimizer sets {name} twice, again by {text!r}"
            )
        values[name] = value
    return OptimizerParams(**values) if values else None  # type: ignore[arg-type]


def _declared(text: str) -> tuple[str, float | bool]:
    if text in SWITCH:
        return "enabled", SWITCH[text]
    name, _, value = text.partition("=")
    if name not in NAMES:
        raise InvalidParamsError(
            f"--optimizer is on, off or NAME=VALUE, with a name of {', '.join(NAMES)};"
            f" got {text!r}"
        )
    try:
        return name, int(value) if name == "min_rows" else float(value)
    except ValueError as error:
        raise InvalidParamsError(
            f"{name} must be a number, got {value!r:.80}"
        ) from error


def shown_params(params: OptimizerParams) -> str:
    """Parameters as options declare them."""
    switch = "on" if params.enabled else "off"
    given = ((name, getattr(params, name)) for name in NAMES)
    return ", ".join(
        [switch, *(f"{name}={value:g}" for name, value in given if value is not None)]
    )
