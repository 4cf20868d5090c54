"""The README's session prints what it shows, and its links lead somewhere."""

import doctest
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_session_prints_what_it_shows():
    example = doctest.DocTestParser().get_doctest(README, {}, "README", "README.md", 0)
    assert len(example.examples) >= 6
    output = []
    runner = doctest.DocTestRunner()
    failed = runner.run(example, out=output.append).failed
    assert failed == 0, "".join(output)


def test_files_it_names_exist():
    folders = "index|selection|service|proto|bench"
    named = set(re.findall(rf"`((?:{folders})/[\w/.]+)`", README))
    assert named
    missing = [name for name in sorted(named) if not (ROOT / name).exists()]
    assert not missing


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.M):
        assert re.search(rf"^{target}:", makefile, flags=re.M)
