"""One version: of the package, its metadata, commands, server, citation and files."""

import re
import subprocess
import sys
import tomllib
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import gleann

ROOT = Path(__file__).resolve().parents[2]
SECTION = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<day>\S+))?$", re.MULTILINE)
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""The sections of a release in Keep a Changelog."""


def test_it_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    source = project["tool"]["setuptools"]["dynamic"]["version"]
    assert source == {"attr": "gleann.__version__"}


def test_metadata_command_and_server_say_the_same(tmp_path: Path) -> None:
    """Where the metadata differ, the package is to be installed again."""
    words = "from gleann.service.cli.main import run; run(['--version'])"
    said = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True
    )
    with gleann.Client(tmp_path / "data") as client:
        server = client.server_info().version
    assert version("gleann") == server == gleann.__version__
    assert said.stdout.split() == ["gleann,", "version", gleann.__version__]


def test_the_citation_and_the_images_are_of_it() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == gleann.__version__
    deployed = "".join(
        (ROOT / "service/deploy" / name).read_text("utf-8")
        for name in ("compose.yaml", "kubernetes.yaml", "kuberay.yaml")
    )
    tags = set(re.findall(r"image: gleann(?:-ray)?:(\S+)", deployed))
    assert tags == {gleann.__version__}


def test_make_reads_it() -> None:
    made = subprocess.run(
        ["make", "-n", "image"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"-t gleann:{gleann.__version__} ." in made.stdout


def test_a_tagged_commit_has_the_version_of_its_tag() -> None:
    done = subprocess.run(
        ["git", "tag", "--points-at", "HEAD", "v*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("not a checkout of git")
    assert done.stdout.split() in ([], [f"v{gleann.__version__}"])


def test_the_changelog_has_a_section_for_each_release() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first, *released = SECTION.finditer(text)
    assert (first["name"], first["day"]) == ("Unreleased", None)
    days = [date.fromisoformat(one["day"]) for one in released]
    assert days == sorted(days, reverse=True)
    names = [one["name"] for one in released]
    assert names[:1] in ([], [gleann.__version__])
    assert len(set(names)) == len(names)
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= KINDS
    for section in re.split(SECTION, text)[1::3]:
        assert section.count("### ") == len(set(re.findall(r"### .+", section)))
