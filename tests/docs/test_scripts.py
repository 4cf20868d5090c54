"""Scripts of the documentation run as they stand, and there is one for every task."""

import pytest

from docs.make.listings import readme_tasks
from docs.make.literate import run_script
from docs.make.site import read_scripts

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


def test_every_task_of_the_readme_has_a_tutorial():
    tasks = readme_tasks()
    assert len(tasks) >= 16
    assert [script.task for script in SCRIPTS["tutorials"]] == tasks


def test_only_migrations_need_what_gleann_does_not_install():
    assert not any(script.needs for script in SCRIPTS["tutorials"])
