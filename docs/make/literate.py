"""Scripts that are pages: cells of text, of Python and of shell commands, in one file.

A script is in the percent format that editors and Jupytext read. Its docstring has the
title of the page in the first line; a line `Task: ...` names a row of the README's
table, and `Needs: module, ...` modules that gleann does not install. `# %%` begins a
cell of Python, `# %% [markdown]` one of text and `# %% [sh]` one of `gleann` commands,
both as comments. So a page and the script that its reader runs cannot differ, and what
a cell printed when the page was made stands below it.
"""

import ast
import io
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from gleann.service.cli.main import run as run_command

Kind = Literal["text", "code", "shell"]

_MARK = re.compile(r"^# %%(?: \[(markdown|sh)\])?\s*$")
_KINDS: dict[str | None, Kind] = {None: "code", "markdown": "text", "sh": "shell"}
_FIELD = re.compile(r"^(Task|Needs): (.+)$", re.MULTILINE)
_EXIT = re.compile(r"# exit code (\d+)")


class ScriptError(Exception):
    """A script that is no page, or a cell that failed: the file and the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A part of a script.

    Attributes:
        kind: what it holds.
        source: its lines, without the marks of comments where they are text or shell.
        line: of the file, from 1, that the source begins at.
    """

    kind: Kind
    source: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A page as a script.

    Attributes:
        path: of the file.
        title: of the page.
        introduction: the rest of its docstring.
        task: the row of the README's table; "" for none.
        needs: modules that must be there for it to run.
        cells: in their order.
    """

    path: Path
    title: str
    introduction: str
    task: str
    needs: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def missing(self) -> list[str]:
        """Modules that it needs and that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


def read_script(path: Path) -> Script:
    """Read a script.

    Raises:
        ScriptError: it has no docstring, or none of the cells is Python.
    """
    text = path.read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(text)) or ""
    if not docstring:
        raise ScriptError(f"{path}: no docstring, and so no title")
    title, _, introduction = docstring.partition("\n")
    fields = dict(_FIELD.findall(introduction))
    cells = tuple(_cells(text))
    if not any(cell.kind == "code" for cell in cells):
        raise ScriptError(f"{path}: no cell of Python among {len(cells)} cells")
    return Script(
        path=path,
        title=title.strip(),
        introduction=_FIELD.sub("", introduction).strip(),
        task=fields.get("Task", ""),
        needs=tuple(re.findall(r"\w+", fields.get("Needs", ""))),
        cells=cells,
    )


def _cells(text: str) -> Iterator[Cell]:
    """The cells behind the docstring."""
    lines = text.splitlines()
    marks = [(number, _MARK.match(line)) for number, line in enumerate(lines)]
    begins = [(number, mark[1]) for number, mark in marks if mark]
    ends = [number for number, _ in begins[1:]] + [len(lines)]
    for (begin, word), end in zip(begins, ends, strict=True):
        kind = _KINDS[word]
        body = lines[begin + 1 : end]
        if kind != "code":
            body = [line.removeprefix("#").removeprefix(" ") for line in body]
        source = "\n".join(body).strip("\n")
        if source:
            blank = next(number for number, line in enumerate(body) if line)
            yield Cell(kind=kind, source=source, line=begin + 2 + blank)


def run_script(script: Script, folder: Path) -> list[str]:
    """Run all cells in `folder`; what each printed, "" for text.

    Raises:
        ScriptError: a command ended with another exit code than it is said to.
        Exception: what a cell of Python raised.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    with chdir(folder):
        for cell in script.cells:
            out = io.StringIO()
            with redirect_stdout(out), redirect_stderr(out):
                if cell.kind == "code":
                    _run_code(cell, script.path, names)
                elif cell.kind == "shell":
                    _run_shell(cell, script.path, out)
            printed.append(out.getvalue().rstrip())
    return printed


def _run_code(cell: Cell, path: Path, names: dict[str, Any]) -> None:
    source = "\n" * (cell.line - 1) + cell.source
    exec(compile(source, str(path), "exec"), names)


def _run_shell(cell: Cell, path: Path, out: io.StringIO) -> None:
    for command in cell.source.replace("\\\n", " ").splitlines():
        words = shlex.split(command, comments=True)
        if not words:
            continue
        if words[0] != "gleann":
            raise ScriptError(f"{path}: {command!r} does not begin with gleann")
        expected = _EXIT.search(command)
        code = run_command(words[1:])
        if code != int(expected[1] if expected else 0):
            raise ScriptError(
                f"{path}: {command!r} ended with exit code {code}: {out.getvalue()}"
            )


def page_of(script: Script, printed: list[str] | None) -> str:
    """The page in Markdown.

    Args:
        script: of the page.
        printed: by each cell; None where the script was not run.
    """
    parts = [f"# {script.title}", script.introduction]
    if printed is None:
        missing = ", ".join(f"`{name}`" for name in script.missing)
        parts.append(
            f'!!! note "Not run for this page"\n\n    {missing} was not installed where'
            " this page was made, so it shows no output."
        )
    for number, cell in enumerate(script.cells):
        parts.append(_shown(cell))
        if printed is not None and printed[number]:
            parts.append(_fenced("text", printed[number]))
    parts.append(
        f"The whole script: `docs/{script.path.parent.name}/{script.path.name}`."
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(cell: Cell) -> str:
    if cell.kind == "text":
        return cell.source
    return _fenced("python" if cell.kind == "code" else "sh", cell.source)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"
