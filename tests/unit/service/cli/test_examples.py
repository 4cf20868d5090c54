"""Every example of every help text runs, and succeeds.

Each runs in a folder of its own, which has the files that the examples name.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic

import click
import example_files
import pytest
from held import holding_builds

import gleann
from gleann.service.cli.main import cli, run
from gleann.service.config import Config
from gleann.service.server import serve

SECONDS = 60
"""No example may take longer."""

NOT_RUN = {
    "gleann demo --out demo-report": "minutes; tests/slow runs the demo",
    "gleann demo --quick --out /tmp/quick": "as the demo",
    "gleann top --server grpc://127.0.0.1:50051": "goes on until it is interrupted",
}

BEFORE = {
    "select active words.gleann --labels labels.csv --state session.json --resume": (
        "select active words.gleann --labels labels.csv --state session.json --out"
        " batch-1.parquet"
    ),
    "select rounds items.npy --labels labels.csv --state rounds.json --resume": (
        "select rounds items.npy --labels labels.csv --state rounds.json --out"
        " round-1.parquet"
    ),
    **dict.fromkeys(
        ("keys rotate", "keys revoke", "keys list", "serve --data library --keys"),
        "keys add app --right read --index '*' --keys keys.json",
    ),
    "index columns docs --add": "index columns docs --drop licence --data library",
}
"""What an example goes on from, by how it begins."""


def commands() -> Iterator[click.Command]:
    """All commands and groups."""
    context, waiting = click.Context(cli), [cli]
    while waiting:
        command = waiting.pop()
        yield command
        if isinstance(command, click.Group):
            names = command.list_commands(context)
            waiting += [command.get_command(context, name) for name in names]


def examples() -> list[str]:
    """The lines of all epilogues, each once."""
    found = {}
    for command in commands():
        text = (command.epilog or "").partition("Examples:\n")[2].partition("\n\n")[0]
        for line in text.splitlines():
            found[line.strip()] = None
    return list(found)


EXAMPLES = examples()


def is_on_a_cluster(example: str) -> bool:
    """Whether it needs Ray: those are run in tests/cluster."""
    return example.startswith("gleann cluster ") or " --cluster " in example


HERE = [one for one in EXAMPLES if one not in NOT_RUN and not is_on_a_cluster(one)]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("examples")
    return folder, example_files.write(folder)


@pytest.fixture
def folder(world, example, tmp_path, monkeypatch) -> Path:
    named = example + "".join(before_of(example))
    if "grpc://" in example or "gleann.toml" in example:
        named += "library"
    example_files.copy(world[0], tmp_path, named)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def before_of(example: str) -> list[str]:
    """The commands that an example goes on from."""
    return [
        before
        for start, before in BEFORE.items()
        if example.startswith(f"gleann {start}")
    ]


def words_of(example: str) -> list[str]:
    return shlex.split(example)[1:]


@contextmanager
def server_for(example: str, folder: Path, monkeypatch) -> Iterator[tuple[str, str]]:
    """The address of a server if the example names one, and an operation for it."""
    if "grpc://" not in example:
        yield "", ""
        return
    roots = (folder,)
    config = Config(
        data_dir=folder / "library",
        listen="127.0.0.1:0",
        import_roots=roots,
        export_roots=roots,
    )
    with serve(config) as server:
        if "restore" in example:
            with gleann.Client(server.target) as client:
                client.delete_index("docs")
        if "jobs wait" in example:  # a failed one fails the command as well
            with gleann.Client(server.target) as client:
                yield server.target, client.build("docs").name
            return
        if not re.search("jobs (pause|resume|cancel)", example):
            yield server.target, ""
            return
        with holding_builds(monkeypatch), gleann.Client(server.target) as client:
            operation = client.build("docs")
            if "jobs resume" in example:
                client.jobs.pause(operation.name)
            yield server.target, operation.name


def is_for_a_shell(example: str) -> bool:
    words = shlex.split(example)
    return (
        words[0] != "gleann" or words[1] == "serve" or {">", "&&"} & set(words) != set()
    )


@pytest.mark.parametrize("example", [one for one in HERE if not is_for_a_shell(one)])
def test_an_example_succeeds(example, folder, world, monkeypatch, capsys):
    began = monotonic()
    for before in before_of(example):
        assert run(shlex.split(before)) == 0, capsys.readouterr().err
    with server_for(example, folder, monkeypatch) as (server, operation):
        names = world[1] | ({example_files.OPERATION: operation} if operation else {})
        words = words_of(example_files.at_home(example, names, folder, server))
        example_files.answers_of(words, folder)
        example_files.remove_outputs(words, folder)
        code = run(words)
    assert code == 0, capsys.readouterr().err
    assert monotonic() - began < SECONDS
    for flag, value in pairwise(words):
        if flag in ("--out", "--report"):
            assert (folder / value).exists()


def shell(folder: Path, command: str) -> "subprocess.Popen[str]":
    """Start a command line, in which gleann is this one."""
    script = folder / "bin" / "gleann"
    script.parent.mkdir()
    main = "from gleann.service.cli.main import main; main()"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{main}" "$@"\n')
    script.chmod(0o755)
    (folder / ".config" / "fish" / "completions").mkdir(parents=True)
    environment = {
        **os.environ,
        "HOME": str(folder),
        "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}",
        "GLEANN_LISTEN": "127.0.0.1:0",
    }
    return subprocess.Popen(
        ["/bin/bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("example", [one for one in HERE if is_for_a_shell(one)])
def test_an_example_for_a_shell_succeeds(example, folder, world, monkeypatch, capsys):
    for before in before_of(example):
        assert run(shlex.split(before)) == 0, capsys.readouterr().err
    serves = "gleann serve" in example and "--print-config" not in example
    with server_for(example, folder, monkeypatch) as (server, _):
        command = example_files.at_home(example, world[1], folder, server)
        if serves:
            command = re.sub(r"(^|\s)gleann serve", r"\1exec gleann serve", command)
        process = shell(folder, command)
        late = threading.Timer(SECONDS, process.kill)
        late.start()
        try:
            if serves:
                lines = iter(process.stdout.readline, "")
                said = [next(lines)]
                while "listening on" not in said[-1]:
                    said.append(next(lines, "ended"))
                    assert said[-1] != "ended", said
                process.send_signal(signal.SIGTERM)
            text, _ = process.communicate()
        finally:
            late.cancel()
    assert process.returncode == 0, text


def test_the_examples_are_of_all_commands():
    named = {
        example.split()[1] for example in EXAMPLES if example.startswith("gleann ")
    }
    assert named >= set(cli.list_commands(click.Context(cli))) - {"completion"}
    assert set(NOT_RUN) <= set(EXAMPLES)
    assert len(EXAMPLES) > 100
