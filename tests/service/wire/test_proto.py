"""The generated modules are current, the files lint, and no parameter is forgotten."""

import subprocess
import sys
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


@pytest.mark.parametrize("action", ["--check", "--lint"])
def test_the_committed_modules(action: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "proto" / "generate.py", action],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


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
