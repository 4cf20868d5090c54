"""Scripts of the documentation run as they stand, and there is one for every task."""

import ast
import sys

import pytest

from docs.make.listings import readme_tasks
from docs.make.literate import run_script
from docs.make.site import read_scripts
from docs.stopwatch.tasks import SCRIPTS as STOPWATCH

SCRIPTS = read_scripts()


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [script for folder in SCRIPTS.values() for script in folder],
    ids=lambda script: f"{script.path.parent.name}/{script.path.stem}",
)
def test_a_script_runs(script, tmp_path):
    if script.missing:
        pytest.skip(f"needs {', '.join(script.missing)}, not in the extra test")
    printed = run_script(script, tmp_path)
    assert any(printed)


@pytest.mark.parametrize(
    "path",
    [
        *(script.path for folder in SCRIPTS.values() for script in folder),
        *STOPWATCH.glob("*.py"),
    ],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_a_script_does_not_hide_a_module_from_those_beside_it(path):
    """`python docs/migration/faiss.py` would import itself for `import faiss`."""
    assert path.stem not in sys.stdlib_module_names
    beside = [ast.parse(other.read_text("utf-8")) for other in path.parent.glob("*.py")]
    nodes = [node for tree in beside for node in ast.walk(tree)]
    names = [
        one.name for node in nodes if isinstance(node, ast.Import) for one in node.names
    ]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    assert "numpy" in names
    assert path.stem not in {name.partition(".")[0] for name in names}


def test_every_task_of_the_readme_has_a_tutorial():
    tasks = readme_tasks()
    assert len(tasks) >= 16
    assert [script.task for script in SCRIPTS["tutorials"]] == tasks


def test_only_migrations_need_what_gleann_does_not_install():
    assert not any(script.needs for script in SCRIPTS["tutorials"])
