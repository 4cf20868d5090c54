"""Requests that are only checked: what they answer, and that they change nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.values import Plan


def filled(client: gleann.Client, rows: np.ndarray, name: str = "p") -> None:
    client.create_index(name, dim=8, metric="l2")
    client.upsert(name, np.arange(len(rows)), rows)


def plan_of(operation: Any) -> Plan:
    assert operation.plan is not None
    return operation.plan


def test_plans_of_all_that_has_one(
    client: gleann.Client, rows: np.ndarray, quick: BuildParams, tmp_path: Path
) -> None:
    filled(client, rows)
    np.save(tmp_path / "v.npy", rows[:50] + 1)
    before = client.get_index("p")
    planned = client.plans.build("p", quick)
    assert (planned.name, planned.done, planned.kind) == ("", True, "build")
    plan = plan_of(planned)
    assert plan.rows == len(rows)
    assert plan.seconds is not None
    assert plan.seconds > 0
    assert plan.memory_bytes > plan.disk_bytes > rows.nbytes
    assert plan.steps[0] == "It trains 8 lists and assigns 240 vectors to them."
    assert plan.steps[-1] == "It publishes version 1."
    imported = plan_of(client.plans.import_vectors("p", tmp_path / "v.npy"))
    assert imported.rows == 50
    assert "v.npy" in imported.steps[0]
    optimized = plan_of(client.plans.optimize("p"))
    assert optimized.rows == len(rows)
    assert "process of its own" in optimized.steps[-1]
    chosen = plan_of(client.plans.coresets.farthest_first("p", k=7))
    assert (chosen.rows, chosen.steps[1]) == (
        len(rows),
        "It chooses 7 of them by farthest_first.",
    )
    made = client.plans.create_index("q", dim=8, columns={"year": "int64"})
    assert (made.name, made.version, made.etag) == ("q", 0, "")
    # Nothing has changed, and nothing was asked for.
    assert client.get_index("p") == before
    assert [info.name for info in client.list_indexes()] == ["p"]
    assert client.jobs.list() == []


def test_a_plan_of_nothing(
    client: gleann.Client, rows: np.ndarray, quick: BuildParams
) -> None:
    filled(client, rows)
    client.build("p", quick).wait(timeout=60)
    built = plan_of(client.plans.build("p", quick))
    assert built.steps == ("It is built with these parameters.",)
    assert (built.memory_bytes, built.disk_bytes, built.disk_bytes_after) == (0, 0, 0)
    folded = plan_of(client.plans.optimize("p", "fold"))
    assert folded.steps == ("Nothing has to be done.",)


def test_what_the_request_refuses_its_plan_refuses(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path
) -> None:
    client.create_index("empty", dim=8)
    filled(client, rows)
    with pytest.raises(errors.NotReadyError, match="empty"):
        client.plans.build("empty")
    with pytest.raises(errors.UnknownIndexError):
        client.plans.optimize("none")
    with pytest.raises(errors.InvalidParamsError, match="nlist is 1000"):
        client.plans.build("p", BuildParams(metric="l2", nlist=1000))
    with pytest.raises(errors.MissingFileError):
        client.plans.import_vectors("p", tmp_path / "none.npy")
    np.save(tmp_path / "wide.npy", np.ones((3, 9), np.float32))
    with pytest.raises(errors.InvalidInputError):
        client.plans.import_vectors("p", tmp_path / "wide.npy")
    with pytest.raises(errors.InvalidParamsError, match="k must be in"):
        client.plans.coresets.farthest_first("p", k=1000)
    with pytest.raises(errors.AlreadyExistsError):
        client.plans.create_index("p", dim=8)


def test_what_has_no_plan_is_not_done(client: gleann.Client, rows: np.ndarray) -> None:
    filled(client, rows)
    for call in (
        lambda: client.plans.indexes.delete("p"),
        lambda: client.plans.vectors.upsert("p", [1], rows[:1]),
        lambda: client.plans.vectors.delete("p", [1]),
    ):
        with pytest.raises(errors.InvalidParamsError, match="has no plan"):
            call()
    assert client.get_index("p").count == len(rows)


def test_a_version_that_a_session_needs_stays(
    client: gleann.Client, rows: np.ndarray, quick: BuildParams
) -> None:
    filled(client, rows)
    client.build("p", quick).wait(timeout=60)
    session = client.active.start("p", ids=np.arange(4), labels=np.arange(4) % 2)
    client.upsert("p", [900], rows[:1])
    stays = plan_of(client.plans.build("p"))
    assert "Version 1 stays, as a session needs it." in stays.steps
    client.sessions.close(session)
    goes = plan_of(client.plans.build("p"))
    assert stays.disk_bytes_after > goes.disk_bytes_after


def found_by(part: str, n: int, dim: int, folder: Path) -> dict[str, Any]:
    """What `python -m bench plans` finds, in a process that has done nothing else."""
    out = folder / "found.json"
    words = ["--part", part, "--rows", str(n), "--dim", str(dim), "--out", str(out)]
    command = [sys.executable, "-m", "bench", "plans", *words, "--folder", str(folder)]
    subprocess.run(command, check=True, timeout=280)
    found: dict[str, Any] = json.loads(out.read_text())["works"]
    return found


def within(planned: float, used: float, factor: float, *, slack: float) -> bool:
    """Whether two amounts are alike to a factor, beside what any work takes."""
    return planned <= factor * used + slack and used <= factor * planned + slack


MIB = 1 << 20


def require_alike(found: dict[str, Any], *, after: float) -> None:
    """Memory and disk to a factor of 2, seconds of CPU to a factor of 3.

    Args:
        found: plans and what was used, by the name of the work.
        after: bytes of disk that may be misjudged of what is left.
    """
    for work, one in found.items():
        plan, used = one["planned"], one["used"]
        said = f"{work}: {plan}, used {used}"
        assert within(plan["seconds"], used["seconds"], 3, slack=0.2), said
        memory = plan["memory_bytes"], used["memory_bytes"]
        assert within(*memory, 2, slack=16 * MIB), said
        assert within(plan["disk_bytes"], used["disk_bytes"], 2, slack=MIB), said
        left = plan["disk_bytes_after"] - used["disk_bytes_after"]
        assert abs(left) < after, said


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("n", "dim"), [(30_000, 64), (15_000, 200), (70_000, 64)])
def test_work_takes_what_its_plan_says(tmp_path: Path, n: int, dim: int) -> None:
    require_alike(found_by("builds", n, dim, tmp_path), after=0.1 * 4 * n * dim)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("n", "dim"), [(8_000, 200), (40_000, 32)])
def test_curations_take_what_their_plans_say(tmp_path: Path, n: int, dim: int) -> None:
    found = found_by("curations", n, dim, tmp_path)
    require_alike(found, after=MIB)
