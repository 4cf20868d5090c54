"""Every block of commands of a page runs: here, or by a test that is named.

What a page shows for the shell and nobody runs, goes stale unnoticed.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import example_files
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import gleann
from docs.make.contents import OWN, ROOT
from gleann.service.cli.main import run
from gleann.service.config import Config
from gleann.service.server import Server, serve
from tests.docs.test_pages import require_known

PAGES = sorted({"README.md", *(page for page in OWN if (ROOT / page).exists())})
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {"gleann", "make", "pip", "python", "python3.11", "cp", "unzip", "openssl"}
"""What a block begins with that is for the shell."""

ELSEWHERE = {
    ("README.md", "python -c"): ("tests/session/test_production.py", "README"),
    ("README.md", "gleann serve --data library --listen unix"): (
        "tests/service/client/test_readme_socket_file.py",
        "README",
    ),
    ("README.md", "gleann keys add app --right read"): (
        "tests/service/security/test_readme.py",
        "README",
    ),
    ("README.md", "gleann jobs list"): (
        "tests/unit/service/cli/test_examples.py",
        "jobs (pause|resume|cancel)",
    ),
    ("README.md", "gleann status"): (
        "tests/unit/service/cli/test_examples.py",
        "gleann top",
    ),
    ("README.md", "gleann serve --data ./gleann-data --import"): (
        "tests/session/test_first_hour.py",
        '"serve", "--data"',
    ),
    ("README.md", "gleann cluster build"): ("tests/cluster/test_pages.py", "README"),
    ("docs/howto/cluster.md", "gleann cluster build"): (
        "tests/cluster/test_pages.py",
        "docs/howto/cluster.md",
    ),
    ("docs/first_steps.md", "gleann serve"): (
        "tests/session/test_first_hour.py",
        '"serve", "--data"',
    ),
    ("docs/first_steps.md", "pip install"): (
        "tests/packaging/test_wheels.py",
        'output_of_gleann("doctor")',
    ),
    ("docs/howto/production.md", "gleann serve"): (
        "tests/session/test_production.py",
        "gleann.toml",
    ),
    ("docs/howto/other_languages.md", "openssl"): (
        "tests/session/test_other_languages.py",
        "docs/howto/other_languages.md",
    ),
    ("docs/howto/other_languages.md", "unzip"): (
        "tests/packaging/test_protos.py",
        "archive",
    ),
    ("docs/howto/other_languages.md", "cp -r"): (
        "tests/packaging/test_node.py",
        "docs/examples/node",
    ),
    ("docs/packaging.md", ""): ("tests/packaging/test_wheels.py", "packaging.md"),
    ("docs/stopwatch.md", ""): ("tests/docs/test_stopwatch.py", "SCRIPTS"),
    ("docs/adapters/index.md", "cp -r bench/adapters"): (
        "tests/bench/adapters/test_upstream_runner.py",
        '"--local"',
    ),
}
"""Blocks that another test runs, by page and begin: its file, and a text of it."""

NOT_RUN = {
    ("README.md", "make demo"): "`.ci/run` and tests/slow run it",
    ("README.md", "pip install '.[gpu]'"): "needs a GPU; bench/GPU.md has its runs",
    ("docs/howto/gpu.md", "pip install '.[gpu]'"): "needs a GPU",
    ("README.md", "gleann serve --cluster"): "a server does not end",
    ("docs/howto/cluster.md", "gleann serve --cluster"): "a server does not end",
    ("docs/this_site.md", "make docs"): "`.ci/run` makes the site",
}
"""Blocks that no test runs, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Commands of a page.

    Attributes:
        page: its path.
        lines: of the block, continued ones joined, without blank ones.
    """

    page: str
    lines: tuple[str, ...]

    def among(self, named: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The keys that mean this block."""
        return [
            (page, begin)
            for page, begin in named
            if page == self.page and self.lines[0].startswith(begin)
        ]


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """The blocks of a page that are for the shell."""
    for kind, body in FENCE.findall(text):
        lines = [line for line in body.replace("\\\n", " ").splitlines() if line]
        firsts = {line.split()[0] for line in lines}
        if kind == "sh" or (kind in ("", "text") and firsts & PROGRAMS):
            yield Block(page=page, lines=tuple(lines))


