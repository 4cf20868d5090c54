"""Snapshots that were exported once are imported, checked and restored for ever."""

import json
from pathlib import Path
from shutil import copyfile

import pytest
from golden_snapshots import WHERE, answers

import gleann
from gleann.service.cli.main import run

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "snapshots-v1-expected.json").read_text("utf-8"))

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("name", EXPECTED)
def test_an_archive_of_version_1_is_restored(tmp_path: Path, name: str) -> None:
    """With the rows, columns, parameters and answers of the day it was made."""
    said = dict(EXPECTED[name])
    with gleann.Client(tmp_path / "data") as client:
        archive = HERE / "snapshots-v1" / f"{name}.tar"
        brought = client.snapshots.import_from(archive).wait(timeout=60)
        assert brought.name == said.pop("name")
        client.snapshots.verify(brought.name).wait(timeout=60)
        client.snapshots.restore(brought.name, "again").wait(timeout=60)
        assert answers(client, "again", where=WHERE[name]) == said
    with gleann.Client(tmp_path / "data") as client:
        assert answers(client, "again", where=WHERE[name]) == said
        client.build("again").wait(timeout=60)
        after = answers(client, "again", where=WHERE[name])
        assert [after[key] for key in ("rows", "ids", "passing")] == [
            said[key] for key in ("rows", "ids", "passing")
        ]


def test_the_command_takes_it(tmp_path: Path) -> None:
    archive = copyfile(HERE / "snapshots-v1" / "papers.tar", tmp_path / "old.tar")
    assert run(["verify", str(archive)]) == 0
    data = tmp_path / "data"
    assert run(["restore", str(archive), "papers", "--data", str(data)]) == 0
    with gleann.Client(data) as client:
        assert client.get_index("papers").count == EXPECTED["papers"]["info"][3]
