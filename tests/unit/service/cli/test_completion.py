"""Shell completion, and suggestions for mistyped commands."""

import shutil
import subprocess
import sys

import pytest

from gleann.service.cli import main
from gleann.service.cli.main import COMMANDS, run

BASH = shutil.which("bash")


def completed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
) -> set[str]:
    """What the process prints for the shell when `words` are typed, then Tab."""
    monkeypatch.setenv("_GLEANN_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"gleann {words}")
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ") + 1))
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    return {line.partition(",")[2] for line in lines}


@pytest.mark.parametrize(
    ("words", "there"),
    [
        ("", set(COMMANDS)),
        ("sel", {"select"}),
        ("select ", {"active", "random", "gist", "weighted-k-center"}),
        ("build --met", {"--metric"}),
        ("build --metric ", {"cosine", "ip", "l2"}),
        ("completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_tab(monkeypatch, capsys, words: str, there: set[str]) -> None:
    assert completed(monkeypatch, capsys, words) >= there


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(capsys, shell: str) -> None:
    assert run(["completion", shell]) == 0
    assert "_GLEANN_COMPLETE" in capsys.readouterr().out


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_bash_takes_the_script(capsys) -> None:
    assert run(["completion", "bash"]) == 0
    script = capsys.readouterr().out + "\ncomplete -p gleann\n"
    done = subprocess.run(
        [BASH], input=script, capture_output=True, text=True, check=True
    )
    assert "_gleann_completion gleann" in done.stdout


def test_the_shell_in_use_is_the_default(monkeypatch, capsys) -> None:
    monkeypatch.setenv("SHELL", "/bin/zsh")
    assert run(["completion"]) == 0
    assert capsys.readouterr().out.startswith("#compdef gleann")
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert run(["completion"]) == 2
    assert "SHELL is 'tcsh': name one of bash, zsh, fish" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serch"], "no command 'serch'; did you mean search"),
        (["ccs", "x.npy"], "no command 'ccs'; did you mean select ccs?"),
        (["select", "activ"], "no command 'activ'; did you mean active?"),
        (["build", "a", "b", "--metrc", "l2"], "--metric"),
        (["quixotic"], "no command 'quixotic' (see gleann --help)"),
    ],
)
def test_a_typo_gets_a_suggestion(capsys, arguments: list[str], says: str) -> None:
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_completion_is_not_taken_for_a_command() -> None:
    """A shell calls the script itself: without the variable nothing completes."""
    done = subprocess.run(
        [sys.executable, "-c", "from gleann.service.cli.main import main; main()"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("Usage: gleann")