def all_blocks() -> list[Block]:
    return [
        block
        for page in PAGES
        for block in blocks_of(page, (ROOT / page).read_text("utf-8"))
    ]


BLOCKS = all_blocks()
HERE = [one for one in BLOCKS if not one.among(ELSEWHERE) and not one.among(NOT_RUN)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    example_files.write(folder)
    (folder / "pages.npy").hardlink_to(folder / "items.npy")
    return folder


@pytest.fixture
def folder(world: Path, block: Block, tmp_path: Path, monkeypatch) -> Path:
    names = " ".join(block.lines) + (" library" if "docs" in block.lines[0] else "")
    example_files.copy(world, tmp_path, names)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("block", HERE, ids=lambda b: f"{b.page}: {b.lines[0]:.60}")
def test_a_block_runs(block: Block, folder: Path, capsys) -> None:
    if any("grpc://" in line for line in block.lines[:1]):
        config = Config(data_dir=folder / "library", listen="127.0.0.1:0")
        with serve(config) as server:
            run_all(block, folder, capsys, server)
    else:
        run_all(block, folder, capsys, None)


def run_all(block: Block, folder: Path, capsys, server: Server | None) -> None:
    for line in block.lines:
        words = shlex.split(at_home(line, server), comments=True)
        assert words[0] == "gleann", line
        prepare(words[1:], folder)
        example_files.remove_outputs(words[1:], folder)
        assert run(words[1:]) == 0, f"{line}\n{capsys.readouterr().err}"


def at_home(line: str, server: Server | None) -> str:
    """A line with the server, the dimension and the names of a test."""
    if server is None:
        line = line.replace("--server grpc://127.0.0.1:50051", "--data library")
    else:
        line = re.sub(r"grpc://127\.0\.0\.1:50051|ADDRESS", server.target, line)
        if "curations/" in line:
            with gleann.Client(server.target) as client:
                [kept] = client.curation.list()
            line = re.sub(r"curations/\w+", kept.name, line)
    line = line.replace("--dim 384", f"--dim {example_files.DIM}")
    return line.replace("\\$", "$")  # as the shell reads it between double quotes


def prepare(words: list[str], folder: Path) -> None:
    """Write what a person or a model answers, for what the commands before chose."""
    of = np.arange(example_files.N)
    if words[:2] == ["curate", "acceptance"]:
        kept = pq.read_table(folder / "kept.parquet")["id"].to_numpy()
        _csv(folder / "checks.csv", {"id": kept, "failed": kept % 12 // 11})
        drawn = np.random.default_rng(1).choice(kept, 100, replace=False)
        _csv(folder / "mine.csv", {"id": drawn})
    elif words[:2] == ["curate", "propagate"]:
        names = np.array(["cat", "dog"])[of[:400] % 12 % 2]
        _csv(folder / "labels.csv", {"id": of[:400], "label": names})
    elif words[:2] != ["curate", "allocate"]:
        example_files.answers_of(words, folder)


def _csv(path: Path, columns: dict[str, np.ndarray]) -> None:
    path.unlink(missing_ok=True)  # it may be a link
    pacsv.write_csv(pa.table(columns), path)


def test_every_name_of_the_tables_means_a_block() -> None:
    for table in (ELSEWHERE, NOT_RUN):
        used = {key for block in BLOCKS for key in block.among(table)}
        assert used == set(table)
    assert len(HERE) >= 10


@pytest.mark.parametrize(("path", "text"), ELSEWHERE.values())
def test_the_test_that_runs_a_block_is_there(path: str, text: str) -> None:
    assert text in (ROOT / path).read_text("utf-8")


def test_commands_and_options_of_the_readme_exist() -> None:
    """Those of the other pages: `test_pages.py`."""
    found = 0
    for block in BLOCKS:
        for line in block.lines:
            text = line.rstrip("&").partition(" | ")[0].partition(" #")[0]
            if block.page == "README.md" and text.startswith("gleann "):
                require_known(shlex.split(text)[1:])
                found += 1
    assert found > 40


def test_a_block_that_nobody_runs_is_found() -> None:
    text = (
        "```\ngleann build a \\\n    b\n```\n\n```python\nx\n```\n\n```text\nx\n```\n"
    )
    [block] = blocks_of("docs/data.md", text)
    assert block.lines == ("gleann build a      b",)
    assert not block.among(ELSEWHERE)
    assert not block.among(NOT_RUN)
