"""Scripts as pages: cells are read, run and shown as they are written."""

from pathlib import Path

import pytest

from docs.make.literate import ScriptError, page_of, read_script, run_script

SCRIPT = '''"""The title

What it is about.

Task: do a thing
Needs: numpy, no_such_module
"""

# %%
x = 2
print("two is", x)

# %% [markdown]
# Some *text*
# in two lines.
#
#     indented

# %%
print(x + 1)
'''


@pytest.fixture
def script(tmp_path):
    def read(text):
        path = tmp_path / "pages" / "script.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return read_script(path)

    return read


def test_fields_and_cells(script):
    read = script(SCRIPT)
    assert (read.title, read.introduction) == ("The title", "What it is about.")
    assert read.task == "do a thing"
    assert read.needs == ("numpy", "no_such_module")
    assert read.missing == ["no_such_module"]
    assert [(cell.kind, cell.line) for cell in read.cells] == [
        ("code", 10),
        ("text", 14),
        ("code", 20),
    ]
    assert read.cells[1].source == "Some *text*\nin two lines.\n\n    indented"


def test_a_page_has_code_text_and_what_was_printed(script, tmp_path):
    read = script(SCRIPT)
    printed = run_script(read, tmp_path)
    assert printed == ["two is 2", "", "3"]
    page = page_of(read, printed)
    assert page.startswith("# The title\n\nWhat it is about.\n\n```python\nx = 2\n")
    assert "```text\ntwo is 2\n```\n\nSome *text*" in page
    assert "Task:" not in page


def test_a_page_that_was_not_run_says_what_was_missing(script):
    page = page_of(script(SCRIPT), None)
    assert "Not run for this page" in page
    assert "`no_such_module` was not installed" in page
    assert "two is 2" not in page


def test_an_error_names_the_line_of_the_file(script, tmp_path):
    read = script('"""T."""\n\n# %%\nx = 1\n\n# %%\n\nprint(1 / 0)\n')
    with pytest.raises(ZeroDivisionError) as failed:
        run_script(read, tmp_path)
    assert failed.traceback[-1].lineno + 1 == 8
    assert Path(failed.traceback[-1].path) == read.path


def test_commands_run_in_the_folder(script, tmp_path):
    text = (
        '"""T."""\n\n# %%\nimport numpy as np\nnp.save("v.npy", np.eye(8))\n\n'
        "# %% [sh]\n# gleann select random v.npy --k 3 \\\n#     --out picks.csv\n"
    )
    read = script(text)
    folder = tmp_path / "work"
    folder.mkdir()
    printed = run_script(read, folder)
    assert (folder / "picks.csv").exists()
    assert "3" in printed[1]
    assert "```sh\ngleann select random v.npy --k 3 \\\n" in page_of(read, printed)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("gleann search nothing.gleann q.npy --out f.csv", "ended with exit code 1"),
        ("gleann --version # exit code 3", "ended with exit code 0"),
        ("rm -r folder", "does not begin with gleann"),
    ],
)
def test_a_command_that_ends_otherwise_is_an_error(script, tmp_path, command, why):
    read = script(f'"""T."""\n\n# %%\nx = 1\n\n# %% [sh]\n# {command}\n')
    with pytest.raises(ScriptError, match=why):
        run_script(read, tmp_path)


def test_an_exit_code_can_be_expected(script, tmp_path):
    command = "gleann search nothing.gleann q.npy --out f.csv # exit code 1"
    read = script(f'"""T."""\n\n# %%\nx = 1\n\n# %% [sh]\n# {command}\n')
    assert "nothing.gleann" in run_script(read, tmp_path)[1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1\n", "no docstring"),
        ('"""T."""\n# %% [markdown]\n# a\n', "among 1 cells"),
    ],
)
def test_what_is_no_page_is_refused(script, text, why):
    with pytest.raises(ScriptError, match=why):
        script(text)
