"""What pages list: the tutorials by task, pages by title, and the stopwatch.

A page holds a list between two comments, as tables of results are held, so that it is
whole where it is read without the site; a test compares.

    <!-- made: tutorials -->
    <!-- end of made -->
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence

from docs.make.contents import ROOT
from docs.make.literate import Script
from docs.stopwatch.tasks import HERE, SCRIPTS, TASKS, Task, lines_of

_BLOCK = re.compile(
    r"(<!-- made: (?P<name>\w+) -->\n).*?(<!-- end of made -->)", re.DOTALL
)
_ROW = re.compile(r"^\| (.+?) \| .+ \|$", re.MULTILINE)


def renewed(text: str, scripts: dict[str, list[Script]]) -> str:
    """A page with its lists as they are now.

    Args:
        text: of the page.
        scripts: that are pages, by folder.

    Raises:
        KeyError: a list that nothing makes.
    """
    lists: dict[str, Callable[[], str]] = {
        "tutorials": lambda: tutorials_table(scripts["tutorials"]),
        "adapters": lambda: titles_list(scripts["adapters"]),
        "migrations": lambda: titles_list(scripts["migration"]),
        "stopwatch": stopwatch_table,
        "scripts": stopwatch_scripts,
    }

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}\n{lists[found['name']]()}\n\n{found[3]}"

    return _BLOCK.sub(block, text)


def readme_tasks() -> list[str]:
    """The tasks of the README's table, in its order."""
    text = (ROOT / "README.md").read_text("utf-8")
    table = text.split("## What it is for")[1].split("```")[0]
    return [task for task in _ROW.findall(table) if task != "you want to"]


def tutorials_table(scripts: Iterable[Script]) -> str:
    """Tasks and the pages that do them."""
    rows = [
        f"| {script.task} | [{script.title}]({script.path.name}) |"
        for script in scripts
    ]
    return "\n".join(["| you want to | page |", "|---|---|", *rows])


def titles_list(scripts: Iterable[Script]) -> str:
    """The titles of pages, such as the libraries that one comes from."""
    return "\n".join(f"- [{script.title}]({script.path.name})" for script in scripts)


def stopwatch_table() -> str:
    """Lines and seconds of every task, ours beside those of a peer."""
    measured = json.loads((HERE / "measured.json").read_text("utf-8"))
    seconds = {name: one["seconds"] for name, one in measured["scripts"].items()}
    rows = [_row(task, seconds) for task in TASKS]
    about = (
        f"{measured['rows']:,} rows of 64 dimensions, {measured['cores']} cores, load"
        f" {measured['load_before']:.1f} at the start. Lines are statements of Python"
        " or commands."
    )
    head = [
        "| task | gleann, lines | s | peer | its lines | s | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([about, "", *head, *rows])


def _row(task: Task, seconds: dict[str, float]) -> str:
    def cells(script: str) -> list[str]:
        if not script:
            return ["", ""]
        took = f"{seconds[script]:.1f}" if script in seconds else ""
        return [str(lines_of(script)), took]

    parts: Sequence[str] = [
        task.name,
        *cells(task.ours),
        task.peer,
        *cells(task.theirs),
        task.note,
    ]
    return f"| {' | '.join(parts)} |"


def stopwatch_scripts() -> str:
    """The scripts of every task."""
    parts = []
    for task in TASKS:
        if task.ours or task.theirs:
            parts.append(f"### {task.name[0].upper()}{task.name[1:]}")
        for name, script in (("gleann", task.ours), (task.peer, task.theirs)):
            if script:
                language = "sh" if script.endswith(".sh") else "python"
                text = (SCRIPTS / script).read_text("utf-8").strip()
                parts += [f"With {name}:", f"```{language}\n{text}\n```"]
    return "\n\n".join(parts)
