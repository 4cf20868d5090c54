"""The command line as a whole: help with examples, one-line errors, exit codes."""

import json
import re
import subprocess
import sys

import click
import pytest

import gleann
from gleann.index.errors import StorageError
from gleann.service.cli import build
from gleann.service.cli.main import COMMANDS, SECTIONS, cli, run

MODULES = {entry.module for part in SECTIONS.values() for entry in part.values()}


def command_paths() -> list[str]:
    """Every command and subcommand, such as "select gist"."""
    context = click.Context(cli)
    paths = []
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        paths.append(name)
        if isinstance(command, click.Group):
            paths += [f"{name} {sub}" for sub in command.list_commands(context)]
    return paths


@pytest.mark.parametrize("path", command_paths())
def test_every_command_has_help_with_an_example(path, capsys):
    assert run([*path.split(), "--help"]) == 0
    text = capsys.readouterr().out
    examples = text.partition("Examples:")[2]
    assert f"gleann {path}" in examples


def test_every_option_says_what_it_is_for():
    context = click.Context(cli)
    for path in command_paths():
        command = cli
        for name in path.split():
            command = command.get_command(context, name)
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"gleann {path}: {option.name} has no help"


def test_examples_name_options_that_exist():
    context = click.Context(cli)
    for path in command_paths():
        command = cli
        for name in path.split():
            command = command.get_command(context, name)
        if isinstance(command, click.Group):
            continue
        known = {name for option in command.params for name in option.opts}
        for used in re.findall(r"--[a-z-]+", command.epilog or ""):
            assert used in known, f"gleann {path}: the example uses {used}"


@pytest.mark.parametrize("path", ["", "curate"])
def test_the_help_text_has_the_line_of_each_command_without_loading_it(path):
    context = click.Context(cli)
    group = cli.get_command(context, path) if path else cli
    for commands in group.sections.values():
        for name, entry in commands.items():
            command = group.get_command(context, name)
            assert command.name == name
            assert command.short_help == entry.summary


def test_the_help_text_has_sections_in_the_order_of_the_work(capsys):
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    places = [text.index(f"\n{title}:\n") for title in SECTIONS]
    assert places == sorted(places)
    named = re.findall(r"^  ([a-z-]+) {2,}\S", text[places[0] :], flags=re.M)
    assert named == list(COMMANDS)


def test_help_loads_no_command():
    words = "import sys; from gleann.service.cli.main import run; run(['--help']);"
    words += "print(*[name for name in sys.modules if name.startswith('gleann.s')],"
    words += " *({'grpc', 'pyarrow', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "gleann.service.cli.main" in loaded
    modules = {f"gleann.service.cli.{name}" for name in MODULES}
    assert loaded & modules == {"gleann.service.cli.completion"}  # of `main` itself
    assert not loaded & {"grpc", "pyarrow", "sklearn"}


def test_the_issue_commands_are_there():
    assert set(COMMANDS) >= {
        "serve", "build", "search", "select", "estimate", "demo", "doctor"
    }  # fmt: skip


def test_version(capsys):
    assert run(["--version"]) == 0
    assert gleann.__version__ in capsys.readouterr().out


def test_no_command_shows_help(capsys):
    assert run([]) == 0
    assert "search" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["search"],
        ["search", "a", "b", "--out", "c", "--k", "many"],
        ["build", "a", "b", "--nlist", "some"],
        ["build", "a", "b", "--metric", "hamming"],
        ["select", "nonsense"],
        ["--nonsense"],
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments, capsys):
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gleann: error: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["search", "i", "q.npy", "--out", "o.csv", "--target-recall", "3"],
         "--target-recall must be in (0, 1], got 3.0"),
        (["search", "i", "q.npy", "--out", "o.csv", "--k", "0"],
         "--k must be at least 1, got 0"),
        (["build", "x.npy", "o", "--threads", "-1"], "--threads"),
        (["build", "x.npy", "o", "--threads", "9" * 20], "--threads"),
    ],
)  # fmt: skip
def test_messages_name_the_option(arguments, says, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert says in error


def test_interrupt_is_one_line_and_code_130(monkeypatch, tmp_path, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(build.inputs, "read_vectors", interrupt)
    assert run(["build", "a.npy", str(tmp_path / "b")]) == 130
    assert capsys.readouterr().err == "gleann: interrupted\n"


def test_a_message_of_several_lines_becomes_one(monkeypatch, tmp_path, capsys):
    def fail(*args, **kwargs):
        raise StorageError("first\nsecond")

    monkeypatch.setattr(build.inputs, "read_vectors", fail)
    assert run(["build", "a.npy", str(tmp_path / "b")]) == 1
    assert capsys.readouterr().err == "gleann: error: first second\n"


def test_a_group_without_a_command_prints_its_help(capsys):
    assert run(["select"]) == 0
    assert "weighted-k-center" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["select", "random", "PATH", "--k", "1", "--out", "o.csv"],
        ["estimate", "--proxy", "PATH", "--oracle-csv", "a", "--budget", "1",
         "--out", "o.json"],
        ["estimate", "--proxy", "p.npy", "--oracle-csv", "PATH", "--budget", "1",
         "--out", "o.json"],
        ["doctor", "--data", "PATH"],
        ["serve", "--data", "PATH"],
    ],
)  # fmt: skip
def test_a_path_that_no_file_can_have_is_refused(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, says in (("n" * 300, "File name too long"), ("a\0b", "has a NUL")):
        assert run([path if word == "PATH" else word for word in words]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
        assert len(error) < 300


def test_json_of_the_completion_script(capsys):
    assert run(["completion", "zsh", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shell"] == "zsh"
    assert "compdef" in found["script"]


def test_what_no_memory_can_hold_is_one_line(monkeypatch, capsys):
    def full(*_, **__):
        raise MemoryError("Unable to allocate 218. TiB")

    monkeypatch.setattr(build.inputs, "read_vectors", full)
    assert run(["build", "x.npy", "o"]) == 1
    error = capsys.readouterr().err
    assert error == "gleann: error: not enough memory: Unable to allocate 218. TiB\n"
