"""Pages that are written by hand: their sessions and commands are those of gleann."""

import doctest
import re
import shlex

import click
import pytest

from docs.make.contents import OWN, ROOT
from gleann.service.cli.main import cli

PAGES = sorted(path for path in OWN if (ROOT / path).exists())
_FENCES = re.compile(r"^```(?:sh|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_sessions_print_what_they_show(page):
    text = (ROOT / page).read_text("utf-8")
    example = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    output = []
    failed = doctest.DocTestRunner().run(example, out=output.append).failed
    assert failed == 0, "".join(output)


def test_most_pages_have_a_session():
    with_sessions = [page for page in PAGES if ">>> " in (ROOT / page).read_text()]
    assert len(with_sessions) >= 6


def commands(text):
    """Commands of gleann in the fences of a page, as words."""
    for fence in _FENCES.findall(text):
        for line in fence.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["gleann"]:
                yield words[1:]


def require_known(words):
    """Fail where a command or one of its options is not there."""
    command = cli
    context = click.Context(cli, info_name="gleann")
    while isinstance(command, click.Group) and words:
        command, words = command.get_command(context, words[0]), words[1:]
        assert command is not None
        context = click.Context(command, parent=context)
    known = {name for option in command.params for name in option.opts}
    given = {word.split("=")[0] for word in words if word.startswith("--")}
    assert given <= known | {"--help"}


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page):
    for words in commands((ROOT / page).read_text("utf-8")):
        require_known(words)


def test_a_wrong_option_is_found_out():
    assert list(commands("```text\ngleann build a b --no-such 3\n```\n"))
    with pytest.raises(AssertionError):
        require_known(["build", "a", "b", "--no-such", "3"])
