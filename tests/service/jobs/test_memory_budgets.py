"""Builds with a memory budget: the layout that is chosen is one that is served."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams
from gleann.index.build.fit_memory import layout_bytes
from gleann.index.errors import InvalidParamsError
from gleann.index.sizes import shown_bytes
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.local import application_stubs

N, DIM, NLIST = 6000, 256, 4
SMALLEST = BuildParams(
    metric="l2",
    nlist=NLIST,
    spill="none",
    tune_queries=0,
    kmeans_iterations=1,
    keep="disk",
    entry_codes="shared",
)
OPENS = Callable[[str], gleann.Client]


def taken(params: BuildParams) -> int:
    return layout_bytes(params, n=N, dim=DIM, nlist=NLIST)


WHOLE = min(taken(SMALLEST), taken(replace(SMALLEST, entry_codes="copied")))
"""The smallest layout whose codes are of whole rows."""
BUDGET = (WHOLE + taken(replace(SMALLEST, projection=DIM // 2))) // 2
"""That only codes of projected rows meet."""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OPENS]:
    """Opens a client of an index that is not built, served by an engine."""
    clients: list[gleann.Client] = []

    def client(engine: str) -> gleann.Client:
        config = Config(
            data_dir=tmp_path / engine,
            engine=engine,
            threads=1,
            optimizer=gleann.OptimizerParams(enabled=False),
        )
        one = gleann.Client.of_stubs(application_stubs(Application(config)))
        clients.append(one)
        one.create_index("i", dim=DIM, metric="l2")
        rows = np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)
        one.upsert("i", np.arange(N), rows)
        return one

    yield client
    for one in clients:
        one.close()


def test_a_build_and_its_plan_refuse_what_the_engine_would_not_search(
    opened: OPENS,
) -> None:
    """Before the work: the version would be written, and could not be opened."""
    pytest.importorskip("faiss")
    client = opened("faiss")
    params = replace(SMALLEST, keep="f32", entry_codes="copied", memory=BUDGET)
    for refusing in (
        lambda: client.plans.build("i", params),
        lambda: client.build("i", params).wait(),
    ):
        with pytest.raises(InvalidParamsError) as refused:
            refusing()
        said = str(refused.value)
        assert f"memory is {shown_bytes(BUDGET)}" in said
        assert f"{N:,} rows of {DIM} dimensions take {shown_bytes(WHOLE)}" in said
        assert "that engine 'faiss' searches" in said
    assert client.get_index("i").version == 0
    client.build("i", replace(params, memory=WHOLE)).wait()
    assert client.get_index("i").version == 1


def test_a_projection_for_such_an_engine_has_no_plan(opened: OPENS) -> None:
    pytest.importorskip("faiss")
    client = opened("faiss")
    with pytest.raises(InvalidParamsError, match="'faiss' does not search codes"):
        client.plans.build("i", replace(SMALLEST, projection=128))


def test_the_budget_is_met_where_projected_codes_are_searched(opened: OPENS) -> None:
    client = opened("auto")
    params = replace(SMALLEST, keep="f32", entry_codes="copied", memory=BUDGET)
    assert client.plans.build("i", params).plan is not None
    client.build("i", params).wait()
    info = client.get_index("i")
    assert (info.projection, info.keep) == (DIM // 2, "disk")
    again = client.plans.build("i", params).plan
    assert again is not None
    assert again.steps == ("It is built with these parameters.",)
    with pytest.raises(InvalidParamsError, match="memory is 1 kB, and 6,000 rows"):
        client.plans.build("i", replace(params, memory="1kB"))


def test_a_plan_counts_the_layout_that_is_chosen(opened: OPENS) -> None:
    client = opened("auto")
    params = replace(SMALLEST, keep="f32", entry_codes="copied")
    whole = client.plans.build("i", params).plan
    fitted = client.plans.build("i", replace(params, memory=BUDGET)).plan
    halves = client.plans.build("i", replace(params, keep="f16")).plan
    assert whole is not None
    assert fitted is not None
    assert halves is not None
    assert whole.disk_bytes - fitted.disk_bytes == N * DIM // 2
    assert whole.disk_bytes - halves.disk_bytes == N * DIM * 2
