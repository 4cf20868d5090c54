"""The generated modules are current, the files lint, and no parameter is forgotten."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from gleann.index import BuildParams, SearchParams, SearchStats
from gleann.selection.active import ActiveParams, Coverage, StopAdvice
from gleann.selection.estimate import Estimate, EstimateParams, Stratum
from gleann.selection.rounds import RoundsParams
from gleann.service.values import Limits
from gleann.v1 import (
    active_pb2,
    admin_pb2,
    estimate_pb2,
    index_pb2,
    rounds_pb2,
    search_pb2,
)

ROOT = Path(__file__).resolve().parents[3]


def generate(proto: Path, action: str) -> tuple[int, str]:
    """Run the script of a folder of protos; its exit status, and what it said."""
    done = subprocess.run(
        [sys.executable, proto / "generate.py", action],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("action", ["--check", "--lint", "--breaking"])
def test_the_committed_modules(action: str) -> None:
    status, said = generate(ROOT / "proto", action)
    assert status == 0, said


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """A copy of the protos in which a text of one file is another."""

    def change(file: str, old: str, new: str) -> Path:
        copy = shutil.copytree(ROOT / "proto", tmp_path / "proto")
        path = copy / "gleann" / "v1" / file
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
        return copy

    return change


INDEX_DIM = "  // Numbers in a vector.\n  int32 dim = 2;\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("index.proto", INDEX_DIM, INDEX_DIM.replace("= 2", "= 77"), 'field "2"'),
        ("index.proto", INDEX_DIM, INDEX_DIM.replace("int32", "string"), "type"),
        ("index.proto", INDEX_DIM, "", 'Previously present field "2"'),
        ("index.proto", INDEX_DIM, INDEX_DIM.replace("dim", "size"), "name"),
        (
            "index.proto",
            "  rpc GetIndex(GetIndexRequest) returns (Index);\n",
            "",
            "Previously present RPC",
        ),
    ],
)
def test_an_incompatible_change_is_found(
    changed: Callable[[str, str, str], Path], file: str, old: str, new: str, says: str
) -> None:
    status, said = generate(changed(file, old, new), "--breaking")
    assert status != 0
    assert file in said
    assert says in said


def test_an_addition_is_compatible_until_it_is_released(
    changed: Callable[[str, str, str], Path],
) -> None:
    added = "  // More.\n  int32 more = 900;\n"
    proto = changed("index.proto", INDEX_DIM, INDEX_DIM + added)
    assert generate(proto, "--breaking")[0] == 0
    assert generate(proto, "--release")[0] == 0
    path = proto / "gleann" / "v1" / "index.proto"
    path.write_text(path.read_text().replace(added, ""))
    status, said = generate(proto, "--breaking")
    assert status != 0
    assert 'Previously present field "900"' in said


def test_the_released_descriptors_are_small() -> None:
    assert (ROOT / "proto" / "gleann.binpb").stat().st_size < 200_000


@pytest.mark.parametrize(
    ("kind", "message", "renamed"),
    [
        # Parameter: field; None for what the service leaves out on purpose.
        (BuildParams, index_pb2.BuildParams, {"metric": None}),
        (
            SearchParams,
            search_pb2.SearchParams,
            # `radius` is a field of the request.
            {"allowed": None, "segments": None, "certain": None, "radius": None},
        ),
        (SearchStats, search_pb2.SearchStats, {}),
        (
            ActiveParams,
            active_pb2.ActiveParams,
            {"C": "c", "class_weight": "balanced"},
        ),
        (
            RoundsParams,
            rounds_pb2.RoundsParams,
            {"C": "c", "class_weight": "balanced"},
        ),
        (EstimateParams, estimate_pb2.EstimateParams, {}),
        (StopAdvice, active_pb2.StopAdvice, {}),
        (Coverage, active_pb2.Coverage, {}),
        (Stratum, estimate_pb2.Stratum, {}),
        (Estimate, estimate_pb2.Estimate, {"provenance": "provenance_json"}),
        (Limits, admin_pb2.Limits, {}),
    ],
)
def test_messages_have_every_field(kind: Any, message: Any, renamed: Any) -> None:
    names = kind._fields if issubclass(kind, tuple) else [f.name for f in fields(kind)]
    wanted = {renamed.get(name, name) for name in names} - {None}
    assert {field.name for field in message.DESCRIPTOR.fields} == wanted
