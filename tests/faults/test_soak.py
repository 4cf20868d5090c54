"""Mixed load for some time: no memory, file or thread stays.

`GLEANN_SOAK_MINUTES` says for how long; `make test-soak` takes 30.
"""

import os
from pathlib import Path

import pytest

from bench.service.mixed import KINDS
from bench.service.soak import SoakJob, run_soak, soak_table

MINUTES = float(os.environ.get("GLEANN_SOAK_MINUTES", "30"))
MIB_A_MINUTE = 1.0
"""A slope that no measurement of half an hour tells from none."""
ALLOWED_ERRORS = {"OverloadedError", "LimitError"}


def soaked(job: SoakJob, folder: Path) -> dict:
    """The result of a load in which every kind of work got on."""
    result = run_soak(job, folder)
    print(soak_table(result))  # noqa: T201  what the lane reports
    for name in KINDS:
        turns = result["turns"][name]
        assert turns["done"] > 0, (name, turns)
        assert set(turns["errors"]) <= ALLOWED_ERRORS, (name, turns)
    return result


@pytest.mark.slow
@pytest.mark.alone
def test_a_short_soak_leaves_no_file_and_no_thread(tmp_path: Path) -> None:
    first, last = ends(soaked(SoakJob(minutes=0.25, warm_seconds=8), tmp_path))
    assert last["files"] <= first["files"] + 3
    assert last["threads"] <= first["threads"] + 4
    assert last["stored_files"] <= first["stored_files"] + 10
    assert last["anonymous_mib"] < first["anonymous_mib"] + 200


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_long_soak_leaves_nothing(tmp_path: Path) -> None:
    result = soaked(SoakJob(minutes=MINUTES, warm_seconds=60), tmp_path)
    first, last = ends(result)
    assert last["files"] <= first["files"]
    assert last["threads"] <= first["threads"] + 2
    assert last["stored_files"] <= first["stored_files"] + 5
    assert result["memory"]["low"] <= 0 or (
        result["memory"]["mib_a_minute"] < MIB_A_MINUTE
    )


def ends(result: dict) -> tuple[dict, dict]:
    return result["first"], result["last"]
