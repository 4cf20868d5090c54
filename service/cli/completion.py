"""`gleann completion`: the script with which a shell completes gleann's commands."""

import os
from pathlib import PurePath

import click
from click.shell_completion import get_completion_class

from gleann.service.cli import options
from gleann.service.cli.say import json_option, result, say

VARIABLE = "_GLEANN_COMPLETE"
"""Set by the script: the process then prints completions and does nothing else."""
SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    short_help="Print the completion script of a shell.",
    epilog=options.examples(
        'eval "$(gleann completion bash)"',
        "gleann completion zsh > ~/.gleann-complete.zsh",
        "gleann completion fish > ~/.config/fish/completions/gleann.fish",
    ),
)
@json_option
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print the script that completes commands and options in SHELL.

    Without SHELL, that of the variable SHELL. Add the line of the first example to
    ~/.bashrc; for zsh, source the file in ~/.zshrc.
    """
    context = click.get_current_context()
    chosen = shell or PurePath(os.environ.get("SHELL", "bash")).name
    kind = get_completion_class(chosen)
    if chosen not in SHELLS or kind is None:
        raise click.UsageError(
            f"SHELL is {chosen!r}: name one of {', '.join(SHELLS)}",
            context,
        )
    whole = context.find_root().command
    script = kind(whole, {}, "gleann", VARIABLE).source()
    say(script)
    result(shell=chosen, script=script)
