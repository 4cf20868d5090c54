"""CONTRIBUTING.md: its paths exist, and its flows are what runs."""

import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.selection.active import ActiveParams

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FOLDERS = "bench|docs|index|proto|selection|service|tests"
OVER_GRPC = ("service/client/remote.py", "service/server/")
"""Files that a client in process does not come to."""

LABELLED = np.arange(10)


def listed(flow):
    """The Python files of a flow."""
    section = PAGE.split(f"### {flow}\n")[1].split("\n#")[0]
    return re.findall(r"`([\w/]+\.py)`", section)


@pytest.fixture
def client(tmp_path, clustered):
    """A client in process, and the set of files entered since it was cleared."""
    entered = set()

    def note(frame, event, _):
        if event == "call":
            entered.add(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        with gleann.Client(tmp_path / "data") as opened:
            yield opened, entered
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def searches(client):
    client.search("words", np.eye(8), gleann.SearchParams(k=3, target_recall=0.9))


def upserts(client):
    client.upsert("words", [1000], np.ones((1, 8)))


def labels(client):
    params = ActiveParams(pool="classifier")  # what "auto" takes of more rows
    session = client.active.start(
        "words", ids=LABELLED, labels=LABELLED % 2, params=params
    )
    batch = client.active.next_batch(session)
    client.active.submit_labels(session, batch.ids, np.ones(len(batch.ids), np.int64))


def selects(client):
    costs = np.arange(600), np.ones(600)
    client.coresets.weighted_k_center("words", k=5, costs=costs).wait()


@pytest.mark.parametrize(
    ("flow", "run"),
    [
        ("Search", searches),
        ("Upsert", upserts),
        ("Labelling session", labels),
        ("Selection job", selects),
    ],
)
def test_a_flow_lists_files_that_run(flow, run, client, clustered):
    opened, entered = client
    opened.create_index("words", dim=8)
    opened.upsert("words", np.arange(600), clustered(600, 8, seed=1))
    opened.build("words", gleann.BuildParams(nlist=8, tune_queries=20)).wait()
    entered.clear()
    run(opened)
    ran = {str(Path(file).resolve()) for file in entered.copy()}
    expected = [file for file in listed(flow) if not file.startswith(OVER_GRPC)]
    missed = [file for file in expected if str(ROOT / file) not in ran]
    assert len(expected) >= 7
    assert missed in ([], ["service/cli/select/select_coreset.py"])


def test_paths_it_names_exist():
    named = set(re.findall(rf"(?:`|\()((?:{FOLDERS})/[\w./-]*)", PAGE))
    assert len(named) > 40
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


def test_every_room_is_in_the_picture():
    picture = PAGE.split("## The rooms")[1].split("## Four flows")[0]
    for package in ("index", "selection", "service"):
        for folder in (ROOT / package).iterdir():
            if folder.is_dir() and folder.name != "__pycache__":
                assert re.search(rf"\b{folder.name}\b", picture), folder


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"`make ([\w-]+)", PAGE))
    assert len(targets) >= 5
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.M), target
