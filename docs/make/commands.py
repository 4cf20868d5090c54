"""Pages of the command line, one a command of `gleann`, from click itself."""

import re
from collections.abc import Iterator

import click

from gleann.service.cli.exit_codes import MEANINGS
from gleann.service.cli.main import cli

_INDENT = re.compile(r"^[ \b]+", re.MULTILINE)


def command_pages() -> dict[str, str]:
    """The text of each page, by its file name."""
    context = click.Context(cli, info_name="gleann")
    commands = {name: cli.get_command(context, name) for name in names()}
    pages = {
        f"{name}.md": "\n\n".join(_described(command, context, name, level=1)) + "\n"
        for name, command in commands.items()
        if command is not None
    }
    return {"overview.md": _overview(commands)} | pages


def names() -> list[str]:
    """The commands of `gleann`, in the order of `--help`."""
    return cli.list_commands(click.Context(cli))


def _overview(commands: dict[str, click.Command | None]) -> str:
    rows = [
        f"| [`gleann {name}`]({name}.md) | {command.get_short_help_str(limit=200)} |"
        for name, command in commands.items()
        if command is not None
    ]
    lines = [
        "# Command line",
        "",
        "Every command has `--help`, which says what is here, with examples.",
        "",
        "| command | |",
        "|---|---|",
        *rows,
        "",
        "| exit code | |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()),
    ]
    return "\n".join(lines) + "\n"


def _described(
    command: click.Command, parent: click.Context, name: str, *, level: int
) -> Iterator[str]:
    """A command and, where it is a group, the commands in it."""
    context = click.Context(command, info_name=name, parent=parent)
    yield f"{'#' * level} {context.command_path}"
    yield _text(command.help)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {usage}\n```"
    if rows := list(_options(command, context)):
        yield "\n".join(["| option | |", "|---|---|", *rows])
    if command.epilog:
        yield f"```sh\n{_commands(command.epilog)}\n```"
    if isinstance(command, click.Group):
        for inner_name in command.list_commands(context):
            inner = command.get_command(context, inner_name)
            assert inner is not None
            yield from _described(inner, context, inner_name, level=level + 1)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and not getattr(parameter, "hidden", False):
            spelling, about = (_cell(part) for part in record)
            yield f"| `{spelling}` | {about} |"


def _text(text: str | None) -> str:
    """A docstring as Markdown: paragraphs that click must not wrap are kept in lines.

    click marks these with a backspace character.
    """
    paragraphs = (text or "").strip().split("\n\n")
    return "\n\n".join(
        f"```text\n{_INDENT.sub('', paragraph)}\n```"
        if "\b" in paragraph
        else " ".join(paragraph.split())
        for paragraph in paragraphs
    )


def _commands(epilog: str) -> str:
    lines = (line.replace("\b", "").strip() for line in epilog.splitlines())
    return "\n".join(line for line in lines if line and line != "Examples:")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
